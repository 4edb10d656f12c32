"""Settings of the peers: as good as they get without rolling back more healthy canaries than allowed.

Twice: one setting for all services that watch a metric, as Slipway has one; and one per service, as somebody would who
knows that service's rate, error share and disturbances.

The peers see traces of their own: every scenario with an equal canary but the one where traffic stops (missing data
fails in both Flagger and Argo Rollouts, whatever their limits), and the regressions that are marked.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.decisions import line_up
from benchmarks.decisions.decisions import Decision, Decisions
from benchmarks.decisions.scenario import TUNING_EQUAL_TRACES, TUNING_REGRESSION_TRACES, Metric, Scenario, Service
from benchmarks.decisions.traces import draw

PROMOTED, FOUND = 0.95, 0.5
"""Shares of equal canaries promoted and of worse ones rolled back, at least. Without them tuning finds limits that any
error breaks and thresholds that are never reached: Flagger then leaves every canary at its first weight for ever."""
CHUNK = 500
"""Traces at a time: a few hundred megabytes."""


Scope = Metric | Service
"""All services in which a metric is watched, or one service."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lot:
    """A part of a scenario's traces: what one process works on at a time."""

    scenario: Scenario
    chunk: int
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """Settings of one rule on one lot."""

    rule: str
    lot: Lot
    totals: Mapping[Any, tuple[float, float]]
    """By setting, summed over traces: rollbacks; and promotions where the canary is equal, bad answers where not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """What tuning gave."""

    scope: Scope
    """What it was chosen for."""
    rule: str
    setting: Any
    false_rollbacks: float
    """Share of tuning's traces, in the worst equal scenario."""


def lots(scenario: Scenario, count: int) -> list[Lot]:
    """Cut a scenario's traces.

    >>> [lot.size for lot in lots(Scenario(name="x", says="x"), 1200)]
    [500, 500, 200]
    """
    return [
        Lot(scenario=scenario, chunk=number, size=min(CHUNK, count - begin))
        for number, begin in enumerate(range(0, count, CHUNK))
    ]


def work(scenarios: Iterable[Scenario], share: float = 1.0) -> list[Lot]:
    """Return what is to be tried; `share` scales the number of traces."""
    return [
        lot
        for scenario in scenarios
        if (scenario.equal and scenario.stops_at is None and not scenario.figure) or scenario.tuned_on
        for lot in lots(
            scenario, max(1, round(share * (TUNING_EQUAL_TRACES if scenario.equal else TUNING_REGRESSION_TRACES)))
        )
    ]


def attempt(lot: Lot) -> list[Tried]:
    """Try every setting of every rule that is tuned on a lot."""
    traces = draw(lot.scenario, lot.size, chunk=lot.chunk, purpose="tuning")
    return [
        Tried(
            rule=rule.name,
            lot=lot,
            totals={setting: _total(found, equal=lot.scenario.equal) for setting, found in rule.sweep(traces)},
        )
        for rule in line_up.tuned()
    ]


def choose(tried: Iterable[Tried], alpha: float) -> list[Chosen]:
    """Return one setting per rule and metric, for all services at once; and one per rule and service.

    Of the settings that roll back at most alpha of the equal canaries in each scenario (or the fewest, where none
    does), those that promote at least PROMOTED of them in most scenarios; of these, those that roll back FOUND of the
    worse ones in most; of these, the one with the fewest bad answers, by scenario relative to the best setting there.
    """
    scopes: dict[tuple[Scope, str], list[Tried]] = defaultdict(list)
    for one in tried:
        scopes[one.lot.scenario.metric, one.rule].append(one)
        scopes[one.lot.scenario.service, one.rule].append(one)
    return [_best(scope, rule, found, alpha) for (scope, rule), found in scopes.items()]


def _total(found: Decisions, *, equal: bool) -> tuple[float, float]:
    rolled_back = float((found.decision == Decision.ROLL_BACK).sum())
    return rolled_back, float((found.decision == Decision.PROMOTE).sum() if equal else found.bad.sum())


def _best(scope: Scope, rule: str, tried: list[Tried], alpha: float) -> Chosen:
    means = _means(tried)
    equal = [found for scenario, found in means.items() if scenario.equal]
    worse = [found for scenario, found in means.items() if not scenario.equal]
    settings = [one for one in tried[0].totals if all(one in found for found in means.values())]
    false = {one: max(found[one][0] for found in equal) for one in settings}
    held = [one for one in settings if false[one] <= max(alpha, min(false.values()))]
    held = _most(held, lambda one: sum(found[one][1] >= PROMOTED for found in equal))
    held = _most(held, lambda one: sum(found[one][0] >= FOUND for found in worse))
    fewest = [max(min(found[one][1] for one in held), 1e-9) for found in worse]
    setting = min(
        held,
        key=lambda one: (sum(found[one][1] / best for found, best in zip(worse, fewest, strict=True)), -false[one]),
    )
    return Chosen(scope=scope, rule=rule, setting=setting, false_rollbacks=false[setting])


def _most(settings: list[Any], count: Callable[[Any], int]) -> list[Any]:
    most = max(count(one) for one in settings)
    return [one for one in settings if count(one) == most]


def _means(tried: list[Tried]) -> dict[Scenario, dict[Any, tuple[float, float]]]:
    """Return the totals of all lots of a scenario, per trace."""
    by_scenario: dict[Scenario, list[Tried]] = defaultdict(list)
    for one in tried:
        by_scenario[one.lot.scenario].append(one)
    return {
        scenario: {
            setting: (
                sum(one.totals[setting][0] for one in found) / (count := sum(one.lot.size for one in found)),
                sum(one.totals[setting][1] for one in found) / count,
            )
            for setting in found[0].totals
        }
        for scenario, found in by_scenario.items()
    }
