r"""Faults that both arms share: a dependency is down. They are reported as such, so that the model is not suspected.

They do not bias the comparison, so nothing here decides for or against the canary; the result is only "wait". Stable's
errors of one look are compared with what stable did before (a Poisson tail); the canary must fail then too. A fault
begins when stable fails at least FACTOR times as often as usual, with a probability that is negligible (RARE); it ends
when a look shows less than half of that again. The look that shows it is left out too, which is not predictable: over
an outage the expectation of a doubling's evidence is up to 6 instead of 1 (exact, at a weight of 1 %); in whole
rollouts no effect was found (14 against 12 wrong passes of 1,500).
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammainc

from slipway.domain.judge.counters import Counters
from slipway.domain.judge.statistics.rates import Floats

FACTOR = 4.0
RARE = 1e-6
FEWEST_ERRORS = 5
SLOWEST = 0.02
"""How much one look moves the usual rate once a few hundred requests were seen: it follows the time of day."""
USUAL_REQUESTS = 200
"""With fewer requests of stable the usual rate is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedFault:
    """Stable's usual rate of errors, and whether both arms fail together now."""

    usual: float = 0.0
    """Stable's errors per request outside of faults, smoothed."""
    requests: int = 0
    """Of stable, outside of faults."""
    now: bool = False
    stable_share: float = 0.0
    """Errors per request in the look that shows it."""
    canary_share: float = 0.0


def update_fault(before: SharedFault, canary: Counters, stable: Counters) -> SharedFault:
    """Return what is known after one look; a look without requests of stable changes nothing."""
    if not stable.requests:
        return before
    here = stable.errors / stable.requests
    look = np.array([canary.requests, canary.errors, stable.requests, stable.errors], dtype=float)
    known = np.array(before.usual), np.array(float(before.requests)), np.array(before.now)
    if bool(both_fail(*known, look)):
        there = canary.errors / max(canary.requests, 1)
        return replace(before, now=True, stable_share=here, canary_share=there)
    usual = float(follow_rate(known[0], known[1], look))
    return replace(before, now=False, usual=usual, requests=before.requests + stable.requests)


def both_fail(usual: Floats, requests: Floats, now: NDArray[np.bool_], look: Floats) -> NDArray[np.bool_]:
    """Return whether both arms fail far more than usual in this look, shape (...).

    `look`: canary's requests and errors, stable's requests and errors, shape (..., 4).
    """
    n_c, x, n_s, y = (look[..., part] for part in range(4))
    raised = np.maximum(usual, 1 / np.maximum(requests, 1)) * np.where(now, FACTOR / 2, FACTOR)
    both = (y > raised * n_s) & ((x >= raised * n_c) | (n_c == 0))
    chance = gammainc(np.maximum(y, 1), raised / FACTOR * 1.5 * n_s)  # P(Poisson >= errors)
    begins = (y >= FEWEST_ERRORS) & (chance <= RARE)
    here: NDArray[np.bool_] = (requests >= USUAL_REQUESTS) & both & (now | begins)
    return here


def follow_rate(usual: Floats, requests: Floats, look: Floats) -> Floats:
    """Return the usual rate after a look outside of faults, shape (...)."""
    n_s, y = look[..., 2], look[..., 3]
    pace = np.maximum(n_s / np.maximum(requests + n_s, 1), SLOWEST) * (n_s > 0)
    moved: Floats = usual + pace * (y / np.maximum(n_s, 1) - usual)
    return moved


def describe_fault(fault: SharedFault) -> str:
    """Describe the fault in a sentence.

    >>> describe_fault(SharedFault(usual=0.004, requests=9000, now=True, stable_share=0.34, canary_share=0.31))
    'both versions fail together (stable on 34 %, canary on 31 %, usual 0.4 %): a dependency is down, not the canary'
    """
    usual = f"usual {100 * fault.usual:.2g} %"
    if not fault.canary_share:
        seen = f"stable fails on {100 * fault.stable_share:.2g} % ({usual}) while the canary gets no request"
        return f"{seen}: nothing can be compared"
    shares = f"stable on {100 * fault.stable_share:.2g} %, canary on {100 * fault.canary_share:.2g} %"
    return f"both versions fail together ({shares}, {usual}): a dependency is down, not the canary"
