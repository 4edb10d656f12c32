"""Counters: what no counter can show is refused, and restarts are told from progress."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway.domain.judge.counters import ZERO, Counters, counters_since


@st.composite
def counters(draw: st.DrawFn) -> Counters:
    """Draw counters."""
    requests = draw(st.integers(0, 10**9))
    errors, refused = draw(st.integers(0, requests // 2)), draw(st.integers(0, requests // 4))
    return Counters(requests=requests, errors=errors, refused=refused, shed=draw(st.integers(0, requests // 4)))


@pytest.mark.parametrize(
    ("requests", "errors", "refused", "shed"),
    [(-1, 0, 0, 0), (5, -1, 0, 0), (5, 6, 0, 0), (0, 1, 0, 0), (5, 0, -1, 0), (5, 0, 0, -1), (5, 2, 2, 2)],
)
def test_impossible_counts_are_refused(requests: int, errors: int, refused: int, shed: int) -> None:
    """Negative counts and more bad answers than requests come from a broken reading, not from a router."""
    said = f"requests={requests}, errors={errors}, refused={refused}, shed={shed}; need counts from 0 on"
    with pytest.raises(ValueError, match=said):
        Counters(requests=requests, errors=errors, refused=refused, shed=shed)


@given(before=counters(), more=counters())
def test_the_difference_and_the_start_make_the_end(before: Counters, more: Counters) -> None:
    """What came between two looks is what was added."""
    assert counters_since(before, before + more) == more


@given(before=counters(), after=counters())
def test_a_difference_is_whole_or_none(before: Counters, after: Counters) -> None:
    """Any two readings give counts that can be, or nothing; never an error."""
    between = counters_since(before, after)

    bad = [getattr(after, one) - getattr(before, one) for one in ("errors", "refused", "shed")]
    assert (between is not None) == (min(bad) >= 0 and sum(bad) <= after.requests - before.requests)


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
    assert counters_since(Counters(requests=10, errors=2), after) is None


def test_nothing_between_two_equal_readings() -> None:
    """No request is a count too: zero."""
    assert counters_since(Counters(requests=7, errors=1), Counters(requests=7, errors=1)) == ZERO
