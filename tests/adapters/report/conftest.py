"""Releases as they go, built from the domain's own values: the judge's evidence is the judge's."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from slipway.domain import judge
from slipway.domain.counters import ZERO, Counters
from slipway.domain.model import ReleaseState
from slipway.domain.release import ReleaseRecord, StageRecord
from slipway.domain.spec import DataSpec, JudgeSpec, ReleaseSpec, RolloutSpec, Step
from slipway.domain.status import Evidence, Moment, Phase
from slipway.domain.verdict import Outcome, Verdict

SEED = 2
"""With these dice the bad canary is found out at 50 percent."""
BEGAN = 1763700000.0
DIGEST = "sha256:" + "3f2a9c41d07be586" * 4
SPEC = ReleaseSpec(
    model="digits",
    data=DataSpec(path="digits-validation.csv", label="digit"),
    rollout=RolloutSpec(
        steps=[
            Step(weight_percent=10, duration_seconds=4),
            Step(weight_percent=25, duration_seconds=5),
            Step(weight_percent=50, duration_seconds=8),
        ]
    ),
    judge=JudgeSpec(negligible_error_ratio=0.02),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """A stretch of a rollout."""

    phase: Phase
    seconds: float
    weight: int = 0


LEGS = (
    Leg(phase=Phase.STARTING, seconds=6),
    Leg(phase=Phase.SHADOW, seconds=4),
    Leg(phase=Phase.SHIFTING, seconds=4, weight=10),
    Leg(phase=Phase.SHIFTING, seconds=5, weight=25),
    Leg(phase=Phase.SHIFTING, seconds=8, weight=50),
)


def rollout(error_rate: float, begins: float) -> tuple[Moment, ...]:
    """Play a rollout with a look every half second at 60 requests a second, until it is decided."""
    dice, evidence, at = random.Random(SEED), Evidence(), begins  # noqa: S311 - dice, not keys
    arms = {"digits-v2": ZERO, "digits-v3": ZERO}
    moments: list[Moment] = []
    for leg in LEGS:
        ends = at + leg.seconds
        while at < ends or (leg is LEGS[-1] and moments[-1].evidence_for < 1 / SPEC.judge.beta):
            evidence, verdict = looked(evidence, arms, leg.phase)
            moments.append(moment(at, leg, verdict.reason, evidence))
            if verdict.outcome is Outcome.FAIL:
                back = Leg(phase=Phase.ROLLING_BACK, seconds=0)
                over = Leg(phase=Phase.ROLLED_BACK, seconds=0)
                said = f"{verdict.check}: {verdict.reason}"
                return (*moments, moment(at + 0.1, back, said, evidence), moment(at + 1.4, over, said, evidence))
            asked(arms, leg, error_rate, dice)
            at += 0.5
    done = judge.verdict(evidence, SPEC.judge).reason
    ways = ((0.1, Phase.PROMOTING), (0.6, Phase.BAKING), (20.6, Phase.SUCCEEDED))
    ends_well = (moment(at + later, Leg(phase=phase, seconds=0, weight=100), done, evidence) for later, phase in ways)
    return (*moments, *ends_well)


def asked(arms: dict[str, Counters], leg: Leg, error_rate: float, dice: random.Random) -> None:
    """Send half a second of requests: a share of them, or a copy of all, to the canary."""
    share = 1.0 if leg.phase is Phase.SHADOW else leg.weight / 100
    canary = round(30 * share)
    stable = 30 if leg.phase is Phase.SHADOW else 30 - canary
    for name, requests, rate in (("digits-v3", canary, error_rate), ("digits-v2", stable, 0.001)):
        errors = sum(dice.random() < rate for _ in range(requests))
        before = arms[name]
        arms[name] = Counters(requests=before.requests + requests, errors=before.errors + errors)


def looked(evidence: Evidence, arms: dict[str, Counters], phase: Phase) -> tuple[Evidence, Verdict]:
    """Let the judge look once."""
    channel = "shadow" if phase is Phase.SHADOW else "live"
    seen = judge.Arms(channel=channel, canary="digits-v3", stable="digits-v2", counters=dict(arms))
    evidence = judge.look(evidence, seen, SPEC.judge)
    return evidence, judge.verdict(evidence, SPEC.judge)


def moment(at: float, leg: Leg, reason: str, evidence: Evidence) -> Moment:
    """Return one line of the timeline."""
    return Moment(
        at=at,
        phase=leg.phase,
        weight_percent=leg.weight,
        reason=reason,
        evidence_against=judge.evidence_against(evidence),
        evidence_for=judge.evidence_for(evidence),
        canary=evidence.canary,
        stable=evidence.stable,
    )


def passed(check: str, reason: str, **numbers: float) -> Verdict:
    """Return a verdict that passes."""
    return Verdict(check=check, outcome=Outcome.PASS, reason=reason, numbers=numbers)


def stage(name: str, begins: float, ends: float, *verdicts: Verdict, **details: Any) -> StageRecord:  # noqa: ANN401
    """Return a stage; times are seconds since the release began."""
    return StageRecord(name=name, started_at=BEGAN + begins, ended_at=BEGAN + ends, verdicts=verdicts, details=details)


def variant(name: str, median: float, speedup: float, note: str = "", *, chosen: bool = False) -> dict[str, Any]:
    """Return one row of the optimizer's table."""
    spread = {"speedup_low": speedup * 0.96, "speedup_high": speedup * 1.05}
    row = {"variant": name, "chosen": chosen, "size_bytes": 5321, "median_microseconds": median, "speedup": speedup}
    return row | spread | {"parity": "360 of 360 labels agree", "note": note}


