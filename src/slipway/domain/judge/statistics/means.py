"""Means of two arms: scores and other numbers per request, compared look by look.

A look with n_c and n_s requests (share w = n_c / n of the canary) adds to a random walk

    contrast     (1 - w) sum_c(Y) - w sum_s(Y)  =  n_c n_s / n * (mean_c - mean_s)
    information  n_c n_s / n
    variance     of the contrast, estimated from the look's sums of squares around the look's common mean

so contrast / information estimates the difference of means. Everything is conditional on the look's counts, and each
look is compared with itself: a base that drifts and weights that change cancel (Simpson's paradox cannot happen).

The variance is the larger of two sums over looks, both with expectation Var(contrast) where the arms are alike:
`pooled`, w (1-w) times all squares (the permutation variance), and `own`, (1-w)^2 times the canary's squares plus w^2
times the stable arm's. The first understates a canary with a larger variance, the second one whose variance is not
known yet; with skewed scores at a weight of one percent each alone raised false alarms, the larger of both did not.

The walk is judged by a normal mixture (asymptotic confidence sequence, Waudby-Smith et al., arXiv 2103.06476;
one-sided: Howard et al., arXiv 1810.08240, proposition 6) in the intrinsic time V (the variance so far):

    two-sided e-value of s = contrast - theta * information:  exp(rho2 s^2 / (2 (1 + rho2 V))) / sqrt(1 + rho2 V)
    interval:  contrast +- sqrt(2 (1 + rho2 V) / rho2 * log(sqrt(1 + rho2 V) / alpha)), over information

It holds in the limit of many requests; with fewer than `LEAST_TOGETHER` and `LEAST_EACH` requests there is no evidence.
What breaks it: scores with such rare and large values that the sums have not seen one yet, and requests that depend on
each other (one client's burst that hits one arm alone).
"""

import math
from dataclasses import dataclass, replace
from typing import Final, Literal

from scipy.special import lambertw, log_ndtr

from slipway.domain.judge.readings import Sums

Direction = Literal["higher", "lower", "either"]
"""Which side is bad: the canary's mean is higher, lower, or different."""

LEAST_TOGETHER: Final = 200
"""Requests of both arms together before there is any evidence."""
LEAST_EACH: Final = 30
"""Requests of the smaller arm before there is any evidence."""
LEAST_TO_PASS: Final = 300
"""Requests of the smaller arm before there is evidence for the canary."""
UNSEEN: Final = 200
"""For the canary the variance counts 1 + UNSEEN / (requests of the smaller arm) times: rare scores may still be
unseen."""
DECIDED_AT: Final = 500.0
"""Information (n_c n_s / n) at which the interval is tightest: 2,000 requests at 50 %, 5,600 at 10 %."""
DECIDED_ALPHA: Final = 0.01
"""The alpha for which it is tightest there."""
RARE: Final = 0.01
"""If every score was the same, this is the share of requests that may still have another score."""
LARGEST: Final = 1e100
"""Sums of squares beyond this are refused: products of them would overflow."""
_ROUNDING = 1e-12
"""A spread below this part of the sum of squares is rounding, not spread."""
_CAP = math.log(1e300)
_FAR = 1e8
"""Standard deviations are capped here, so that squares stay finite."""


def tightest_scale(alpha: float) -> float:
    """Return rho2 * V at the time V where the two-sided interval is to be tightest for this alpha.

    The half width's square, (1 + x) / x * (log(1 + x) - 2 log alpha) with x = rho2 V, is least where
    x = log(1 + x) - 2 log alpha, so x = -W(-alpha^2 / e) - 1 with Lambert's W, branch -1 (arXiv 2103.06476).

    >>> x = tightest_scale(0.05)
    >>> round(x, 3), round(math.log(1 + x) - 2 * math.log(0.05), 3)
    (8.212, 8.212)
    """
    return float(-lambertw(-(alpha**2) / math.e, k=-1).real - 1)


_TIGHTEST = tightest_scale(DECIDED_ALPHA)


@dataclass(frozen=True, slots=True, kw_only=True)
class MeanEvidence:
    """Evidence on the difference of two means so far."""

    canary_requests: int = 0
    """In looks where both arms had requests; so are all numbers here."""
    stable_requests: int = 0
    information: float = 0.0
    contrast: float = 0.0
    pooled: float = 0.0
    """Variance of the contrast, from all squares."""
    own: float = 0.0
    """Variance of the contrast, from each arm's own squares."""
    scale: float = 0.0
    """Variance per information when it was first known: fixes rho2 from then on. 0: not yet known."""


