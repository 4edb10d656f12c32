"""What the judge promises: error rates in the long run, and the same verdict for the same input after a restart."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic import TypeAdapter
from scipy import stats

from slipway.domain.judge.checks import Check
from slipway.domain.judge.counters import ZERO, Counters
from slipway.domain.judge.decision import Decision, build_verdicts, decide
from slipway.domain.judge.evidence import Evidence
from slipway.domain.judge.readings import Readings, collect_readings
from slipway.domain.judge.statistics import counts
from slipway.domain.rollout.status import RolloutStatus
from tests.domain.judge.specs import SPEC, count_delta, counters
from tests.domain.judged import Bench, after, arms, counted, latencies, summary
from tests.domain.looks import release_spec

DOCUMENT = TypeAdapter(RolloutStatus)


@given(
    seen=st.lists(st.tuples(counters(30), counters(200)), min_size=1, max_size=8),
    cut=st.integers(0, 8),
)
def test_evidence_goes_on_after_a_restart(seen: list[tuple[Counters, Counters]], cut: int) -> None:
    """Cut anywhere, written as JSON and read again, it ends with the same evidence and the same verdicts."""
    spec = release_spec({"latency": {"any_quantile": True}, "labels": {}, "scores": {"tolerance": 0.5}, "classes": {}})
    whole, resumed = Bench(spec=spec), Bench(spec=spec)
    sums: list[int] = [0, 0, 0, 0]

    for number, (canary, stable) in enumerate(seen):
        sums = list(np.add(sums, [canary.requests, canary.errors, stable.requests, stable.errors]).tolist())
        now = _everything(*sums)
        whole.look(now)
        if number == cut:
            resumed.evidence = DOCUMENT.validate_json(DOCUMENT.dump_json(_status(resumed.evidence))).evidence
        resumed.look(now)

    assert resumed.evidence == whole.evidence
    assert build_verdicts(resumed.evidence, spec) == build_verdicts(whole.evidence, spec)
    assert decide(resumed.evidence, spec) == decide(whole.evidence, spec)


def _everything(n: int, x: int, m: int, y: int) -> Readings:
    arm = {"new": counted(n, x), "old": counted(m, y)}
    return collect_readings(
        requests=arm,
        labels=arm,
        latencies={name: latencies(one.requests, one.errors, one.errors // 2, 0) for name, one in arm.items()},
        summaries={
            name: summary(one.requests, 0.3, {"cat": one.requests, "dog": one.errors}) for name, one in arm.items()
        },
    )


def _status(evidence: Evidence) -> RolloutStatus:
    return RolloutStatus(
        model="m", version=2, release_id="m-v2-a1", started_at=0.0, entered_at=0.0, heartbeat_at=0.0, evidence=evidence
    )


@given(seen=st.lists(st.tuples(counters(30), counters(200)), min_size=1, max_size=6))
def test_the_same_input_gives_the_same_verdict(seen: list[tuple[Counters, Counters]]) -> None:
    """No clock, no randomness."""

    def said() -> Decision:
        return decide(after(*np.cumsum([[c.requests, c.errors, s.requests, s.errors] for c, s in seen], axis=0)), SPEC)

    assert said() == said()


TRACES, LOOKS = 1000, 48
GUARD = SPEC.judge.errors


def simulated(ratio: float, seed: int, *, traces: int = TRACES) -> tuple[NDArray[np.bool_], list[Evidence]]:
    """Return which rollouts were ever rolled back, per look, and the first one's evidence by the judge itself.

    200 requests per look; the canary's share goes up from 5 to 50 % while the base rate swings from 1 to 4 %.
    """
    random = np.random.default_rng(seed)
    base = 0.025 * (1 + 0.6 * np.sin(np.arange(LOOKS) / 9))
    share = np.repeat([0.05, 0.25, 0.5], LOOKS // 3)
    n_c = np.round(200 * share).astype(int)
    x = random.binomial(n_c, ratio * base, (traces, LOOKS))
    y = random.binomial(200 - n_c, base, (traces, LOOKS))
    state, failed, told, bench = [counts.NOTHING] * traces, np.zeros((traces, LOOKS), bool), [], Bench()
    bench.look(arms(ZERO, ZERO))
    for at in range(LOOKS):
        looks = [
            count_delta(int(n_c[at]), int(x[one, at]), int(200 - n_c[at]), int(y[one, at])) for one in range(traces)
        ]
        state = counts.update_counts(state, looks, [GUARD] * traces, int((bench.at + 10) // 60), 0.0)
        failed[:, at] = counts.log_evidence(state, [GUARD] * traces, 0.0)[0] >= -math.log(0.01)
        sums = (int(part[: at + 1].sum()) for part in (n_c, x[0], 200 - n_c, y[0]))
        n, x_0, m, y_0 = sums
        told.append(bench.look(arms(counted(n, x_0), counted(m, y_0))))
        assert told[-1].rate(Check.ERRORS).tally == pytest.approx(state[0].tally, abs=1e-9)
    return failed, told


def test_a_healthy_canary_is_rolled_back_less_often_than_alpha() -> None:
    """1,000 equal canaries, 48 looks each, with weights that rise under a base rate that swings (Simpson).

    The upper end of the rate (95 %, Clopper-Pearson) is under alpha; the judge itself says what the simulation does.
    """
    failed, _ = simulated(1.0, seed=1)

    ever = failed.any(axis=1)
    assert stats.beta.ppf(0.95, ever.sum() + 1, TRACES - ever.sum()) < 0.01


def test_a_canary_twice_as_bad_is_found() -> None:
    """Three of four within eight minutes (48 looks of 200 requests), half of them within six."""
    failed, _ = simulated(2.0, seed=2, traces=300)

    assert failed.any(axis=1).mean() > 0.75
    found = np.where(failed.any(axis=1), failed.argmax(axis=1), LOOKS)
    assert np.median(found) < 36