def stages() -> tuple[StageRecord, ...]:
    """Return the stages of a release that passed every gate; some overlap."""
    pixels = [
        passed(f"pixel_{number}", f"all of 360 rows have pixel_{number} between 0 and 16", rows=360)
        for number in range(64)
    ]
    memory = Verdict(
        check="memory", outcome=Outcome.PASS, reason="248.3 MiB; allowed 1,024 MiB", numbers={"seen": 248.3}
    )
    p99 = Verdict(check="p99 latency", outcome=Outcome.PASS, reason="8.7 ms; no limit set", blocking=False)
    quality = Verdict(
        check="quality",
        outcome=Outcome.INCONCLUSIVE,
        reason="accuracy 0.956 against the champion's 0.950 on the same 360 rows; 0.006 worse to 0.017 better",
        numbers={"challenger": 0.9556, "champion": 0.95, "low": -0.0057, "high": 0.0168},
        blocking=False,
    )
    table = [
        variant("plain", 41.2, 1.0),
        variant("graph", 33.9, 1.214, chosen=True),
        variant("dynamic-int8", 44.8, 0.92, "not faster than the plain model"),
    ]
    return (
        stage("fetch", 0.4, 1.9, digest=DIGEST, champion_digest=DIGEST[:-4] + "0000"),
        stage("validate data", 1.9, 11.2, *pixels, rows_digest=DIGEST),
        stage("validate model", 1.9, 9.7, passed("input example", "the model answers its own example"), quality),
        stage(
            "convert", 1.9, 8.1, passed("parity", "360 of 360 labels agree; probabilities differ by 3.1e-07 at most")
        ),
        stage(
            "optimize", 8.1, 12.9, passed("speed", "graph is 1.21 times as fast as plain (1.17 to 1.27)"), table=table
        ),
        stage("package", 12.9, 17.5, digest=DIGEST, tag="digits:v3-3f2a9c41", runtime="onnx", path="/somewhere/else"),
        stage(
            "rehearse",
            17.5,
            26.0,
            passed("answers", "100 of 100 answers over HTTP are the original model's", same=100, requests=100),
            p99,
            memory,
            requests=100,
            p50_milliseconds=3.412,
            p99_milliseconds=8.7301,
            memory_mebibytes=248.3,
            ready_seconds=5.2,
        ),
    )