def update_means(evidence: MeanEvidence, canary: Sums, stable: Sums) -> MeanEvidence:
    """Return the evidence after one more look; the sums are of requests since the last one.

    A look where one arm has no request adds nothing. Raises ValueError for sums that no numbers can have.
    """
    _require_valid(canary)
    _require_valid(stable)
    if not canary.count or not stable.count:
        return evidence
    count = canary.count + stable.count
    share = canary.count / count
    pooled, own = _contrast_variances(canary, stable)
    spread = max(pooled, own) > 0
    contrast = (1 - share) * canary.total - share * stable.total if spread else 0.0
    return _fix_scale(
        MeanEvidence(
            canary_requests=evidence.canary_requests + canary.count,
            stable_requests=evidence.stable_requests + stable.count,
            information=evidence.information + share * stable.count,
            contrast=evidence.contrast + contrast,
            pooled=evidence.pooled + pooled,
            own=evidence.own + own,
            scale=evidence.scale,
        )
    )


def mean_evidence_against(evidence: MeanEvidence, margin: float, direction: Direction) -> float:
    """Return the e-value against "the canary's mean is not worse than the margin"; 1 without evidence.

    The margin is in the scores' own unit, 0 or more. `either`: against "the means differ by the margin at most".
    """
    if not has_spread(evidence):
        return 1.0
    return walk_evidence_against(_walk_of(evidence), margin * evidence.information, direction)


def mean_evidence_for(evidence: MeanEvidence, tolerance: float, direction: Direction) -> float:
    """Return the e-value against "the canary's mean is worse by the tolerance or more"; 1 without evidence.

    Rare large scores change the mean and the variance at the same time, so a canary that had none yet looks better than
    it is, and with more certainty. Hence `LEAST_TO_PASS` and `UNSEEN`: without them a canary that scores 1 on two
    percent of its requests where stable never does passed a tolerance of 0.02 in 12 of 100 rollouts, with them in 6.
    Rarer and larger scores are not covered: where one in 500 requests scores a hundred deviations more, and the mean is
    at the tolerance by that, half of 300 passed; at one in 2,000 and four hundred deviations most did.

    Where every score so far was the same there is no spread to judge by. Then this is the e-value against "at least
    `RARE` of the requests score otherwise", which passes 20 with the 299th request of the smaller arm.
    """
    least = min(evidence.canary_requests, evidence.stable_requests)
    if tolerance <= 0:
        return 1.0
    if max(evidence.pooled, evidence.own) == 0:
        return e_value_of(-math.log1p(-RARE) * least)
    if least < LEAST_TO_PASS:
        return 1.0
    walk = _walk_of(evidence)
    walk = replace(walk, variance=walk.variance * (1 + UNSEEN / least))
    return walk_evidence_for(walk, tolerance * evidence.information, direction)


def mean_difference(evidence: MeanEvidence) -> float | None:
    """Return the canary's mean less the stable arm's, looks weighted by their information; None before any."""
    return evidence.contrast / evidence.information if evidence.information else None


def mean_difference_interval(evidence: MeanEvidence, alpha: float) -> tuple[float, float]:
    """Return the interval of the difference of means: those of all looks hold at once with probability 1 - alpha.

    Infinite on both sides as long as nothing is known.
    """
    if not has_spread(evidence):
        return (-math.inf, math.inf)
    walk = _walk_of(evidence)
    reach = half_width(walk.variance, walk.rho2, alpha)
    return ((walk.sum - reach) / evidence.information, (walk.sum + reach) / evidence.information)


def has_spread(evidence: MeanEvidence) -> bool:
    """Return whether there were enough requests, and any spread among their scores."""
    return _has_enough(evidence) and evidence.scale > 0


def score_deviation(evidence: MeanEvidence) -> float | None:
    """Return the scores' standard deviation within looks, for margins given in it; None before any look."""
    variance = max(evidence.pooled, evidence.own)
    return math.sqrt(variance / evidence.information) if evidence.information else None


# normal mixtures of a walk


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """A sum of centred numbers, the variance it has by now, and the mixture that judges it."""

    sum: float
    variance: float
    rho2: float


