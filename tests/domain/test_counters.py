"""Counters: what no counter can show is refused, and restarts are told from progress."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway.domain.counters import ZERO, Counters, since


@st.composite
def counters(draw: st.DrawFn) -> Counters:
    """Draw counters."""
    requests = draw(st.integers(0, 10**9))
    return Counters(requests=requests, errors=draw(st.integers(0, requests)))


@pytest.mark.parametrize(("requests", "errors"), [(-1, 0), (5, -1), (5, 6), (0, 1)])
def test_impossible_counts_are_refused(requests: int, errors: int) -> None:
    """Negative counts and more errors than requests come from a broken reading, not from a router."""
    with pytest.raises(ValueError, match=f"requests={requests}, errors={errors}; need 0 <= errors <= requests"):
        Counters(requests=requests, errors=errors)


@given(before=counters(), more=counters())
def test_the_difference_and_the_start_make_the_end(before: Counters, more: Counters) -> None:
    """What came between two looks is what was added."""
    after = Counters(requests=before.requests + more.requests, errors=before.errors + more.errors)

    assert since(before, after) == more


@given(before=counters(), after=counters())
def test_a_difference_is_whole_or_none(before: Counters, after: Counters) -> None:
    """Any two readings give counts that can be, or nothing; never an error."""
    between = since(before, after)

    grew = after.requests >= before.requests and 0 <= after.errors - before.errors <= after.requests - before.requests
    assert (between is not None) == grew


@pytest.mark.parametrize(
    "after",
    [
        Counters(requests=9, errors=0),
        Counters(requests=20, errors=1),
        Counters(requests=12, errors=6),
    ],
    ids=["fewer requests", "fewer errors", "more errors than requests between"],
)
def test_a_counter_that_went_backwards_gives_nothing(after: Counters) -> None:
    """Its process began anew: what came between can't be known."""
    assert since(Counters(requests=10, errors=2), after) is None


def test_nothing_between_two_equal_readings() -> None:
    """No request is a count too: zero."""
    assert since(Counters(requests=7, errors=1), Counters(requests=7, errors=1)) == ZERO
