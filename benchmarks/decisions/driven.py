"""The product's own state machine along single traces, look by look: `advance`, with all that it does at each look.

What the rule `slipway` does on many traces at once is held against it; `python -m benchmarks.decisions.driven SCENARIO
COUNT` says how many decide alike.
"""

import sys
from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks.decisions import outcomes
from benchmarks.decisions.channels import Arms
from benchmarks.decisions.decisions import Decision
from benchmarks.decisions.revisions import revision
from benchmarks.decisions.scenario import Metric, Scenario
from benchmarks.decisions.scenarios import SCENARIOS
from benchmarks.decisions.schedule import TICK_SECONDS, TICKS, TICKS_PER_MINUTE, index_of
from benchmarks.decisions.slipway_guards import CLASSES, SCORES, SUMMED
from benchmarks.decisions.slipway_rule import Slipway
from benchmarks.decisions.slipway_sums import LOOK_TICKS
from benchmarks.decisions.traces import History, Traces, draw
from benchmarks.decisions.tuning import Lot
from slipway.domain.judge.checks import Check
from slipway.domain.judge.counters import ZERO, Counters
from slipway.domain.judge.evidence import Evidence
from slipway.domain.judge.readings import Cursor, Latencies, Reading, Summary, Sums, collect_readings
from slipway.domain.judge.statistics.counts import CountEvidence
from slipway.domain.judge.statistics.dispersion import NOTHING_LEARNED, Dispersion, update_dispersion
from slipway.domain.judge.statistics.shared_faults import SharedFault
from slipway.domain.rollout.actions import Observation
from slipway.domain.rollout.machine import advance
from slipway.domain.rollout.revision import Health, RevisionState, Traffic
from slipway.domain.rollout.shadow import NOTHING_COMPARED, ShadowComparison
from slipway.domain.rollout.status import Phase, RolloutStatus
from slipway.domain.spec.release import ReleaseSpec

TRACES = 300
"""Of each scenario that a figure is for."""
SHOWN = ("equal", "1.5x", "2x", "bursts-one")
"""Scenarios besides those with a figure of their own."""
LEFT_OUT = (
    *("second-release", "second-release-faulty", "never-watched", "never-watched-faulty"),
    *("first-release-faulty", "2x-bursts-one", "2x-bursts-one-hourly"),
)
"""For time: what is shown beside a figure, or is like another of its scenarios."""
BEGINS = 6_000_000.0 - TICK_SECONDS / 2
"""So that the looks of a minute fall into one block."""
SLOW_MILLISECONDS = 100.0
"""The histogram's one edge: what is over it is slow."""
ENDS = {Phase.ROLLING_BACK: Decision.ROLL_BACK, Phase.PROMOTING: Decision.PROMOTE}
READY = {name: RevisionState(name=name, health=Health.READY) for name in ("old", "new")}
CHECKS = {
    Metric.ERRORS: Check.ERRORS,
    Metric.SLOW: Check.LATENCY,
    Metric.REFUSED: Check.REFUSED,
    Metric.SHED: Check.SHED,
}


def spec_of(scenario: Scenario) -> ReleaseSpec:
    """Return the default spec, with what the scenario is about; latency keeps its share of alpha where it has none."""
    judge: dict[str, Any] = {} if scenario.metric is Metric.SLOW else {"latency": {"required": False}}
    more = {Metric.SCORES: ("scores", SCORES), Metric.CLASSES: ("classes", CLASSES)}
    if scenario.metric in more:
        name, guard = more[scenario.metric]
        judge[name] = guard.model_dump()
    rollout = {} if scenario.shadow else {"shadow": None}
    document = {"model": "m", "data": {"path": "x.csv", "label": "y"}, "judge": judge, "rollout": rollout}
    return ReleaseSpec.model_validate(document)


