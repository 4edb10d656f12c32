"""Traffic: weights add up, and what is impossible is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway.domain.rollout.revision import Traffic


@given(percent=st.integers(0, 100))
def test_weights_add_up_to_a_hundred(percent: int) -> None:
    """Whatever the canary gets, stable gets the rest."""
    weights = Traffic(stable="old", canary="new", canary_percent=percent).weights

    assert weights == {"old": 100 - percent, "new": percent}


def test_without_a_canary_stable_gets_everything() -> None:
    """A shadow gets copies, no share."""
    assert Traffic(stable="old", shadow="new").weights == {"old": 100}


@pytest.mark.parametrize(
    ("canary", "percent", "message"),
    [
        ("new", -1, "canary_percent is -1; allowed 0 to 100"),
        ("new", 101, "canary_percent is 101; allowed 0 to 100"),
        (None, 5, "5 % for a canary that is not named"),
        ("old", 20, "old is named as stable and as canary"),
    ],
)
def test_impossible_traffic_is_refused(canary: str | None, percent: int, message: str) -> None:
    """No router may be told of it: shares under 0 or over 100, for nobody, or twice for the same revision."""
    with pytest.raises(ValueError, match=message):
        Traffic(stable="old", canary=canary, canary_percent=percent)
