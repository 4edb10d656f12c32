"""Defences against bursts that hit one arm alone, side by side: none, tempering alone, the clone, and Slipway's."""

from collections import defaultdict
from typing import Any

from benchmarks.decisions.decisions import Rule
from benchmarks.decisions.outcomes import DEFAULT, Outcome, row
from benchmarks.decisions.outcomes import outcome as outcome_of
from benchmarks.decisions.rules.clone import Clone
from benchmarks.decisions.scenarios import SCENARIOS
from benchmarks.decisions.slipway_guards import error_alpha
from benchmarks.decisions.slipway_rule import Slipway
from benchmarks.decisions.slipway_shares import Defence
from benchmarks.decisions.traces import draw
from benchmarks.decisions.tuning import Lot, lots

SHOWN = ("bursts-half", "bursts-one", "faulty-bursts", "big-bursts", "2x", "faulty-2x", "2x-bursts")
TRACES = 2_000


def rules() -> tuple[Rule, ...]:
    """Return the defences, each on steps of full length."""
    return (
        Slipway("none", adaptive=False, shadow=False, defence=Defence.NONE),
        Slipway("tempered", adaptive=False, shadow=False, defence=Defence.TEMPERED),
        Clone("clone", error_alpha()),
        Slipway("ours", adaptive=False, shadow=False),
    )


def work(share: float = 1.0) -> list[Lot]:
    """Return what is to be played."""
    chosen = [one for one in SCENARIOS if one.name in SHOWN]
    return [lot for scenario in chosen for lot in lots(scenario, max(1, round(share * TRACES)))]


def play(lot: Lot) -> list[Outcome]:
    """Let every defence decide on a lot."""
    traces = draw(lot.scenario, lot.size, chunk=lot.chunk, purpose="defences")
    return [outcome_of(lot, rule.name, DEFAULT, rule.decide(traces, rule.default(traces))) for rule in rules()]


def table(found: list[Outcome]) -> list[dict[str, Any]]:
    """Return one row per scenario and defence."""
    by: dict[tuple[str, str], list[Outcome]] = defaultdict(list)
    for one in found:
        by[one.scenario, one.rule].append(one)
    return [{"scenario": scenario, **row(outcomes)} for (scenario, _), outcomes in by.items()]