class Counted:
    """What has been counted of one revision so far, by metric: requests, events (or their sum), squares."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._sums: dict[str, tuple[float, float, float]] = {}

    def add(self, metric: Metric, requests: float, events: float, squares: float) -> None:
        """Add what came in a tick."""
        before = self._sums.get(metric, (0.0, 0.0, 0.0))
        self._sums[metric] = (before[0] + requests, before[1] + events, before[2] + squares)

    @property
    def live(self) -> Counters:
        """As the router has it."""
        kinds = {"errors": Metric.ERRORS, "refused": Metric.REFUSED, "shed": Metric.SHED}
        events = {name: int(self._sums[metric][1]) if metric in self._sums else 0 for name, metric in kinds.items()}
        return Counters(requests=int(self._sums.get(Metric.ERRORS, (0.0,))[0]), **events)

    @property
    def latencies(self) -> Latencies:
        """A histogram of one edge."""
        requests, slow, _ = self._sums[Metric.SLOW]
        return Latencies(requests=int(requests), edges_milliseconds=(SLOW_MILLISECONDS,), slower=(int(slow),))

    @property
    def summary(self) -> Summary:
        """What the revision says of its predictions."""
        if Metric.SCORES in self._sums:
            count, total, squares = self._sums[Metric.SCORES]
            return Summary(scores=Sums(count=int(count), total=total, squares=squares))
        count, total, _ = self._sums.get(Metric.CLASSES, (0.0, 0.0, 0.0))
        return Summary(classes={"A": total, "B": max(0.0, count - total)})


def driven(traces: Traces, trace: int) -> tuple[Decision, int]:
    """Drive the state machine along one trace; return what it decided, and after how many ticks."""
    spec, status = spec_of(traces.scenario), beginning(traces, trace)
    counted, shadow = {"new": Counted(), "old": Counted()}, NOTHING_COMPARED
    path = np.zeros((TICKS, traces.count), dtype=np.int8)
    for tick in range(TICKS):
        path[tick] = index_of(status.weight_percent / 100)
        for metric in set(traces.channels) & set(Metric):
            _count(counted, Metric(metric), traces.channels[metric].window(tick, tick + 1, path), trace)
        if status.copying:
            shadow = _compared(shadow, traces, tick, trace)
        seen = _seen(traces, status, counted, shadow)
        status = advance(spec, status, seen, BEGINS + (tick + 1) * TICK_SECONDS).status
        if status.phase in ENDS:
            return ENDS[status.phase], tick + 1
    return Decision.UNDECIDED, TICKS


def play(lot: Lot) -> list[outcomes.Row]:
    """Drive every trace of a lot, and let the rule decide on the same ones; return a row each."""
    traces, rule = draw(lot.scenario, lot.size, chunk=lot.chunk, purpose="driven"), Slipway("slipway")
    ruled = rule.decide(traces, rule.default(traces))
    late = LOOK_TICKS if lot.scenario.metric in SUMMED else 0
    rows = []
    for trace in range(traces.count):
        decision, tick = driven(traces, trace)
        same = decision == ruled.decision[trace] and abs(tick - int(ruled.tick[trace])) <= late
        rows.append({"decision": decision, "tick": tick, "same": same, "ruled": Decision(ruled.decision[trace])})
    return rows


def table(scenario: str, rows: list[outcomes.Row]) -> outcomes.Row:
    """Return what came of a scenario: the state machine's decisions, the rule's on the same traces, how many agree."""
    shares = {
        name: {
            what: outcomes.share(np.array([row[key] is decision for row in rows]))
            for what, decision in (("rolled_back", Decision.ROLL_BACK), ("promoted", Decision.PROMOTE))
        }
        for name, key in (("advance", "decision"), ("rule", "ruled"))
    }
    return {"scenario": scenario, "traces": len(rows), **shares, "alike": sum(row["same"] for row in rows)}


def work(share: float = 1.0) -> list[Lot]:
    """Return what is driven, cut small: a trace takes some tenths of a second."""
    chosen = [one for one in SCENARIOS if (one.figure and one.name not in LEFT_OUT) or one.name in SHOWN]
    count = max(1, round(share * TRACES))
    size = min(count, 50)
    return [
        Lot(scenario=one, chunk=number, size=min(size, count - number * size))
        for one in chosen
        for number in range(-(-count // size))
    ]


def beginning(traces: Traces, trace: int) -> RolloutStatus:
    """Return a rollout at its first look that knows stable's time before."""
    scenario, past = traces.scenario, traces.history[Metric.ERRORS]
    rates = {
        CHECKS[Metric(metric)]: CountEvidence(dispersion=_learned(history, trace))
        for metric, history in traces.history.items()
        if metric in CHECKS
    }
    requests, events = int(past.requests[:, trace].sum()), int(past.events[:, trace].sum())
    nothing = {name: Reading(requests=ZERO) for name in READY}
    spec = spec_of(scenario)
    return RolloutStatus(
        model="m",
        version=2,
        release_id="m-v2-a1",
        phase=Phase.SHADOW if scenario.shadow else Phase.SHIFTING,
        stable=revision("old", 1),
        canary=revision("new", 2),
        weight_percent=0 if scenario.shadow else spec.rollout.steps[0].weight_percent,
        started_at=BEGINS,
        entered_at=BEGINS,
        heartbeat_at=BEGINS,
        evidence=Evidence(
            rates=rates,
            threshold_milliseconds=SLOW_MILLISECONDS if scenario.metric is Metric.SLOW else None,
            fault=SharedFault(usual=events / max(requests, 1), requests=requests),
            cursors={
                "requests": Cursor(last=nothing),
                "alone": Cursor(last={"old": Reading(requests=ZERO)}),
                "latencies": Cursor(last={name: Reading(latencies=_no_latencies()) for name in READY}),
                "summaries": Cursor(last={name: Reading(summary=Summary()) for name in READY}),
            },
        ),
    )


