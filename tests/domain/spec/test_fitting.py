"""Specs fitted to what a router can do."""

import pytest

from slipway.domain.spec.fitting import fit_spec
from tests.domain.looks import release_spec

STEPS = [{"weight_percent": w, "duration_seconds": s} for w, s in ((1, 300), (5, 600), (25, 100), (50, 200))]


def test_a_router_that_can_do_anything_changes_nothing() -> None:
    """The spec as it is, and nothing to say."""
    spec = release_spec(steps=STEPS)

    assert fit_spec(spec, copies=True, weights=None) == (spec, ())


def test_without_copies_there_is_no_shadow() -> None:
    """Said in words; a spec without a shadow loses nothing."""
    spec, said = fit_spec(release_spec(steps=STEPS), copies=False, weights=None)

    assert spec.rollout.shadow is None
    assert said == ("no shadow: the router can't copy requests; the canary begins with its first step",)
    assert fit_spec(spec, copies=False, weights=None) == (spec, ())


def test_steps_take_the_nearest_share_that_can_be_made() -> None:
    """Steps that fall together are one, for the longer time; every change is named."""
    spec, said = fit_spec(release_spec(steps=STEPS), copies=True, weights=(10, 20, 25, 33, 50))

    assert [(step.weight_percent, step.duration_seconds) for step in spec.rollout.steps] == [
        (10, 600),
        (25, 100),
        (50, 200),
    ]
    assert said[0].endswith("10, 20, 25, 33, 50 % can be reached: 1 % becomes 10 %, 5 % becomes 10 %")


def test_shares_that_can_be_made_stay() -> None:
    """Nothing is said where nothing changes."""
    spec = release_spec(steps=STEPS)

    assert fit_spec(spec, copies=True, weights=(1, 5, 25, 50)) == (spec, ())


def test_a_router_that_makes_no_share_is_refused() -> None:
    """A defect of the adapter, not of the spec."""
    with pytest.raises(ValueError, match="weights is empty"):
        fit_spec(release_spec(steps=STEPS), copies=True, weights=())
