r"""Whether the router splits requests as configured. A mismatch is a fault of the route, never of the model.

Of n requests of a step, c went to the canary; the router was configured with the share w. Each is sent there
independently of its outcome, so under any share t the number is binomial. The e-value is the mean likelihood under a
Dirichlet prior around w, with the weight of 100 requests, over the largest likelihood that a share within the tolerance
can have:

    E = [B(a0 + counts) / B(a0)] / max t^c (1 - t)^(n - c),    a0 = 100 (w, 1 - w)

Lindon & Malek, NeurIPS 2022, arXiv 2011.03567, with their point null widened to an interval (universal inference, arXiv
1912.11436): routers that count answers instead of requests, or that round weights, are off by a little.
"""

import math
from dataclasses import dataclass, replace

from scipy.special import betaln, xlogy

PRIOR_REQUESTS = 100.0
TOLERANCE = 0.1
"""Relative deviation of the canary's share that is tolerated."""
LARGEST_LOG = 690.0
WINDOW_SECONDS = 300.0
"""Length of a window. Only the last one to two windows count, so that one late scrape is not a fault for ever."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteEvidence:
    """Requests by arm since the weights were set."""

    weight_percent: int = 0
    """The router's configured weight when they were counted; with another weight counting starts again."""
    canary: int = 0
    stable: int = 0
    """Of this window and the one before it."""
    canary_here: int = 0
    stable_here: int = 0
    """Of this window alone."""
    began: float | None = None
    """Unix seconds: when this window began; None: nothing was counted yet."""


def update_route(
    before: RouteEvidence, weight_percent: int, canary: int, stable: int, at: float = 0.0
) -> RouteEvidence:
    """Return the evidence after one look at `at`, Unix seconds.

    The first look of a weight still holds requests sent before it, so it is left out. What is older than two windows is
    dropped, so that a fault that is over is no longer reported.
    """
    if before.weight_percent != weight_percent:
        return RouteEvidence(weight_percent=weight_percent)
    began = at if before.began is None else before.began
    if at - began >= WINDOW_SECONDS:
        before = replace(before, canary=before.canary_here, stable=before.stable_here, canary_here=0, stable_here=0)
        began = at
    return replace(
        before,
        canary=before.canary + canary,
        stable=before.stable + stable,
        canary_here=before.canary_here + canary,
        stable_here=before.stable_here + stable,
        began=began,
    )


def log_mismatch(evidence: RouteEvidence) -> float:
    """Return the log e-value against "the canary's share is within a tenth of what the router is configured for".

    >>> log_mismatch(RouteEvidence(weight_percent=10, canary=1000, stable=9000)) < 0
    True
    >>> log_mismatch(RouteEvidence(weight_percent=10, canary=300, stable=700)) > 50
    True
    """
    told = evidence.weight_percent / 100
    counted = evidence.canary + evidence.stable
    if not 0 < told < 1 or not counted:
        return 0.0
    seen = evidence.canary / counted
    closest = min(max(seen, told * (1 - TOLERANCE)), told * (1 + TOLERANCE), 1.0)
    prior = PRIOR_REQUESTS * told, PRIOR_REQUESTS * (1 - told)
    mixed = betaln(prior[0] + evidence.canary, prior[1] + evidence.stable) - betaln(*prior)
    best = xlogy(evidence.canary, closest) + xlogy(evidence.stable, 1 - closest)
    return min(float(mixed - best), LARGEST_LOG)


def is_mismatched(evidence: RouteEvidence, alpha: float) -> bool:
    """Whether the shares contradict the configured weight; wrong with a probability of at most alpha per window."""
    return log_mismatch(evidence) >= -math.log(alpha)


def describe_mismatch(evidence: RouteEvidence) -> str:
    """Describe the mismatch in a sentence.

    >>> describe_mismatch(RouteEvidence(weight_percent=10, canary=300, stable=700))
    'the router sent 30 % of 1,000 requests to the canary instead of 10 %: the route is at fault, not the model'
    """
    counted = evidence.canary + evidence.stable
    share = 100 * evidence.canary / max(counted, 1)
    configured = f"{evidence.weight_percent} %"
    fault = "the route is at fault, not the model"
    return f"the router sent {share:.3g} % of {counted:,} requests to the canary instead of {configured}: {fault}"
