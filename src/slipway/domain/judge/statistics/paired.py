"""Shadow pairs: the same request answered by both models. What differs is the models, not the requests.

Disagreement. With n pairs and x that disagree, against "the rate is at most the limit" there is the mean over rates r
above the limit of the likelihood ratios (r / limit)^x ((1 - r) / (1 - limit))^(n - x); each falls in expectation for
every rate up to the limit. For the canary the same with rates below. The interval holds all rates that the
beta-binomial mixture has not refuted (Robbins 1970; Howard et al., arXiv 1810.08240): B(x + 1/2, n - x + 1/2) / B(1/2,
1/2) over rate^x (1 - rate)^(n - x) stays below 1 / alpha. Only x and n matter, so looks may be split in any way.

Speed. The mean of log(canary's / stable's milliseconds) per pair, by the normal mixture of means.py; its exponential
is the geometric mean of the ratios. It holds in the limit of many pairs. What breaks both: pairs that depend on each
other, such as one client's repeated request.
"""

import math
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from slipway.domain.judge.readings import Sums
from slipway.domain.judge.statistics.means import (
    LARGEST,
    LEAST_TO_PASS,
    LEAST_TOGETHER,
    Walk,
    e_value_of,
    half_width,
    rho_squared,
    walk_evidence_against,
    walk_evidence_for,
)

Floats = NDArray[np.float64]

