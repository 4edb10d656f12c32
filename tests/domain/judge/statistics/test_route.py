"""The route: whether requests are shared as the router was told, and who is blamed."""

import math

import numpy as np
import pytest
from scipy import integrate, stats

from slipway.domain.judge.statistics.route import (
    LARGEST_LOG,
    TOLERANCE,
    WINDOW_SECONDS,
    RouteEvidence,
    describe_mismatch,
    is_mismatched,
    log_mismatch,
    update_route,
)

ALPHA = 0.01


def seen(weight: int, canary: int, stable: int) -> RouteEvidence:
    """Return the evidence after one look within a weight."""
    return update_route(RouteEvidence(weight_percent=weight), weight, canary, stable)


@pytest.mark.parametrize(("weight", "canary", "stable"), [(10, 30, 70), (50, 10, 40), (1, 3, 20)])
def test_the_evidence_is_a_mixture_of_binomials(weight: int, canary: int, stable: int) -> None:
    """By numerical integration over the prior with the weight of a hundred requests, over the closest share allowed."""
    told, count = weight / 100, canary + stable
    prior = stats.beta(100 * told, 100 * (1 - told))
    closest = min(max(canary / count, told * (1 - TOLERANCE)), told * (1 + TOLERANCE))

    mixed, _ = integrate.quad(lambda share: prior.pdf(share) * stats.binom.pmf(canary, count, share), 0, 1, limit=200)

    ours = math.exp(log_mismatch(seen(weight, canary, stable)))
    assert ours == pytest.approx(mixed / stats.binom.pmf(canary, count, closest), rel=1e-6)


@pytest.mark.parametrize("off", [1 - TOLERANCE, 1.0, 1 + TOLERANCE])
@pytest.mark.parametrize("weight", [1, 10, 50])
def test_a_right_route_is_blamed_less_often_than_alpha(weight: int, off: float) -> None:
    """2,000 routes, 100 looks each, up to a tenth off: what rounding does is nobody's fault."""
    random = np.random.default_rng(weight)
    canary = random.binomial(200, weight / 100 * off, (2000, 100)).cumsum(axis=1)
    told, counted = weight / 100, 200 * np.arange(1, 101)

    closest = np.clip(canary / counted, told * (1 - TOLERANCE), told * (1 + TOLERANCE))
    prior = stats.betabinom.logpmf(canary, counted, 100 * told, 100 * (1 - told))
    ever = (prior - stats.binom.logpmf(canary, counted, closest) >= -math.log(ALPHA)).any(axis=1)

    assert stats.beta.ppf(0.95, ever.sum() + 1, 2000 - ever.sum()) < ALPHA
    evidence = RouteEvidence(weight_percent=weight)
    for looked in np.diff(canary[0], prepend=0).tolist():
        evidence = update_route(evidence, weight, looked, 200 - looked)
    assert is_mismatched(evidence, ALPHA) <= bool(ever[0])


def test_no_look_at_a_right_route_expects_evidence() -> None:
    """By enumeration: the expectation over all counts of a look is at most 1 for every share allowed."""
    counts = np.arange(201)
    grown = np.exp([log_mismatch(seen(10, int(one), int(200 - one))) for one in counts])

    for share in (0.09, 0.095, 0.1, 0.105, 0.11):
        assert stats.binom.pmf(counts, 200, share) @ grown <= 1 + 1e-9


@pytest.mark.parametrize(("weight", "share"), [(10, 0.3), (10, 0.0), (50, 0.65), (1, 0.05)])
def test_a_wrong_route_is_found(weight: int, share: float) -> None:
    """Three times the share, none at all, a third more: within a few thousand requests."""
    looks = 0
    evidence = RouteEvidence(weight_percent=weight)
    while not is_mismatched(evidence, ALPHA) and looks < 30:
        evidence, looks = update_route(evidence, weight, round(200 * share), 200 - round(200 * share)), looks + 1

    assert looks < 15


def test_a_fault_that_is_over_heals() -> None:
    """Of an arm that was scraped late, or a router that was slow: the last one to two windows decide."""
    evidence, said = update_route(RouteEvidence(weight_percent=10), 10, 500, 500, at=0.0), []
    for look in range(1, 80):
        evidence = update_route(evidence, 10, 20, 180, at=10.0 * look)
        said.append(is_mismatched(evidence, ALPHA))

    healed = said.index(False)
    assert 0 < healed * 10 <= 2 * WINDOW_SECONDS
    assert not any(said[healed:])


def test_a_fault_that_lasts_stays() -> None:
    """Windows overlap: there is always one that has seen enough."""
    evidence, said = RouteEvidence(weight_percent=10), []
    for look in range(200):
        evidence = update_route(evidence, 10, 60, 140, at=10.0 * look)
        said.append(is_mismatched(evidence, ALPHA))

    assert all(said[10:])


def test_another_weight_begins_anew_without_its_first_look() -> None:
    """That look still holds requests that were sent under the old weight."""
    before = seen(10, 300, 700)

    changed = update_route(before, 50, 100, 900)

    assert changed == RouteEvidence(weight_percent=50)
    assert update_route(changed, 50, 500, 500).canary == 500


@pytest.mark.parametrize(("weight", "canary", "stable"), [(10, 0, 0), (0, 50, 50), (100, 50, 50)])
def test_nothing_is_said_where_nothing_was_shared(weight: int, canary: int, stable: int) -> None:
    """No requests, or a weight that leaves one arm out."""
    assert log_mismatch(seen(weight, canary, stable)) == 0.0


def test_a_hopeless_route_stays_a_number() -> None:
    """Millions of requests on the wrong side."""
    assert log_mismatch(seen(1, 10**8, 0)) == LARGEST_LOG


def test_the_sentence_blames_the_route() -> None:
    """With what was told and what was done."""
    assert describe_mismatch(seen(10, 300, 700)) == (
        "the router sent 30 % of 1,000 requests to the canary instead of 10 %: the route is at fault, not the model"
    )
