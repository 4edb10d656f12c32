"""The judge: an anytime-valid comparison of the canary's errors with the stable revision's.

Per look and channel (live, shadow) there are four numbers: requests and errors of both arms. Given the margins (how
many requests each arm had, how many errors there were together), the canary's share of the errors follows Fisher's
non-central hypergeometric distribution with the odds ratio w. Three e-processes grow from it, look by look:

- `worse`: against "w <= margin". At 1/alpha the canary is rolled back.
- `fine`: against "w >= tolerance". Together with
- `negligible`: against "the canary fails on at least negligible_error_ratio of its requests", which also speaks when
  neither arm has errors. Their mean is an e-value against "worse than tolerated, and not negligible"; at 1/beta the
  canary may pass.

Each starts at 1 and is a supermartingale under its null hypothesis, so by Ville's inequality the chance of ever
reaching 1/alpha is at most alpha, however often it is looked at. Conditioning on the margins per look removes a base
rate that drifts and weights that change. Sources: Turner & Gruenwald, arXiv 2302.11401; Lindon & Malek, arXiv
2011.03567.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, logsumexp

from slipway.domain.counters import ZERO, Counters, since
from slipway.domain.spec import JudgeSpec
from slipway.domain.status import Evidence
from slipway.domain.verdict import Outcome, Verdict

CHECK = "error rate"
WORSE = np.geomspace(1.1, 8.0, 16)
"""Alternatives to the margin, as multiples of it."""
FINE = np.geomspace(1 / 8.0, 1 / 1.1, 16)
"""Alternatives to the tolerance, as multiples of it."""
_WITH_NULL_WORSE, _WITH_NULL_FINE = np.insert(WORSE, 0, 1.0), np.insert(FINE, 0, 1.0)
NEGLIGIBLE = np.array([1 / 64, 1 / 16, 1 / 4, 1 / 2])
"""Alternatives to the negligible error ratio, as multiples of it."""
LONGEST_ODDS = 1e9
"""A sentence claims no rarer chance than one in this: nobody believes more, and the models behind it are not exact."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arms:
    """Cumulative counters of both arms in one channel, as read at one look."""

    channel: str
    """`live` or `shadow`."""
    canary: str
    """Name of the revision."""
    stable: str
    """Name of the revision."""
    counters: Mapping[str, Counters]
    """By revision; an arm that is missing was not read."""


def look(evidence: Evidence, arms: Arms, spec: JudgeSpec) -> Evidence:
    """Return the evidence after one more look at one channel.

    The first look at a counter, and one after it went backwards (a restart), only remember where it stands.
    """
    canary, stable = _news(evidence, arms, arms.canary), _news(evidence, arms, arms.stable)
    if canary is not None and stable is not None:
        evidence = _weigh(evidence, canary, stable, spec)
    return remember(evidence, arms)


def remember(evidence: Evidence, arms: Arms) -> Evidence:
    """Return the evidence with the counters as where the next look begins; nothing is weighed.

    Both arms or neither: an interval that is longer in one arm would compare different moments.
    """
    if not {arms.canary, arms.stable} <= arms.counters.keys():
        return evidence
    read = {f"{arms.channel}/{name}": counters for name, counters in arms.counters.items()}
    return replace(evidence, last=evidence.last | read)


def verdict(evidence: Evidence, spec: JudgeSpec) -> Verdict:
    """Return what the evidence says now.

    >>> verdict(Evidence(), JudgeSpec()).outcome
    <Outcome.NO_DATA: 'NO_DATA'>
    """
    against, favour = evidence_against(evidence), evidence_for(evidence)
    outcome = _outcome(evidence, spec, against, favour)
    return Verdict(
        check=CHECK,
        outcome=outcome,
        reason=_sentence(evidence, spec, outcome),
        numbers={
            "evidence_against": against,
            "evidence_for": favour,
            "canary_requests": evidence.canary.requests,
            "canary_errors": evidence.canary.errors,
            "stable_requests": evidence.stable.requests,
            "stable_errors": evidence.stable.errors,
        },
    )


def evidence_against(evidence: Evidence) -> float:
    """Return the e-value against "the canary is not worse than the margin"; 1 without evidence."""
    return _mean(evidence.worse)


def evidence_for(evidence: Evidence) -> float:
    """Return the e-value against "the canary is worse than tolerated, and not negligible"; 1 without evidence."""
    return (_mean(evidence.fine) + _mean(evidence.negligible)) / 2


