"""Shares from counts: what can be reached, and with which replicas."""

from hypothesis import given
from hypothesis import strategies as st

from slipway.adapters.kubernetes.ratio import find_counts, find_reachable_shares

MAXIMA = st.integers(1, 15)


@given(maximum=MAXIMA)
def test_reachable_shares_ascend_and_all_can_be_made(maximum: int) -> None:
    """Each of them is made exactly, to a rounding, by counts within the maximum; everything to one is one of them."""
    shares = find_reachable_shares(maximum)

    assert list(shares) == sorted(set(shares))
    assert shares[-1] == 100
    for percent in shares[:-1]:
        counts = find_counts(percent, maximum)
        assert counts.percent == percent
        assert 1 <= min(counts.stable, counts.canary) <= max(counts.stable, counts.canary) <= maximum


@given(percent=st.integers(1, 99), maximum=MAXIMA)
def test_no_reachable_share_is_nearer_than_the_one_made(percent: int, maximum: int) -> None:
    """What can't be had becomes the nearest that can."""
    made = find_counts(percent, maximum).percent

    assert all(abs(made - percent) <= abs(other - percent) for other in find_reachable_shares(maximum)[:-1])


@given(percent=st.integers(1, 99), maximum=MAXIMA, least=st.integers(2, 70))
def test_replicas_for_the_load_are_kept_where_the_share_allows_it(percent: int, maximum: int, least: int) -> None:
    """As many as are asked for; where the share can't be had with so many, as many as it can be had with."""
    made, fewest = find_counts(percent, maximum, least=least), find_counts(percent, maximum)

    assert made.percent == fewest.percent
    assert made.total >= fewest.total
    most = max(
        stable + canary
        for stable in range(1, maximum + 1)
        for canary in range(1, maximum + 1)
        if round(100 * canary / (stable + canary)) == made.percent
    )
    assert made.total >= min(least, most)
