"""What came of one rule in one scenario, in numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta

from benchmarks.decisions import line_up
from benchmarks.decisions.decisions import Decision, Decisions
from benchmarks.decisions.rules.sprt import Sprt
from benchmarks.decisions.schedule import PLAN_TICKS, TICK_SECONDS
from benchmarks.decisions.traces import draw
from benchmarks.decisions.tuning import Lot, Scope

DEFAULT, TUNED, PER_SERVICE = "default", "tuned", "tuned per service"


def along(rule: str) -> str:
    """Return the kind of an SPRT on the weights that a rule chose."""
    return f"along {rule}"


Row = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One rule on one lot: arrays (traces,)."""

    scenario: str
    rule: str
    kind: str
    decision: NDArray[np.int8]
    tick: NDArray[Any]
    bad: NDArray[Any]
    excess: NDArray[Any]
    served: NDArray[Any]
    copied: NDArray[Any]
    """Ticks before the first live request that the canary was to get: copies alone."""


def play(lot: Lot, tuned: dict[tuple[Scope, str], Any]) -> list[Outcome]:
    """Let every rule decide on a lot: with its documented setting, and with tuned ones where there are."""
    traces = draw(lot.scenario, lot.size, chunk=lot.chunk)
    ours, found = {rule.name for rule in line_up.ours()}, []
    for rule in line_up.everyone(lot.chunk):
        settings: list[tuple[str, Any]] = [(DEFAULT, rule.default(traces))]
        for kind, scope in ((TUNED, lot.scenario.service.metric), (PER_SERVICE, lot.scenario.service)):
            if (scope, rule.name) in tuned:
                settings.append((kind, tuned[scope, rule.name]))
        for kind, setting in settings:
            decided = rule.decide(traces, setting)
            found.append(outcome(lot, rule.name, kind, decided))
            if rule.name in ours and lot.scenario.regression and not setting.shadow:
                floor = Sprt().along(traces, decided.path)
                found.append(outcome(lot, line_up.FLOOR, along(rule.name), floor))
    return found


def outcome(lot: Lot, rule: str, kind: str, decided: Decisions) -> Outcome:
    """Return what a rule decided on a lot, with what that cost."""
    return Outcome(
        scenario=lot.scenario.name,
        rule=rule,
        kind=kind,
        decision=decided.decision,
        tick=decided.tick,
        bad=decided.bad,
        excess=decided.excess,
        served=decided.served,
        copied=decided.copied,
    )


def row(lots: Sequence[Outcome]) -> Row:
    """Return the figures of one rule and kind in one scenario; seconds are None where most traces never got there."""
    decision, tick, bad, excess, served, copied = (
        np.concatenate([getattr(lot, name) for lot in lots])
        for name in ("decision", "tick", "bad", "excess", "served", "copied")
    )
    seconds = TICK_SECONDS * tick.astype(float)
    back, on = decision == Decision.ROLL_BACK, decision == Decision.PROMOTE
    until_back, until_on = np.where(back, seconds, np.inf), np.where(on, seconds, np.inf)
    return {
        "rule": lots[0].rule,
        "setting": lots[0].kind,
        "traces": len(decision),
        "rolled_back": share(back),
        "promoted": share(on),
        "rolled_back_within_plan": share(back & (tick <= PLAN_TICKS)),
        "found_in_shadow": share(back & (tick <= copied)),
        "shadow_ends_seconds": spread(np.where(back & (tick <= copied), np.inf, TICK_SECONDS * copied.astype(float))),
        "seconds_to_decision": spread(np.where(back | on, seconds, np.inf)),
        "seconds_to_rollback": spread(until_back),
        "seconds_to_promotion": spread(until_on),
        "bad_requests": {"mean": _round(bad.mean()), "median": _round(np.median(bad))},
        "excess_bad_requests": {"mean": _round(excess.mean()), "median": _round(np.median(excess))},
        "bad_requests_before_rollback": {
            "mean": _round(bad[back].mean()) if back.any() else None,
            "median": _round(np.median(bad[back])) if back.any() else None,
        },
        "canary_requests_before_promotion": {
            "mean": _round(served[on].mean()) if on.any() else None,
            "median": _round(np.median(served[on])) if on.any() else None,
        },
    }


def share(happened: NDArray[np.bool_]) -> Row:
    """Return a share of traces with its 95 % interval (Clopper & Pearson 1934).

    >>> share(np.array([True] + 9 * [False]))
    {'share': 0.1, 'low': 0.00253, 'high': 0.44502}
    """
    count, total = int(happened.sum()), len(happened)
    low = 0.0 if count == 0 else float(beta.ppf(0.025, count, total - count + 1))
    high = 1.0 if count == total else float(beta.ppf(0.975, count + 1, total - count))
    return {"share": round(count / total, 5), "low": round(low, 5), "high": round(high, 5)}


def spread(seconds: NDArray[Any]) -> dict[str, float | None]:
    """Return median and 95th percentile over all traces; infinite where it did not happen, shown as None.

    >>> spread(np.array([10.0, 20.0, np.inf]))
    {'median': 20.0, 'p95': None}
    """
    found = np.quantile(seconds, (0.5, 0.95), method="higher")
    return {
        name: float(value) if np.isfinite(value) else None for name, value in zip(("median", "p95"), found, strict=True)
    }


def _round(value: float) -> float:
    return float(f"{float(value):.5g}")
