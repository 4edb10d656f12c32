"""Rollouts under way, what is seen of them, and cases of what follows: shared by this folder's rollout tests."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from slipway.domain.judge.counters import Counters
from slipway.domain.judge.decision import decide
from slipway.domain.judge.evidence import Evidence
from slipway.domain.judge.readings import Cursor, Reading, Source, collect_readings
from slipway.domain.rollout import analysis
from slipway.domain.rollout.actions import Action, Approval, Observation
from slipway.domain.rollout.look import Look
from slipway.domain.rollout.machine import advance
from slipway.domain.rollout.revision import Health, Package, Revision, RevisionState, Traffic
from slipway.domain.rollout.status import Phase, RolloutStatus
from slipway.domain.spec.release import ReleaseSpec

NOW = 1000.0
ABSENT, STARTING, READY, UNREADY, FAILED = Health
BEFORE = Traffic(stable="old")
SHADOWED = Traffic(stable="old", canary="new", shadow="new")
TENTH = Traffic(stable="old", canary="new", canary_percent=10)
HALF = Traffic(stable="old", canary="new", canary_percent=50)
PROMOTED = Traffic(stable="new", canary="old")
AFTER = Traffic(stable="new")
NO, YES = Approval(by="ann", approve=False), Approval(by="ann", approve=True)


def revision(name: str, version: int) -> Revision:
    """Return a revision."""
    package = Package(model="m", version=version, path=Path(name), digest="sha256:0", tag=name, runtime="onnx")
    return Revision(name=name, model="m", version=version, package=package)


OLD, NEW = revision("old", 1), revision("new", 2)


ERRORS_ALONE: dict[str, Any] = {
    "errors": {"margin": 1.0, "tolerance": 1.5, "negligible": 0.01},
    "refused": None,
    "shed": None,
    "nonfinite": None,
    "latency": None,
}


def release_spec(judge: dict[str, Any] | None = None, **rollout: Any) -> ReleaseSpec:  # noqa: ANN401 - a document
    """Return a spec: shadow 10 s, steps of 10 % and 50 % for 10 s each, deadline 60 s, bake 100 s.

    Errors alone decide where `judge` does not say otherwise; what they are held against stays when defaults change.
    """
    steps = [{"weight_percent": 10, "duration_seconds": 10}, {"weight_percent": 50, "duration_seconds": 10}]
    short = {"shadow": {"duration_seconds": 10}, "steps": steps, "deadline_seconds": 60, "bake_seconds": 100}
    short |= {"warm_up_seconds": 0, "hold_back_percent": 0}
    document = {"model": "m", "data": {"path": "x", "label": "y"}, "judge": ERRORS_ALONE | (judge or {})}
    return ReleaseSpec.model_validate(
        document | {"rollout": short | {"ready_timeout_seconds": 30, "lease_seconds": 5} | rollout}
    )


SPEC = release_spec()


def update_verdicts(spec: ReleaseSpec, status: RolloutStatus, seen: Observation, now: float) -> RolloutStatus:
    """Return the status after one look's evidence and verdicts."""
    return Look(spec=spec, before=status, seen=seen, now=now).update_verdicts()


def step_is_over(spec: ReleaseSpec, status: RolloutStatus, waited: float) -> bool:
    """Return whether a step is over, as the status's own evidence decides."""
    return analysis.step_is_over(spec, status, waited, decide(status.evidence, spec))


GOOD = {"new": Counters(requests=1000, errors=0), "old": Counters(requests=1000, errors=0)}
EVEN = {"new": Counters(requests=10, errors=0), "old": Counters(requests=10, errors=0)}
WORSE = {"new": Counters(requests=1000, errors=100), "old": Counters(requests=1000, errors=1)}
NOTHING = {"new": Counters(requests=0, errors=0), "old": Counters(requests=0, errors=0)}

UNCOUNTED = {name: Reading(requests=counted) for name, counted in NOTHING.items()}


def given(phase: Phase, seconds: float = 1, **more: Any) -> RolloutStatus:  # noqa: ANN401 - fields of the status
    """Return a rollout that is in a phase for some seconds, with counters that stood at zero at the last look."""
    weight = {Phase.SHIFTING: 10, Phase.HELD: 50, Phase.PROMOTING: 100, Phase.BAKING: 100}.get(phase, 0)
    fields: dict[str, Any] = {
        "model": "m",
        "version": 2,
        "release_id": "m-v2-a1",
        "phase": phase,
        "stable": OLD,
        "canary": NEW,
        "weight_percent": weight,
        "started_at": 0.0,
        "entered_at": NOW - seconds,
        "heartbeat_at": NOW - 1,
        "reason": "so far",
        "evidence": Evidence(
            cursors={Source.REQUESTS: Cursor(last={n: Reading(requests=NOTHING[n]) for n in NOTHING})}
        ),
    }
    return RolloutStatus(**(fields | more))


def seen(
    new: Health = READY,
    old: Health = READY,
    traffic: Traffic | None = BEFORE,
    **more: Any,  # noqa: ANN401 - fields of the observation, and by source what is read of each revision
) -> Observation:
    """Return what was seen: both revisions' health, the route, and equal counters where nothing else is said."""
    found = {"new": new, "old": old}
    states = {n: RevisionState(name=n, health=h, detail="some detail") for n, h in found.items() if h is not ABSENT}
    read = {name: more.pop(name, None) for name in ("latencies", "summaries", "labels")}
    readings = collect_readings(requests=more.pop("live", EVEN), **read)
    return Observation(**({"revisions": states, "traffic": traffic, "readings": readings} | more))


@dataclass(frozen=True, kw_only=True)
class Case:
    """Given a rollout, when this is seen, then that follows."""

    case: str
    given: RolloutStatus
    when: Observation
    then: Phase
    do: tuple[Action, ...] = ()
    because: str = ""
    spec: ReleaseSpec = field(default=SPEC)

    def check(self) -> None:
        """Look once, and once more: that phase, these actions and this sentence follow, and the same again."""
        step = advance(self.spec, self.given, self.when, NOW)

        assert (step.status.phase, step.actions) == (self.then, self.do), step
        assert step.reason == step.status.reason
        assert step.reason.startswith(self.because), step.reason
        assert advance(self.spec, self.given, self.when, NOW) == step


def shifting(seconds: float = 1, step: int = 1, **more: Any) -> RolloutStatus:  # noqa: ANN401 - fields of the status
    """Return a rollout in one of its two steps; the last one where nothing is said."""
    return given(Phase.SHIFTING, seconds, step=step, weight_percent=50 if step else 10, **more)


def waiting(**more: Any) -> RolloutStatus:  # noqa: ANN401 - fields of the status
    """Return a rollout that waits for a person's word before promotion."""
    return given(Phase.HELD, held_from=Phase.PROMOTING, awaits_approval=True, step=1, **more)