def record(state: ReleaseState, reason: str, **changes: Any) -> ReleaseRecord:  # noqa: ANN401 - the record's own
    """Return a record; everything that is not given is as usual."""
    usual: dict[str, Any] = {
        "release_id": "digits-v3-a1",
        "model": "digits",
        "version": 3,
        "digest": DIGEST,
        "replaced": 2,
        "trigger": "webhook",
        "started_at": BEGAN,
        "ended_at": BEGAN + 58.2,
        "stages": stages(),
        "parameters": SPEC.model_dump(mode="json")
        | {"links": {"model version in MLflow": "http://127.0.0.1:5500/#/models/digits/versions/3"}},
    }
    return ReleaseRecord(state=state, reason=reason, **(usual | changes))


def rolled_back() -> ReleaseRecord:
    """Return a release whose canary fails on 3 percent of requests."""
    timeline = rollout(0.03, BEGAN + 26.3)
    return record(ReleaseState.ROLLED_BACK, timeline[-1].reason, timeline=timeline, ended_at=timeline[-1].at + 0.4)


def promoted() -> ReleaseRecord:
    """Return a release whose canary is as good as the stable version."""
    timeline = rollout(0.001, BEGAN + 26.3)
    return record(ReleaseState.PROMOTED, timeline[-1].reason, timeline=timeline, ended_at=timeline[-2].at + 0.4)


def stopped() -> ReleaseRecord:
    """Return a release that is worse on the holdout: the quality gate says no."""
    worse = "accuracy 0.711 against the champion's 0.956 on the same 360 rows: worse by 0.244 (0.198 to 0.291)"
    quality = Verdict(
        check="quality", outcome=Outcome.FAIL, reason=worse, numbers={"challenger": 0.711, "champion": 0.956}
    )
    reason = f"validate model: quality: {worse}; expected a gate that passes. Next: train a better version"
    done = (*stages()[:2], stage("validate model", 1.9, 9.9, quality), stages()[3])
    return record(
        ReleaseState.STOPPED, reason, stages=done, ended_at=BEGAN + 12.4, version=4, release_id="digits-v4-a1"
    )


def first() -> ReleaseRecord:
    """Return a release with nothing to compare with, and no converter for it: served as pyfunc."""
    refused = Verdict(
        check="conversion",
        outcome=Outcome.INCONCLUSIVE,
        reason="served as it is (pyfunc): no converter for StackingClassifier",
        blocking=False,
    )
    begins = BEGAN + 26.3
    ways = ((0.0, Phase.STARTING, 0), (6.1, Phase.PROMOTING, 100), (6.6, Phase.BAKING, 100))
    timeline = tuple(
        Moment(at=begins + later, phase=phase, weight_percent=weight, reason="there is nothing to compare with")
        for later, phase, weight in ways
    )
    usual = stages()
    done = (*usual[:3], stage("convert", 1.9, 4.0, refused), stage("optimize", 4.0, 4.0), *usual[5:])
    reason = "first release of digits: every gate passed, and there is nothing to compare with"
    return record(
        ReleaseState.PROMOTED, reason, stages=done, timeline=timeline, replaced=None, version=1, ended_at=begins + 7,
        release_id="digits-v1-a1",
    )  # fmt: skip


def unfetched() -> ReleaseRecord:
    """Return a release whose artifact could not even be fetched."""
    reason = "model digits, version 5: its artifact is missing; expected a folder with MLmodel. Next: log it again"
    return record(ReleaseState.STOPPED, reason, stages=(), digest="", ended_at=BEGAN + 1.2, parameters={}, version=5)


RECORDS: dict[str, Callable[[], ReleaseRecord]] = {
    made.__name__: made for made in (rolled_back, promoted, stopped, first, unfetched)
}


@pytest.fixture(scope="session", params=list(RECORDS))
def any_record(request: pytest.FixtureRequest) -> ReleaseRecord:
    """Return each kind of release in turn."""
    return RECORDS[request.param]()


@pytest.fixture(scope="session")
def records() -> dict[str, ReleaseRecord]:
    """Return one release of each kind, by name."""
    return {name: made() for name, made in RECORDS.items()}