def _learned(history: History, trace: int) -> Dispersion:
    looks = zip(history.requests[:, trace].tolist(), history.events[:, trace].tolist(), strict=True)
    began = int(BEGINS // 60) + 1 - len(history.requests) // TICKS_PER_MINUTE
    learned = NOTHING_LEARNED
    for number, (requests, events) in enumerate(looks):
        learned = update_dispersion(learned, began + number // TICKS_PER_MINUTE, requests, events)
    return learned


def _count(counted: dict[str, Counted], metric: Metric, arms: Arms, trace: int) -> None:
    for name, arm in (("new", "canary"), ("old", "stable")):
        parts = (f"{arm}_requests", arm, f"{arm}_squares")
        counted[name].add(metric, *(getattr(arms, part)[trace].item() for part in parts))


def _compared(before: ShadowComparison, traces: Traces, tick: int, trace: int) -> ShadowComparison:
    """Add a tick's copies."""
    one = {part: getattr(traces.copies, part)[tick, trace].item() for part in traces.copies.__slots__}
    times = before.log_latency_ratios
    return replace(
        before,
        compared=before.compared + one["requests"],
        canary_failed=before.canary_failed + one["canary"],
        stable_failed=before.stable_failed + one["stable"],
        both_failed=before.both_failed + one["both"],
        log_latency_ratios=Sums(
            count=times.count + one["timed"],
            total=times.total + one["log_ratios"],
            squares=times.squares + one["squares"],
        ),
    )


def _seen(traces: Traces, status: RolloutStatus, counted: dict[str, Counted], shadow: ShadowComparison) -> Observation:
    metric, copied = traces.scenario.metric, "new" if status.copying else None
    return Observation(
        revisions=READY,
        traffic=Traffic(stable="old", canary="new", canary_percent=status.weight_percent, shadow=copied),
        readings=collect_readings(
            requests={name: one.live for name, one in counted.items()},
            latencies={name: one.latencies for name, one in counted.items()} if metric is Metric.SLOW else None,
            summaries={name: one.summary for name, one in counted.items()} if metric in SUMMED else None,
        ),
        shadow=shadow if status.copying else None,
    )


def _no_latencies() -> Latencies:
    return Latencies(requests=0, edges_milliseconds=(SLOW_MILLISECONDS,), slower=(0,))


if __name__ == "__main__":
    asked = next(one for one in SCENARIOS if one.name == sys.argv[1])
    print(table(asked.name, play(Lot(scenario=asked, chunk=0, size=int(sys.argv[2])))))
