"""Specs that the tests of decisions share."""

from typing import Any

from slipway.domain.judge.decision import build_verdicts
from slipway.domain.judge.evidence import Evidence
from slipway.domain.spec.release import ReleaseSpec
from slipway.domain.verdict import Outcome
from tests.domain.looks import release_spec

FAIL, PASS, INCONCLUSIVE, NO_DATA = Outcome.FAIL, Outcome.PASS, Outcome.INCONCLUSIVE, Outcome.NO_DATA
EVERYTHING = release_spec(
    {
        "latency": {"any_quantile": True},
        "labels": {"weight": 2.0},
        "scores": {"tolerance": 0.5},
        "classes": {},
        "drift": {},
    },
    shadow={"duration_seconds": 10, "disagreement_limit": 0.1, "slowdown_limit": 1.5},
)


def live_spec(judge: dict[str, Any]) -> ReleaseSpec:
    """Return a spec without a shadow: only live requests are judged."""
    return release_spec(judge, shadow=None)


def outcomes(evidence: Evidence, spec: ReleaseSpec) -> dict[str, Outcome]:
    """Return each metric's outcome."""
    return {one.check: one.outcome for one in build_verdicts(evidence, spec)}
