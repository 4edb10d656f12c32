"""What the default spec judges a canary by, and how alpha is split over it."""

from collections.abc import Iterable, Iterator

from benchmarks.decisions.scenario import Metric, Scenario
from benchmarks.decisions.traces import Traces
from slipway.domain.judge.judge import copies_guard
from slipway.domain.judge.metrics import rate_guards
from slipway.domain.spec.judge import ClassesSpec, Guard, JudgeSpec, LabelsSpec, RateGuard, ScoresSpec
from slipway.domain.spec.release import RolloutSpec

SPEC = JudgeSpec(labels=LabelsSpec(required=True))
SCORES = ScoresSpec(tolerance=0.2)
CLASSES = ClassesSpec(margin=0.0, tolerance=0.05)
SUMMED: dict[Metric, Guard] = {Metric.SCORES: SCORES, Metric.CLASSES: CLASSES}
"""What the spec says where a scenario is about them: any shift counts."""
ALPHA = JudgeSpec().alpha * (1 - RolloutSpec().part_of_alpha_while_baking)
"""What checks before promotion share."""


def usual_guards(*, shadow: bool) -> list[Guard]:
    """Return the checks of the default spec; under shadow times of copies have a third of live ones' weight."""
    judge = JudgeSpec()
    copied = Guard(weight=(judge.latency.weight if judge.latency else 0.0) / 3)
    return [*rate_guards(judge).values(), *((copies_guard(judge), copied) if shadow else ())]


def share_of_alpha(guard: Guard, guards: Iterable[Guard]) -> float:
    """Return a check's share of alpha, of all that it is split over."""
    return ALPHA * guard.weight / sum(one.weight for one in guards)


def error_alpha() -> float:
    """Return the error rate's share of alpha where a scenario is about errors."""
    return share_of_alpha(SPEC.errors, usual_guards(shadow=True))


def guards_of(traces: Traces) -> Iterator[tuple[Metric, RateGuard]]:
    """Return the shares that there is something to see of; errors first."""
    yield Metric.ERRORS, SPEC.errors
    others = {
        Metric.SLOW: SPEC.latency,
        Metric.LABELS: SPEC.labels,
        Metric.REFUSED: SPEC.refused,
        Metric.SHED: SPEC.shed,
    }
    for metric, guard in others.items():
        if metric in traces.channels and guard is not None:
            yield metric, guard


def all_guards(scenario: Scenario, *, shadow: bool) -> list[Guard]:
    """Return what alpha is split over: what the default spec has, and what the scenario is about."""
    more = {Metric.LABELS: SPEC.labels, **SUMMED}.get(scenario.metric)
    return [*usual_guards(shadow=shadow), *([] if more is None else [more])]
