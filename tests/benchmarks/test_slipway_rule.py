"""The rule of the benchmark is the product: the rollout's own state machine decides the same on the same traces."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.decisions.decisions import Decision
from benchmarks.decisions.scenario import Metric
from benchmarks.decisions.scenarios import SCENARIOS
from benchmarks.decisions.schedule import TICK_SECONDS, TICKS, TICKS_PER_MINUTE, index_of
from benchmarks.decisions.slipway_rule import Slipway, error_alpha, look_milliseconds
from benchmarks.decisions.traces import HISTORY_MINUTES, Traces, draw
from slipway.domain.counters import Counters
from slipway.domain.deciding import score
from slipway.domain.evidence import Evidence
from slipway.domain.judging.counts import CountEvidence
from slipway.domain.judging.dispersion import NOTHING_LEARNED, note
from slipway.domain.judging.shared_faults import SharedFault
from slipway.domain.judging.wording import ERRORS
from slipway.domain.moving import Observation
from slipway.domain.readings import Cursor, Reading
from slipway.domain.revision import Health, Package, Revision, RevisionState, Traffic
from slipway.domain.rollout import advance
from slipway.domain.spec import ReleaseSpec
from slipway.domain.status import Phase, RolloutStatus

BEGINS = 6_000_000.0 - TICK_SECONDS / 2
"""So that the looks of a minute fall into one block."""
# latency is not in these traces: it keeps its share of alpha and is not waited for
SPEC = ReleaseSpec.model_validate(
    {
        "model": "m",
        "data": {"path": "x.csv", "label": "y"},
        "judge": {"latency": {"required": False}},
    }
)
ENDS = {Phase.ROLLING_BACK: Decision.ROLL_BACK, Phase.PROMOTING: Decision.PROMOTE}
READY = {name: RevisionState(name=name, health=Health.READY) for name in ("old", "new")}


def revision(name: str, version: int) -> Revision:
    """Return a revision."""
    package = Package(model="m", version=version, path=Path(name), digest="sha256:0", tag=name, runtime="onnx")
    return Revision(name=name, model="m", version=version, package=package)


def beginning(traces: Traces, trace: int) -> RolloutStatus:
    """Return a rollout at its first step that knows stable's hour before."""
    past = traces.history[Metric.ERRORS]
    looks = zip(past.requests[:, trace].tolist(), past.events[:, trace].tolist(), strict=True)
    began = int(BEGINS // SPEC.judge.burst_seconds) + 1 - HISTORY_MINUTES
    learned = NOTHING_LEARNED
    for number, (requests, events) in enumerate(looks):
        learned = note(learned, began + number // TICKS_PER_MINUTE, requests, events)
    requests, events = past.requests[:, trace].sum(), past.events[:, trace].sum()
    nothing = {name: Reading(requests=Counters(requests=0, errors=0)) for name in READY}
    return RolloutStatus(
        model="m",
        version=2,
        release_id="m-v2-a1",
        phase=Phase.SHIFTING,
        stable=revision("old", 1),
        canary=revision("new", 2),
        weight_percent=SPEC.rollout.steps[0].weight_percent,
        started_at=BEGINS,
        entered_at=BEGINS,
        heartbeat_at=BEGINS,
        evidence=Evidence(
            rates={ERRORS: CountEvidence(dispersion=learned)},
            fault=SharedFault(usual=events / requests, requests=int(requests)),
            cursors={"requests": Cursor(last=nothing)},
        ),
    )


def driven(traces: Traces, trace: int) -> tuple[Decision, int]:
    """Drive the state machine along one trace; return what it decided, and after how many ticks."""
    status, counted = beginning(traces, trace), {name: Counters(requests=0, errors=0) for name in READY}
    channel = traces.channels[Metric.ERRORS]
    for tick in range(TICKS):
        path = np.full((TICKS, traces.count), index_of(status.weight_percent / 100), dtype=np.int8)
        arms = channel.window(tick, tick + 1, path)
        news = {"new": (arms.canary_requests, arms.canary), "old": (arms.stable_requests, arms.stable)}
        counted = {
            name: Counters(
                requests=counted[name].requests + int(n[trace]), errors=counted[name].errors + int(events[trace])
            )
            for name, (n, events) in news.items()
        }
        traffic = Traffic(stable="old", canary="new", canary_percent=status.weight_percent)
        seen = Observation(revisions=READY, traffic=traffic, live=counted)
        status = advance(SPEC, status, seen, BEGINS + (tick + 1) * TICK_SECONDS).status
        if status.phase in ENDS:
            return ENDS[status.phase], tick + 1
    return Decision.UNDECIDED, TICKS


@pytest.mark.parametrize("name", ["2x", "5x", "broken", "equal", "outage", "bursts-one", "faulty-bursts", "clean-2x"])
def test_the_state_machine_decides_as_the_benchmark_says(name: str) -> None:
    """Same decision in the same tick, trace by trace: steps, early ends, gusts, shared faults and all."""
    traces = draw(next(one for one in SCENARIOS if one.name == name), 3, purpose="test")

    decided = Slipway("slipway", adaptive=True).decide(traces, Slipway("slipway", adaptive=True).default(traces))

    expected = list(zip(decided.decision.tolist(), decided.tick.tolist(), strict=True))
    assert [driven(traces, trace) for trace in range(traces.count)] == expected


def test_alpha_is_shared_as_the_judge_shares_it() -> None:
    """The benchmark's share for errors is that of the default spec."""
    spec = default_spec()

    shares = {one.check: one.alpha for one in score(Evidence(), spec)}

    assert shares[ERRORS] == pytest.approx(error_alpha())


def default_spec() -> ReleaseSpec:
    """Return the default spec."""
    return ReleaseSpec.model_validate({"model": "m", "data": {"path": "x.csv", "label": "y"}})


def test_looks_are_timed() -> None:
    """A time in milliseconds, of real looks."""
    assert look_milliseconds(metrics=2, looks=5) > 0