ODDS: Final[tuple[float, ...]] = tuple(np.geomspace(1.1, 64, 16).tolist())
"""Alternatives to the limit, as multiples of its odds (for the canary: divided by)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PairEvidence:
    """Pairs so far, those that disagree, and the log ratios of their latencies."""

    pairs: int = 0
    disagreeing: int = 0
    log_ratios: Sums = Sums()  # noqa: RUF009 - a frozen value
    """log(canary's milliseconds / stable's), over the pairs of which both were timed."""
    scale: float = 0.0
    """Variance of a log ratio when it was first known: fixes rho2 from then on. 0: not yet known."""


def update_pairs(
    evidence: PairEvidence, *, pairs: int, disagreeing: int, log_ratios: Sums | None = None
) -> PairEvidence:
    """Return the evidence after one more look; all numbers are of pairs since the last one.

    Raises ValueError for counts and sums that no pairs can have.
    """
    more = log_ratios or Sums()
    _require_valid(pairs, disagreeing, more)
    before = evidence.log_ratios
    grown = replace(
        evidence,
        pairs=evidence.pairs + pairs,
        disagreeing=evidence.disagreeing + disagreeing,
        log_ratios=Sums(
            count=before.count + more.count, total=before.total + more.total, squares=before.squares + more.squares
        ),
    )
    if evidence.scale or grown.log_ratios.count < LEAST_TOGETHER:
        return grown
    variance = _sample_variance(grown.log_ratios)
    return replace(grown, scale=max(variance, 1 / LARGEST)) if variance else grown


# disagreement


def disagreement_evidence_against(evidence: PairEvidence, limit: float) -> float:
    """Return the e-value against "at most this rate of pairs disagree"; 1 without evidence.

    With a limit of 0 one disagreement refutes it; with a limit of 1 nothing does.
    """
    return _mix_evidence(evidence, limit, np.array(ODDS))


def disagreement_evidence_for(evidence: PairEvidence, limit: float) -> float:
    """Return the e-value against "at least this rate of pairs disagree"; 1 without evidence.

    With a limit of 1 one agreement refutes it; with a limit of 0 nothing does.
    """
    return _mix_evidence(evidence, limit, 1 / np.array((*ODDS, 1e9)))


def disagreement_rate(evidence: PairEvidence) -> float | None:
    """Return the rate of disagreement; None before any pair."""
    return evidence.disagreeing / evidence.pairs if evidence.pairs else None


def disagreement_interval(evidence: PairEvidence, alpha: float) -> tuple[float, float]:
    """Return the interval of the rate: it holds for all looks at once with a probability of 1 - alpha.

    >>> low, high = disagreement_interval(PairEvidence(pairs=1000, disagreeing=20), 0.05)
    >>> round(low, 4), round(high, 4)
    (0.0078, 0.0406)
    """
    from scipy.optimize import brentq  # imported here: it takes longer than the command line may take to start

    x, n = evidence.disagreeing, evidence.pairs
    if not n:
        return (0.0, 1.0)
    mixed = math.lgamma(x + 0.5) + math.lgamma(n - x + 0.5) - math.lgamma(n + 1) - math.log(math.pi / alpha)

    def refuted(rate: float) -> float:
        likelihood = (x * math.log(rate) if x else 0.0) + ((n - x) * math.log1p(-rate) if x < n else 0.0)
        return mixed - likelihood

    rate = x / n
    low = brentq(refuted, 1e-300, rate, xtol=1e-12) if x else 0.0
    high = brentq(refuted, rate, 1 - 1e-16, xtol=1e-12) if x < n else 1.0
    return (float(low), float(high))


# speed


def slowdown_evidence_against(evidence: PairEvidence, margin: float) -> float:
    """Return the e-value against "the canary takes at most `margin` times as long" (1.0: as long); 1 if unknown."""
    walk = _walk_of(evidence)
    return walk_evidence_against(walk, math.log(margin) * evidence.log_ratios.count, "higher") if walk else 1.0


def slowdown_evidence_for(evidence: PairEvidence, tolerance: float) -> float:
    """Return the e-value against "the canary takes at least `tolerance` times as long"; 1 below `LEAST_TO_PASS`."""
    walk, count = _walk_of(evidence), evidence.log_ratios.count
    return walk_evidence_for(walk, math.log(tolerance) * count, "higher") if walk and count >= LEAST_TO_PASS else 1.0


def mean_slowdown(evidence: PairEvidence) -> float | None:
    """Return the geometric mean of canary's over stable's milliseconds; None before any timed pair."""
    return math.exp(evidence.log_ratios.total / evidence.log_ratios.count) if evidence.log_ratios.count else None


def slowdown_interval(evidence: PairEvidence, alpha: float) -> tuple[float, float]:
    """Return the interval of that ratio, for all looks at once with probability 1 - alpha; (0, inf) while unknown."""
    walk = _walk_of(evidence)
    if not walk:
        return (0.0, math.inf)
    count, reach = evidence.log_ratios.count, half_width(walk.variance, walk.rho2, alpha)
    return (e_value_of((walk.sum - reach) / count), e_value_of((walk.sum + reach) / count))


def _mix_evidence(evidence: PairEvidence, limit: float, odds: Floats) -> float:
    if not 0 <= limit <= 1:
        message = f"limit={limit}; need a rate between 0 and 1"
        raise ValueError(message)
    x, n = evidence.disagreeing, evidence.pairs
    if limit in (0, 1):
        upwards = bool(odds[0] > 1)
        refuted = x > 0 if limit == 0 else x < n
        return 1e300 if refuted and upwards == (limit == 0) else 1.0
    spread = 1 - limit + odds * limit  # r = odds limit / spread, 1 - r = (1 - limit) / spread
    logs = x * np.log(odds) - n * np.log(spread)
    return e_value_of(float(np.logaddexp.reduce(logs)) - math.log(len(odds)))


def _walk_of(evidence: PairEvidence) -> Walk | None:
    sums = evidence.log_ratios
    if not evidence.scale:
        return None
    variance = max(_sample_variance(sums), 1 / LARGEST)
    return Walk(sum=sums.total, variance=variance * sums.count, rho2=rho_squared(evidence.scale))


def _sample_variance(sums: Sums) -> float:
    """Return the sample variance; 0 where it is only rounding."""
    around = sums.squares - sums.total**2 / sums.count
    return around / (sums.count - 1) if around > 1e-12 * sums.squares else 0.0


def _require_valid(pairs: int, disagreeing: int, ratios: Sums) -> None:
    legal = math.isfinite(ratios.total) and 0 <= ratios.squares <= LARGEST  # NaN and infinity fail the comparison
    if not 0 <= disagreeing <= pairs or ratios.count < 0 or not legal:
        message = (
            f"pairs={pairs}, disagreeing={disagreeing}, log_ratios={ratios}; need 0 <= disagreeing <= pairs, "
            f"and a finite total with squares between 0 and {LARGEST:g}"
        )
        raise ValueError(message)
