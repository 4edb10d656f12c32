"""Any quantile slower: both arms' latency distributions, compared at a histogram's edges for all times at once.

Howard & Ramdas (arXiv 1906.09712, theorem 2): for A > 1/sqrt(2) and n from m requests on, with a probability of at
least 1 - alpha, no empirical distribution function is ever further from the true one, at any latency, than

    radius(n) = A sqrt((log(1 + log(n / m)) + C) / n),   alpha = inf over 1 < eta < 2 A^2 of
    4 exp(-g C) (1 + 1 / ((g - 1) log eta)),             g = 2 / eta * (A - sqrt(2 (eta - 1) / C))^2 > 1

Two arms have one band each, at alpha / 2. Where stable's function is above the canary's by more than both radii, a
larger share of the canary's answers is slower than that edge, so some quantile is slower; only edges are looked at,
the band holds between them too. The first pair of bands gets half of alpha, the pair after the n-th restart 2^-(n+1).

Restart when weights change: within a pair each arm's answers are pooled, which compares like with like only as long
as the canary's share stays the same. What breaks it: answers that depend on each other (bursts that hit one arm).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from slipway.domain.judge.readings import Latencies

Floats = NDArray[np.float64]

A: Final = 0.85
"""The paper's choice."""
FIRST: Final = 100
"""m: the band is finite from this many requests of the arm on."""
_ETAS: Floats = 1 + np.geomspace(1e-5, 2 * A**2 - 1, 400, endpoint=False)
"""Where the infimum is looked for; any eta gives a bound that holds."""
_CAP = math.log(1e300)


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantileEvidence:
    """Answers of both arms since the last restart, and how many of them were slower than each edge."""

    edges_milliseconds: tuple[float, ...] = ()
    canary_requests: int = 0
    stable_requests: int = 0
    canary_slower: tuple[int, ...] = ()
    stable_slower: tuple[int, ...] = ()
    restarts: int = 0
    before: float = 1.0
    """Evidence against the canary from the pairs of bands before the last restart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slower:
    """The edge at which the canary is slowest relative to stable."""

    edge_milliseconds: float
    canary_share: float
    """Part of the canary's answers that were slower than the edge."""
    stable_share: float
    low: float
    """The difference of the two shares is at least this, at the given alpha."""
    high: float
    """And at most this."""

    @property
    def certain(self) -> bool:
        """Whether the canary is slower at this edge, at the given alpha."""
        return self.low > 0


def update_quantiles(evidence: QuantileEvidence, canary: Latencies, stable: Latencies) -> QuantileEvidence:
    """Return the evidence after one more look; the latencies are of answers since the last one.

    Raises ValueError if the edges are not the same in both arms and at every look.
    """
    edges = evidence.edges_milliseconds or stable.edges_milliseconds
    if not edges == canary.edges_milliseconds == stable.edges_milliseconds:
        message = (
            f"edges of canary {canary.edges_milliseconds}, of stable {stable.edges_milliseconds}, before {edges}; "
            "need the same edges in both arms and at every look"
        )
        raise ValueError(message)
    return QuantileEvidence(
        edges_milliseconds=edges,
        canary_requests=evidence.canary_requests + canary.requests,
        stable_requests=evidence.stable_requests + stable.requests,
        canary_slower=_add_counts(evidence.canary_slower, canary.slower),
        stable_slower=_add_counts(evidence.stable_slower, stable.slower),
        restarts=evidence.restarts,
        before=evidence.before,
    )


def restart_bands(evidence: QuantileEvidence) -> QuantileEvidence:
    """Begin a new pair of bands, as when weights change; earlier evidence is kept."""
    if not evidence.canary_requests and not evidence.stable_requests:
        return evidence
    return QuantileEvidence(
        edges_milliseconds=evidence.edges_milliseconds,
        restarts=evidence.restarts + 1,
        before=quantile_evidence_against(evidence),
    )


def quantile_evidence_against(evidence: QuantileEvidence) -> float:
    """Return one over the least alpha at which some quantile is slower; 1 without evidence.

    For a canary that is nowhere slower it ever reaches 1 / alpha with a probability of at most alpha. It is one
    over an anytime-valid p-value, not an e-value: compare it with a threshold, don't average it.
    """
    if not evidence.edges_milliseconds:
        return evidence.before
    return max(evidence.before, _one_over_alpha(evidence, float(_excess_shares(evidence).max(initial=0.0))))


def quantile_evidence_for(evidence: QuantileEvidence, tolerance: float) -> float:
    """Return one over the least alpha at which the canary's share of slower answers is nowhere up by the tolerance.

    The tolerance is a difference of shares (0 to 1). 1 without evidence; compare it with a threshold.
    """
    if not evidence.edges_milliseconds:
        return 1.0
    return _one_over_alpha(evidence, tolerance - float(_excess_shares(evidence).max(initial=0.0)))


