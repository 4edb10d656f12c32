"""The small experiments that docs/decisions/ quotes: `python -m docs.experiments` prints them, in some minutes.

Seeds are fixed. The large comparison with other tools is `make bench-decisions`.
"""

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, logsumexp, xlogy

from docs import figures
from slipway.domain.judge.statistics import bursts, rates
from slipway.domain.judge.statistics.rates import Floats
from slipway.domain.rollout.status import Phase

GRID = rates.grid_of(1.0, 2.0)
ALPHA, ERRORS_ALPHA = 0.01, 0.006
"""The whole, and the share that errors have of it beside shadow errors and latency."""
NEGLIGIBLE = 0.002
MINUTES = [0.01] * 5 + [0.05] * 10 + [0.25] * 10 + [0.5] * 10
"""The canary's share of requests, minute by minute: the default plan at full length."""
BETS = np.array([0.1, 0.25, 0.5, 0.9])
"""Of the baseline clone: bets on the sign of the difference (canary-analysis of exchangeable pairs)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gusty:
    """A service whose arms fail in gusts, each for itself."""

    cv: float
    """Coefficient of variation of the gusts."""
    ratio: float = 1.0
    per_minute: int = 3000
    error_share: float = 0.005
    minutes_long: int = 1
    """How long a gust lasts; the judge takes it for one minute."""
    stable_too: bool = True
    """False: only the canary has gusts, and stable can teach the judge nothing."""
    assumed_cv: float = 0.0
    """`burst_cv` of the spec."""
    block_minutes: int = 1
    """`burst_seconds` of the spec."""


def weights(ratio: float, share: float, count: int = 2000) -> tuple[float, float]:
    """Return the median seconds to rollback and the mean failed canary requests, at a constant share of requests."""
    random, requests = np.random.default_rng(1), 500
    total = np.zeros((count, len(GRID.ratios)))
    failed, seconds = np.zeros(count), np.full(count, np.inf)
    for look in range(1, 6000):
        under_way = ~np.isfinite(seconds)
        if not under_way.any():
            break
        n_c = random.binomial(requests, share, count).astype(float)
        x = random.binomial(n_c.astype(int), 0.005 * ratio).astype(float)
        y = random.binomial((requests - n_c).astype(int), 0.005).astype(float)
        failed += under_way * x
        total += rates.log_likelihoods(x, y, n_c, requests - n_c, GRID)
        seconds[under_way & (rates.log_evidence_against(total, GRID) >= -np.log(ERRORS_ALPHA))] = 10.0 * look
    return float(np.median(seconds)), float(failed.mean())


def diluted(copies: int = 15_000, count: int = 400) -> float:
    """Return how often a canary that is fine on copies, and twice as bad live, is found if both are one check.

    Copies: five minutes of them at 50 requests/s.
    """
    courses = [figures.course_of(2.0, seed, copies) for seed in range(count)]
    return sum(course.phase is Phase.ROLLING_BACK for course in courses) / count


def gusts(service: Gusty, count: int = 4000) -> dict[str, float]:
    """Return the share of rollouts that each way of weighing ever rolls back, looking once a minute.

    c^2 is known to those who use it, as stable's own gusts show it.
    """
    known = np.full(count, max(service.cv**2 * service.stable_too, service.assumed_cv**2))
    plain = np.zeros((count, len(GRID.ratios)))
    tempered, cloned = plain.copy(), np.zeros((count, len(BETS)))
    tally = bursts.empty_tally((count,), len(GRID.ratios))
    ever = {name: np.zeros(count, bool) for name in ("plain", "tempered", "slipway", "clone")}
    for minute, (n_c, x, n_s, y, clone) in enumerate(_minutes(service, count), start=1):
        likelihoods = rates.log_likelihoods(x, y, n_c, n_s, GRID)
        share = n_c / (n_c + n_s)
        plain += likelihoods
        tempered += likelihoods / (1 + 2 * known * share * (1 - share) * (x + y))[:, None]
        block = n_c * service.block_minutes, n_s * service.block_minutes
        expected = bursts.expect_overdispersion(known, np.full(count, service.error_share), block)
        bursts.add_look(tally, np.stack([n_c, x, n_s, y, x], axis=-1), GRID, np.full(count, NEGLIGIBLE))
        if minute % service.block_minutes == 0:
            bursts.close_block(tally, expected, GRID, np.full(count, NEGLIGIBLE))
        cloned += np.log1p(BETS * ((x - clone) / np.maximum(x + clone, 1))[:, None])
        for name, logs in (
            ("plain", rates.log_evidence_against(plain, GRID)),
            ("tempered", rates.log_evidence_against(tempered, GRID)),
            ("slipway", rates.log_evidence_against(bursts.total_against(tally, expected, GRID), GRID)),
            ("clone", logsumexp(cloned, axis=1) - np.log(len(BETS))),
        ):
            ever[name] |= logs >= -np.log(ALPHA)
    return {name: float(found.mean()) for name, found in ever.items()}


def growth(share: float) -> float:
    """Return the part of the largest growth per request that the ratio's e-value has, at stable's error share.

    A canary at 20 % of requests that fails 1.1 times as often; largest: the likelihood ratio of two Bernoulli arms to
    their common share (arXiv 2106.02693), for a test that knows both.
    """
    weight, worse = 0.2, 1.1 * share
    common = weight * worse + (1 - weight) * share
    part = weight * 1.1 / (weight * 1.1 + 1 - weight)
    ours = weight * worse * np.log(part / weight) + (1 - weight) * share * np.log((1 - part) / (1 - weight))
    best = weight * _divergence(worse, common) + (1 - weight) * _divergence(share, common)
    return float(ours / best)


def seconds_per_look(events: int = 1_000_000) -> tuple[float, float]:
    """Return how long one look with so many errors takes: the closed form, and Fisher's sum over all tables."""
    x, y, n_c, n_s = (np.array(float(value)) for value in (events // 5, events - events // 5, 2e7, 8e7))
    began = time.perf_counter()
    for _ in range(100):
        rates.log_likelihoods(x, y, n_c, n_s, GRID)
    closed = (time.perf_counter() - began) / 100
    began = time.perf_counter()
    cells = np.arange(events + 1.0)
    tables = -gammaln(cells + 1) - gammaln(2e7 - cells + 1) - gammaln(events - cells + 1)
    tables -= gammaln(8e7 - events + cells + 1)
    for ratio in GRID.ratios:
        logsumexp(tables + cells * np.log(ratio))
    return closed, time.perf_counter() - began


def _minutes(service: Gusty, count: int) -> Iterator[tuple[Floats, ...]]:
    """Yield canary's requests and errors, stable's, and the errors of a second copy of stable at the canary's size."""
    random, squared = np.random.default_rng(1), service.cv**2
    shocks = np.ones((3, count))
    for minute, share in enumerate(MINUTES):
        if squared and minute % service.minutes_long == 0:
            shocks = random.gamma(1 / squared, squared, (3, count))
            shocks[1] = shocks[1] if service.stable_too else 1.0
        canary = round(service.per_minute * share)
        drawn = [
            random.binomial(requests, np.minimum(1.0, ratio * service.error_share * shock)).astype(float)
            for requests, ratio, shock in zip(
                (canary, service.per_minute - canary, canary), (service.ratio, 1.0, 1.0), shocks, strict=True
            )
        ]
        yield np.full(count, float(canary)), drawn[0], np.full(count, float(service.per_minute - canary)), *drawn[1:]


def _divergence(one: float, other: float) -> float:
    parts: NDArray[np.float64] = np.array([xlogy(one, one / other), xlogy(1 - one, (1 - one) / (1 - other))])
    return float(parts.sum())


SERVICES = {
    "calm": Gusty(cv=0.0),
    "CV 0.5": Gusty(cv=0.5),
    "CV 1": Gusty(cv=1.0),
    "CV 1, 5 % errors": Gusty(cv=1.0, error_share=0.05),
    "CV 1, 2,000 requests/s": Gusty(cv=1.0, per_minute=120_000),
    "calm, canary twice as bad": Gusty(cv=0.0, ratio=2.0),
    "CV 0.5, canary twice as bad": Gusty(cv=0.5, ratio=2.0),
    "CV 0.5, in the canary alone": Gusty(cv=0.5, stable_too=False),
    "CV 1, in the canary alone": Gusty(cv=1.0, stable_too=False),
    "CV 0.5, five minutes long": Gusty(cv=0.5, minutes_long=5),
    "CV 1, two minutes long": Gusty(cv=1.0, minutes_long=2),
    "CV 1, five minutes long": Gusty(cv=1.0, minutes_long=5),
    "CV 1, five minutes long, burst_seconds 300": Gusty(cv=1.0, minutes_long=5, block_minutes=5),
    "CV 1, in the canary alone, burst_cv 0.5": Gusty(cv=1.0, stable_too=False, assumed_cv=0.5),
    "CV 1, in the canary alone, burst_cv 1": Gusty(cv=1.0, stable_too=False, assumed_cv=1.0),
}


def report() -> Iterator[str]:
    """Yield what is found, line by line."""
    closed, summed = seconds_per_look()
    yield f"a look at 1,000,000 errors: {1e6 * closed:.0f} us in closed form, {summed:.1f} s as Fisher's sum"
    for share in (0.005, 0.05, 0.2, 0.5):
        yield f"growth at {100 * share:g} % errors: {growth(share):.3f} of the largest"
    for ratio in (2.0, 5.0):
        for share in (0.01, 0.05, 0.25, 0.5):
            seconds, failed = weights(ratio, share)
            yield f"{ratio:g}x at {100 * share:g} %: {seconds:,.0f} s to rollback, {failed:.0f} failed requests"
    yield f"fine on copies, twice as bad live, one check of both: found in {100 * diluted():.0f} %"
    for name, service in SERVICES.items():
        shares = ", ".join(f"{way} {100 * share:.2g} %" for way, share in gusts(service).items())
        yield f"rolled back, {name}: {shares}"


if __name__ == "__main__":
    for line in report():
        sys.stdout.write(f"{line}\n")
