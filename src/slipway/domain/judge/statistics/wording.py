"""Verdicts in words: one plain sentence each, with its numbers."""

import math
from dataclasses import dataclass

from slipway.domain.judge.checks import Check
from slipway.domain.judge.counters import Counters
from slipway.domain.judge.statistics import classes, means, paired, quantiles
from slipway.domain.judge.statistics.classes import ClassEvidence
from slipway.domain.judge.statistics.drift import ColumnDrift
from slipway.domain.judge.statistics.means import MeanEvidence
from slipway.domain.judge.statistics.paired import PairEvidence
from slipway.domain.judge.statistics.quantiles import QuantileEvidence
from slipway.domain.spec.judge import RateGuard
from slipway.domain.verdict import Outcome

LONGEST_ODDS = 1e9
"""A sentence claims no smaller probability than one in this many, because the models behind it are not exact."""
WORDS = {
    Check.ERRORS: ("fails", "of its requests", "errors"),
    Check.COPIES: ("fails", "of the copied requests", "errors on copies"),
    Check.REFUSED: ("refuses", "of its requests", "refused requests"),
    Check.SHED: ("sheds", "of its requests", "shed requests"),
    Check.NONFINITE: ("gives NaN or infinity", "of its answers", "non-finite answers"),
    Check.LATENCY: ("is slow", "of its requests", "slow answers"),
    Check.LABELS: ("is wrong", "of its labelled answers", "wrong answers"),
}
"""By check: what the canary does; of how many of what; what is counted."""
TRANSITIVE = frozenset({Check.REFUSED, Check.SHED})
"""Checks whose verb takes the requests as its object: "refuses less than 2 % of its requests"."""
Told = tuple[str, dict[str, float]]


@dataclass(frozen=True, slots=True)
class Ratio:
    """Canary's share over stable's: the likeliest value, and its interval, which holds at all looks at once."""

    likeliest: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """The values of a sentence on a share of requests."""

    check: Check
    canary: Counters
    stable: Counters
    ratio: Ratio
    evidence: float
    """E-value against the canary."""
    threshold_milliseconds: float | None
    under_tolerance: bool
    """Whether the ratio is shown to be under the tolerance."""
    nearer: bool
    """Whether it is nearer the margin than halfway to the tolerance: a PASS is due to the ratio if both hold, and
    otherwise to the canary's own share being negligible."""


def rate_sentence(rate: Rate, guard: RateGuard, beta: float, outcome: Outcome) -> str:
    """Describe the result on a share of requests."""
    does, of, counts = WORDS[rate.check]
    counted = f"{_format_share(rate.canary)} against {_format_share(rate.stable)}{_describe_slow(rate)}"
    match outcome:
        case Outcome.FAIL:
            whom = "look by look canary" if _sums_contradict(rate) else "canary"
            chance = format_chance(rate.evidence)
            return f"{whom} {_compare_ratio(rate, does)}; {chance}; {counted}{_describe_copies(rate)}"
        case Outcome.PASS if rate.under_tolerance and rate.nearer:
            limit = f"less than {guard.tolerance:g}x as often as stable"
            return f"canary {does} {limit} {_format_confidence(beta)}; {counts}: {counted}"
        case Outcome.PASS:
            on = "" if rate.check in TRANSITIVE else "on "
            limit = f"{on}less than {100 * guard.negligible:.10g} % {of}"
            return f"canary {does} {limit} {_format_confidence(beta)}; {counts}: {counted}"
        case _ if rate.under_tolerance and not rate.nearer:
            halfway = math.sqrt(guard.margin * guard.tolerance)
            between = f"not clearly nearer to {guard.margin:g}x than to {halfway:.3g}x yet"
            return f"canary {does} less than {guard.tolerance:g}x as often as stable, {between}; {counts}: {counted}"
        case _:
            return f"not enough evidence yet either way; {counts}: {counted}"


def rate_numbers(rate: Rate) -> dict[str, float]:
    """Return the numbers behind the sentence."""
    threshold = rate.threshold_milliseconds if rate.check == Check.LATENCY else None
    return {
        "canary_requests": rate.canary.requests,
        "canary_events": rate.canary.errors,
        "stable_requests": rate.stable.requests,
        "stable_events": rate.stable.errors,
        **{
            name: value
            for name, value in (
                ("ratio", rate.ratio.likeliest),
                ("ratio_low", rate.ratio.low),
                ("ratio_high", rate.ratio.high),
            )
            if math.isfinite(value)
        },
        **({"threshold_milliseconds": threshold} if threshold is not None else {}),
    }


def nothing_counted(check: Check, threshold_milliseconds: float | None, canary: Counters) -> str:
    """Describe why there is no result: an arm was not counted."""
    if check == Check.COPIES:
        return "no copied request was answered by both yet"
    if check == Check.LABELS:
        return "no label arrived yet for both versions"
    if check == Check.LATENCY and threshold_milliseconds is None:
        return "how slow stable's slowest answers are is not known yet"
    if canary.requests:
        return "no answer of stable was counted yet: there is nothing to compare with"
    return "no answer of the canary was counted yet"


def format_chance(evidence: float) -> str:
    """Describe how unlikely this is.

    >>> format_chance(1234.5)
    'chance of that for an equal model below 1 in 1,200'
    """
    value = min(evidence, LONGEST_ODDS)
    scale = 10 ** max(0, math.floor(math.log10(value)) - 1)
    return f"chance of that for an equal model below 1 in {int(value // scale * scale):,}"


