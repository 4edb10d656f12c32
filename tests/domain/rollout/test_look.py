"""One look: its evidence is scored once for each comparison, however often the result is used."""

from dataclasses import replace

import pytest

from slipway.domain.judge import metrics
from slipway.domain.judge.evidence import Evidence
from slipway.domain.judge.metrics import Metric, Score
from slipway.domain.rollout.machine import advance
from slipway.domain.rollout.revision import Traffic
from slipway.domain.rollout.status import Phase, RolloutStatus
from slipway.domain.spec.release import ReleaseSpec
from tests.domain.looks import HALF, NOW, SHADOWED, WORSE, given, release_spec, seen

SPEC = release_spec(judge={"scores": {"tolerance": 0.5}}, hold_back_percent=10)
HELD_BACK = Traffic(stable="new", canary="old", canary_percent=10)


@pytest.fixture
def scored(monkeypatch: pytest.MonkeyPatch) -> list[Evidence]:
    """Return a list that grows with every scoring of the metric on scores."""
    calls: list[Evidence] = []

    def count(row: Metric) -> Metric:
        def score(evidence: Evidence, spec: ReleaseSpec, alpha: float) -> Score:
            calls.append(evidence)
            return row.score(evidence, spec, alpha)

        return replace(row, score=score)

    monkeypatch.setattr(metrics, "OTHERS", tuple(map(count, metrics.OTHERS[:1])))
    return calls


@pytest.mark.parametrize(
    ("status", "traffic", "comparisons"),
    [
        (given(Phase.SHADOW), SHADOWED, 1),
        (given(Phase.SHIFTING, step=1, weight_percent=50), HALF, 1),
        (given(Phase.SHIFTING, step=1, weight_percent=50, entered_at=NOW - 100), HALF, 1),
        (given(Phase.BAKING, weight_percent=90), HELD_BACK, 2),
    ],
)
def test_a_look_scores_each_comparison_once(
    scored: list[Evidence], status: RolloutStatus, traffic: Traffic, comparisons: int
) -> None:
    """Verdicts, the decision and the end of a step are read from the same scores."""
    advance(SPEC, status, seen(traffic=traffic, live=WORSE), NOW)

    assert len(scored) == comparisons