def log_likelihoods(canary: Counters, stable: Counters, odds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the log-probability of the canary's errors given the margins, one per odds ratio; shape of `odds`.

    Fisher's non-central hypergeometric distribution. With no errors, or with one arm empty, it is certain: zeros.
    """
    errors = canary.errors + stable.errors
    shares = np.arange(max(0, errors - stable.requests), min(errors, canary.requests) + 1)
    ways = _log_choose(canary.requests, shares) + _log_choose(stable.requests, errors - shares)
    weighted = ways[None, :] + shares[None, :] * np.log(odds)[:, None]
    here = canary.errors - shares[0]
    result: NDArray[np.float64] = weighted[:, here] - logsumexp(weighted, axis=1)
    return result


def _news(evidence: Evidence, arms: Arms, name: str) -> Counters | None:
    before, after = evidence.last.get(f"{arms.channel}/{name}"), arms.counters.get(name)
    return None if before is None or after is None else since(before, after)


def _weigh(evidence: Evidence, canary: Counters, stable: Counters, spec: JudgeSpec) -> Evidence:
    return replace(
        evidence,
        worse=_grow(evidence.worse, canary, stable, spec.margin * _WITH_NULL_WORSE),
        fine=_grow(evidence.fine, canary, stable, spec.tolerance * _WITH_NULL_FINE),
        negligible=_grow_negligible(evidence.negligible, canary, spec.negligible_error_ratio),
        canary=_sum(evidence.canary, canary),
        stable=_sum(evidence.stable, stable),
    )


def _grow(logs: tuple[float, ...], canary: Counters, stable: Counters, odds: NDArray[np.float64]) -> tuple[float, ...]:
    """Multiply in one look; `odds` holds the null first, then the alternatives."""
    likelihoods = log_likelihoods(canary, stable, odds)
    return _add(logs, likelihoods[1:] - likelihoods[0])


def _grow_negligible(logs: tuple[float, ...], canary: Counters, null: float) -> tuple[float, ...]:
    ratios = null * NEGLIGIBLE
    good = canary.requests - canary.errors
    return _add(logs, canary.errors * np.log(NEGLIGIBLE) + good * (np.log1p(-ratios) - math.log1p(-null)))


def _add(logs: tuple[float, ...], more: NDArray[np.float64]) -> tuple[float, ...]:
    before = np.asarray(logs) if logs else np.zeros_like(more)
    return tuple(float(value) for value in before + more)


def _mean(logs: tuple[float, ...]) -> float:
    """Mean of the exponentials; capped at 1e300 so that it stays a number in any document."""
    if not logs:
        return 1.0
    return math.exp(min(float(logsumexp(np.asarray(logs))) - math.log(len(logs)), 690.0))


def _log_choose(n: int, k: NDArray[np.int_]) -> NDArray[np.float64]:
    result: NDArray[np.float64] = gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)
    return result


def _sum(one: Counters, other: Counters) -> Counters:
    return Counters(requests=one.requests + other.requests, errors=one.errors + other.errors)


def _outcome(evidence: Evidence, spec: JudgeSpec, against: float, favour: float) -> Outcome:
    if against >= 1 / spec.alpha:
        return Outcome.FAIL
    if evidence.canary == ZERO:
        return Outcome.NO_DATA
    return Outcome.PASS if favour >= 1 / spec.beta else Outcome.INCONCLUSIVE


def _sentence(evidence: Evidence, spec: JudgeSpec, outcome: Outcome) -> str:
    canary, stable = evidence.canary, evidence.stable
    counts = f"{canary.errors:,} of {canary.requests:,} against {stable.errors:,} of {stable.requests:,}"
    match outcome:
        case Outcome.NO_DATA:
            return "no answer of the canary was counted yet"
        case Outcome.FAIL:
            chance = _round_down(min(evidence_against(evidence), LONGEST_ODDS))
            return f"{_ratio(canary, stable)}; chance of that for an equal model below 1 in {chance:,}; {counts}"
        case Outcome.PASS:
            return f"{_shown(evidence, spec)} (confidence {100 - 100 * spec.beta:.10g} %); errors: {counts}"
        case _:
            return f"not enough evidence yet either way; errors: {counts}"


def _shown(evidence: Evidence, spec: JudgeSpec) -> str:
    """Say which of the two claims a PASS rests on: each alone is wrong with a chance of at most beta."""
    if _mean(evidence.fine) >= 1 / spec.beta:
        return "canary is not worse than tolerated"
    return f"canary fails on less than {100 * spec.negligible_error_ratio:.10g} % of its requests"


def _ratio(canary: Counters, stable: Counters) -> str:
    """Compare the sums. Weights and base rates change, so sums can say the opposite of the looks they are made of."""
    if not stable.errors:
        return "canary fails where stable never does"
    ratio = (canary.errors / canary.requests) / (stable.errors / stable.requests)
    if ratio <= 1:
        return "look by look canary fails more often than stable"
    return f"canary fails {ratio:.2f}x as often as stable"


def _round_down(value: float) -> int:
    """Keep two digits, towards zero: the claim stays true."""
    scale = 10 ** max(0, math.floor(math.log10(value)) - 1)
    return int(value // scale * scale)