def tell_scores(evidence: MeanEvidence, alpha: float, outcome: Outcome) -> Told:
    """Put the comparison of means into words."""
    difference = means.mean_difference(evidence)
    if outcome is Outcome.NO_DATA or difference is None:
        return "no score of both versions was seen yet", {}
    low, high = means.mean_difference_interval(evidence, alpha)
    numbers = _finite_numbers(difference=difference, difference_low=low, difference_high=high)
    requests = f"{evidence.canary_requests:,} scores of the canary against {evidence.stable_requests:,}"
    if not math.isfinite(low):
        return f"not enough scores yet; {requests}", numbers
    side = "higher" if difference > 0 else "lower"
    return f"canary's mean score is {abs(difference):.3g} {side} ({low:.3g} to {high:.3g}); {requests}", numbers


def tell_classes(evidence: ClassEvidence, margin: float, alpha: float, outcome: Outcome) -> Told:
    """Put the comparison of class mixes into words."""
    worst, distance = classes.find_largest_shift(evidence, margin), classes.class_distance(evidence)
    if outcome is Outcome.NO_DATA or worst is None or distance is None:
        return "no predicted label of both versions was seen yet", {}
    low, high = classes.class_distance_interval(evidence, alpha)
    numbers = _finite_numbers(distance=distance, distance_low=low, distance_high=high)
    label = f"{worst.label!r} is {_format_percent(worst.canary_share)} of the canary's answers"
    counted = f"{sum(evidence.canary):,.0f} answers against {sum(evidence.stable):,.0f}"
    return f"{label} and {_format_percent(worst.stable_share)} of stable's; {counted}", numbers


def tell_quantiles(evidence: QuantileEvidence, alpha: float, outcome: Outcome) -> Told:
    """Put the comparison of whole latency distributions into words."""
    slowest = quantiles.find_slowest_edge(evidence, alpha)
    if outcome is Outcome.NO_DATA or slowest is None:
        return "no latency of both versions was read yet", {}
    numbers = {"edge_milliseconds": slowest.edge_milliseconds, "difference_low": slowest.low}
    canary, stable = _format_percent(slowest.canary_share), _format_percent(slowest.stable_share)
    shares = f"{canary} of the canary's answers, {stable} of stable's"
    return f"slower than {slowest.edge_milliseconds:g} ms: {shares}", numbers


def tell_disagreement(evidence: PairEvidence, limit: float, alpha: float, outcome: Outcome) -> Told:
    """Put the comparison of answers to the same requests into words."""
    rate = paired.disagreement_rate(evidence)
    if outcome is Outcome.NO_DATA or rate is None:
        return "no copied request was answered by both yet", {}
    low, high = paired.disagreement_interval(evidence, alpha)
    said = f"{evidence.disagreeing:,} of {evidence.pairs:,} copied requests"
    shares = f"{_format_percent(low)} to {_format_percent(high)}; allowed {_format_percent(limit)}"
    return (
        f"canary disagrees with stable on {said} ({shares})",
        {"rate": rate, "rate_low": low, "rate_high": high},
    )


def tell_slowdown(evidence: PairEvidence, limit: float, alpha: float, outcome: Outcome) -> Told:
    """Put the comparison of times for the same requests into words."""
    ratio = paired.mean_slowdown(evidence)
    if outcome is Outcome.NO_DATA or ratio is None:
        return "no copied request was timed by both yet", {}
    low, high = paired.slowdown_interval(evidence, alpha)
    numbers = _finite_numbers(ratio=ratio, ratio_low=low, ratio_high=high, limit=limit)
    within = f" ({low:.3g} to {high:.3g})" if math.isfinite(high) else ""
    pairs = f"{evidence.log_ratios.count:,} copied requests"
    return f"canary takes {ratio:.3g}x stable's time{within} on {pairs}; allowed {limit:g}x", numbers


def drift_sentence(worst: ColumnDrift) -> str:
    """Describe the input that differs from the validation rows."""
    return (
        f"live values of {worst.name!r} are not as in the validation rows (PSI {worst.psi:.2f}): "
        "the gates judged the model on other inputs than it gets"
    )


def no_drift(psi: float) -> str:
    """State that no input differs much."""
    return f"live inputs look like the validation rows (largest PSI {psi:.2f})"


def _compare_ratio(rate: Rate, does: str) -> str:
    ratio = rate.ratio
    if not rate.stable.errors:
        return f"{does} where stable never {'is' if rate.check in {Check.LATENCY, Check.LABELS} else 'does'}"
    if not math.isfinite(ratio.likeliest):
        return f"{does} more than {ratio.low:.3g}x as often as stable"
    upper = f" to {ratio.high:.3g}" if math.isfinite(ratio.high) else " or more"
    return f"{does} {ratio.likeliest:.2f}x as often as stable ({ratio.low:.3g}{upper})"


def _sums_contradict(rate: Rate) -> bool:
    """Whether the totals point the other way (Simpson): the base rate fell while the canary's weight rose."""
    return rate.canary.errors * rate.stable.requests < rate.stable.errors * rate.canary.requests


def _describe_slow(rate: Rate) -> str:
    known = rate.check == Check.LATENCY and rate.threshold_milliseconds is not None
    return f" slower than {rate.threshold_milliseconds:g} ms" if known else ""


def _describe_copies(rate: Rate) -> str:
    """State for a rollback that no live request failed because of it."""
    return " copied requests" if rate.check == Check.COPIES else ""


def _format_confidence(beta: float) -> str:
    return f"(confidence {100 - 100 * beta:.10g} %)"


def _format_share(counters: Counters) -> str:
    return f"{counters.errors:,} of {counters.requests:,}"


def _format_percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def _finite_numbers(**numbers: float) -> dict[str, float]:
    return {name: value for name, value in numbers.items() if math.isfinite(value)}
