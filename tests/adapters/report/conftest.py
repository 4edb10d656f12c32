"""Releases as they go, built from the domain's own values: what the judge says is the judge's."""

from collections.abc import Callable
from typing import Any

import pytest

from slipway.adapters.report.html import HtmlReporter
from slipway.domain.release.record import ReleaseRecord, StageRecord
from slipway.domain.release.version import ReleaseState
from slipway.domain.rollout.status import Moment, Phase
from slipway.domain.spec.judge import ClassesSpec, DriftSpec, JudgeSpec, LabelsSpec, LatencySpec, ScoresSpec
from slipway.domain.spec.release import DataSpec, ReleaseSpec, RolloutSpec, ShadowSpec, Step
from slipway.domain.verdict import Outcome, Verdict
from tests.adapters.report.played import Player, World

BEGAN = 1763700000.0
GATES_SECONDS = 26.3
"""After that the rollout begins."""
DIGEST = "sha256:" + "3f2a9c41d07be586" * 4
LINKS = {"model version in MLflow": "http://127.0.0.1:5500/#/models/digits/versions/3"}
SPEC = ReleaseSpec(
    model="digits",
    data=DataSpec(path="digits-validation.csv", label="digit"),
    rollout=RolloutSpec(
        shadow=ShadowSpec(duration_seconds=4),
        steps=[
            Step(weight_percent=10, duration_seconds=8),
            Step(weight_percent=25, duration_seconds=8),
            Step(weight_percent=50, duration_seconds=12),
        ],
        deadline_seconds=60,
        bake_seconds=20,
        hold_back_percent=0,
        warm_up_seconds=0,
    ),
)
EVERYTHING = SPEC.model_copy(
    update={
        "judge": JudgeSpec(
            latency=LatencySpec(any_quantile=True),
            labels=LabelsSpec(),
            scores=ScoresSpec(tolerance=0.5),
            classes=ClassesSpec(),
            drift=DriftSpec(),
        ),
        "rollout": SPEC.rollout.model_copy(
            update={"shadow": ShadowSpec(duration_seconds=4, disagreement_limit=0.02, slowdown_limit=1.5)}
        ),
    }
)


def played(world: World, spec: ReleaseSpec = SPEC) -> ReleaseRecord:
    """Return the record of a release whose rollout went as the world made it go."""
    status = Player(spec=spec, world=world).play(BEGAN + GATES_SECONDS)
    ends = {
        Phase.SUCCEEDED: ReleaseState.PROMOTED,
        Phase.ROLLED_BACK: ReleaseState.ROLLED_BACK,
        Phase.HELD: ReleaseState.RELEASING,
    }
    return record(
        ends[status.phase],
        status.reason,
        timeline=status.timeline,
        judged=status.verdicts,
        ended_at=status.timeline[-1].at + 0.4,
        parameters=spec.model_dump(mode="json") | {"links": LINKS},
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
        "parameters": SPEC.model_dump(mode="json") | {"links": LINKS},
    }
    return ReleaseRecord(state=state, reason=reason, **(usual | changes))


def rolled_back() -> ReleaseRecord:
    """Return a release whose canary fails on 1.2 percent of requests, six times as often: copies show it."""
    return played(World(canary_errors=0.012))


def promoted() -> ReleaseRecord:
    """Return a release whose canary is as good as the stable version, and gets requests enough to show it."""
    return played(World(requests_per_second=1200.0))


def interrupted() -> ReleaseRecord:
    """Return a release of a good canary during which a dependency was down for six seconds."""
    return played(World(outage=(20.0, 26.0)))


def everything() -> ReleaseRecord:
    """Return a release that is judged by every metric there is; some do not look well."""
    world = World(canary_slower=1.4, score_shift=0.2, classes=(0.52, 0.5), drifted=True, wrong=(0.04, 0.03))
    return played(world, EVERYTHING)


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
    begins = BEGAN + GATES_SECONDS
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
    made.__name__: made for made in (rolled_back, promoted, interrupted, everything, stopped, first, unfetched)
}


@pytest.fixture(scope="session")
def records() -> dict[str, ReleaseRecord]:
    """Return one release of each kind, by name."""
    return {name: made() for name, made in RECORDS.items()}


@pytest.fixture(scope="session")
def pages(records: dict[str, ReleaseRecord]) -> dict[str, str]:
    """Return the page of each release, by name: drawing takes a while."""
    return {name: HtmlReporter().render_page(record) for name, record in records.items()}


@pytest.fixture(scope="session", params=list(RECORDS))
def any_kind(request: pytest.FixtureRequest) -> str:
    """Return the name of each kind of release in turn."""
    return str(request.param)