def largest_excess(evidence: QuantileEvidence) -> float | None:
    """Return the largest excess, over all edges, of the canary's share of slower answers; None before any."""
    if not evidence.canary_requests or not evidence.stable_requests or not evidence.edges_milliseconds:
        return None
    return float(_excess_shares(evidence).max())


def excess_interval(evidence: QuantileEvidence, alpha: float) -> tuple[float, float]:
    """Return the interval of the difference of shares at the edge where the canary is slowest relative to stable.

    Holds for all edges and all times at once with a probability of 1 - alpha; (-1, 1) as long as nothing is known.
    """
    found = find_slowest_edge(evidence, alpha)
    return (found.low, found.high) if found else (-1.0, 1.0)


def find_slowest_edge(evidence: QuantileEvidence, alpha: float) -> Slower | None:
    """Return the edge where the canary is slowest relative to stable, with its interval; None before any answer."""
    difference = largest_excess(evidence)
    if difference is None:
        return None
    at = int(_excess_shares(evidence).argmax())
    each = alpha / 2 ** (evidence.restarts + 2)
    reach = band_radius(evidence.canary_requests, each) + band_radius(evidence.stable_requests, each)
    return Slower(
        edge_milliseconds=evidence.edges_milliseconds[at],
        canary_share=evidence.canary_slower[at] / evidence.canary_requests,
        stable_share=evidence.stable_slower[at] / evidence.stable_requests,
        low=max(-1.0, difference - reach),
        high=min(1.0, difference + reach),
    )


def band_radius(count: int, alpha: float, first: int = FIRST) -> float:
    """Return how far the empirical distribution function may be from the true one, at all times and latencies.

    Infinite below `first` observations.

    >>> round(band_radius(1000, 0.05), 4)  # 0.08204769 in the authors' own tests
    0.082
    """
    if count < first:
        return math.inf
    return A * math.sqrt((math.log1p(math.log(count / first)) + band_constant(alpha)) / count)


@lru_cache(maxsize=256)
def band_constant(alpha: float) -> float:
    """Return C for an alpha between 0 and 1.

    >>> round(band_constant(0.05), 3)
    8.123
    """
    if not 0 < alpha < 1:
        message = f"alpha={alpha}; need a number between 0 and 1"
        raise ValueError(message)
    goal = math.log(alpha)
    return _find_root(lambda c: log_alpha(c) - goal, 1.5, 10 - 2 * goal)


def log_alpha(constant: float) -> float:
    """Return the log of the probability that a band with this C is ever left; it falls as C grows."""
    reach = A - np.sqrt(2 * (_ETAS - 1) / constant)
    g = 2 / _ETAS * reach**2
    good = (reach > 0) & (g > 1)
    if not good.any():
        return math.log(4)
    g, etas = g[good], _ETAS[good]
    return float((math.log(4) - g * constant + np.log1p(1 / ((g - 1) * np.log(etas)))).min())


def _excess_shares(evidence: QuantileEvidence) -> Floats:
    """Return at every edge how much larger the canary's share of slower answers is."""
    if not evidence.canary_requests or not evidence.stable_requests:
        return np.zeros(len(evidence.edges_milliseconds))
    canary = np.array(evidence.canary_slower) / evidence.canary_requests
    behind: Floats = canary - np.array(evidence.stable_slower) / evidence.stable_requests
    return behind


def _one_over_alpha(evidence: QuantileEvidence, gap: float) -> float:
    """Return one over the alpha of the bands whose radii together are the gap."""
    canary, stable = evidence.canary_requests, evidence.stable_requests
    if gap <= 0 or min(canary, stable) < FIRST:
        return 1.0
    loglogs = (math.log1p(math.log(canary / FIRST)), math.log1p(math.log(stable / FIRST)))

    def excess(c: float) -> float:
        return A * (math.sqrt((loglogs[0] + c) / canary) + math.sqrt((loglogs[1] + c) / stable)) - gap

    if excess(1.5) >= 0:
        return 1.0
    largest = gap**2 * min(canary, stable) / A**2  # there one radius alone is the gap
    each = log_alpha(_find_root(excess, 1.5, largest))
    log = -each - (evidence.restarts + 2) * math.log(2)
    return math.exp(min(max(log, 0.0), _CAP))


def _find_root(function: Callable[[float], float], low: float, high: float) -> float:
    from scipy.optimize import brentq  # imported here: it takes longer than the command line may take to start

    return float(brentq(function, low, high, xtol=1e-9))


def _add_counts(before: tuple[int, ...], more: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(a + b for a, b in zip(before, more, strict=True)) if before else more