def rho_squared(scale: float) -> float:
    """Return rho2 for walks whose variance per information is `scale`: tightest at `DECIDED_AT`."""
    return _TIGHTEST / (scale * DECIDED_AT)


def walk_evidence_against(walk: Walk, margin: float, direction: Direction) -> float:
    """Return the e-value against "the walk's drift is within the margin"; the margin times the information so far.

    `either` is the mean of both sides: an e-value too, and with a margin of 0 the two-sided mixture itself.
    """
    higher = log_half_mixture(walk.sum - margin, walk.variance, walk.rho2)
    lower = log_half_mixture(-walk.sum - margin, walk.variance, walk.rho2)
    match direction:
        case "higher":
            return e_value_of(higher)
        case "lower":
            return e_value_of(lower)
        case "either":
            return (e_value_of(higher) + e_value_of(lower)) / 2


def walk_evidence_for(walk: Walk, tolerance: float, direction: Direction) -> float:
    """Return the e-value against "the walk's drift is beyond the tolerance"; `either`: beyond it on either side."""
    not_higher = log_half_mixture(tolerance - walk.sum, walk.variance, walk.rho2)
    not_lower = log_half_mixture(tolerance + walk.sum, walk.variance, walk.rho2)
    chosen = {"higher": not_higher, "lower": not_lower, "either": min(not_higher, not_lower)}
    return e_value_of(chosen[direction])


def log_half_mixture(value: float, variance: float, rho2: float) -> float:
    """Return the log of the one-sided normal mixture: exp(l s - l^2 V / 2), l half-normal with variance rho2.

    A supermartingale where the drift of s is 0 or less. It grows with s.
    """
    time = 1 + rho2 * variance
    scaled = min(max(value * math.sqrt(rho2 / time), -_FAR), _FAR)
    return math.log(2) - math.log(time) / 2 + scaled**2 / 2 + float(log_ndtr(scaled))


def half_width(variance: float, rho2: float, alpha: float) -> float:
    """Return how far the walk may be from its drift, for all times at once with probability 1 - alpha."""
    time = 1 + rho2 * variance
    return math.sqrt(2 * time / rho2 * (math.log(time) / 2 - math.log(alpha)))


def e_value_of(log: float) -> float:
    """Return the exponential, at most 1e300, so that it is finite in any document."""
    return math.exp(min(log, _CAP))


def _walk_of(evidence: MeanEvidence) -> Walk:
    variance = max(evidence.pooled, evidence.own)
    return Walk(sum=evidence.contrast, variance=variance, rho2=rho_squared(evidence.scale))


def _has_enough(evidence: MeanEvidence) -> bool:
    canary, stable = evidence.canary_requests, evidence.stable_requests
    return canary + stable >= LEAST_TOGETHER and min(canary, stable) >= LEAST_EACH


def _fix_scale(evidence: MeanEvidence) -> MeanEvidence:
    """Fix the scale at the first look that has enough requests and spread: rho2 may not follow the walk."""
    variance = max(evidence.pooled, evidence.own)
    if evidence.scale or not variance or not _has_enough(evidence):
        return evidence
    return replace(evidence, scale=max(variance / evidence.information, 1 / LARGEST))


def _contrast_variances(canary: Sums, stable: Sums) -> tuple[float, float]:
    """Return both estimates of the contrast's variance in this look; 0 where the spread is only rounding."""
    count = canary.count + stable.count
    share = canary.count / count
    mean = (canary.total + stable.total) / count
    ours, theirs = _squares_around(canary, mean), _squares_around(stable, mean)
    if ours + theirs <= _ROUNDING * (canary.squares + stable.squares):
        return (0.0, 0.0)
    few = count / (count - 1)
    return (
        few * share * (1 - share) * (ours + theirs),
        few * ((1 - share) ** 2 * ours + share**2 * theirs),
    )


def _squares_around(sums: Sums, mean: float) -> float:
    return max(0.0, sums.squares - 2 * mean * sums.total + sums.count * mean**2)


def _require_valid(sums: Sums) -> None:
    legal = math.isfinite(sums.total) and 0 <= sums.squares <= LARGEST  # NaN and infinity fail the comparison
    if sums.count < 0 or not legal or (not sums.count and (sums.total or sums.squares)):
        message = (
            f"count={sums.count}, total={sums.total}, squares={sums.squares}; need a count of 0 or more, a finite "
            f"total, squares between 0 and {LARGEST:g}, and no sum without a count"
        )
        raise ValueError(message)
