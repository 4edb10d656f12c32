"""Failures of a route that no revision counted: each is charged once."""

from hypothesis import given
from hypothesis import strategies as st

from slipway.adapters.prometheus.unattributed import UnattributedFailures, divide_in_proportion

SHARES = st.dictionaries(st.sampled_from(["v1", "v2", "v3"]), st.integers(0, 10**6), min_size=1)


@given(st.integers(0, 10**6), SHARES.filter(lambda shares: any(shares.values())))
def test_a_number_is_divided_whole(number: int, shares: dict[str, int]) -> None:
    """Nothing lost, nobody charged more than one beyond their share, nobody without a share charged."""
    divided = divide_in_proportion(number, shares)

    whole = sum(shares.values())
    assert sum(divided.values()) == number
    assert all(abs(part - number * shares[name] / whole) <= 1 for name, part in divided.items())
    assert all(part == 0 for name, part in divided.items() if shares[name] == 0)


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50), st.booleans()), min_size=1, max_size=20))
def test_strays_are_charged_once(looks: list[tuple[int, int, bool]]) -> None:
    """What comes after the first look, to one revision or both, never less than before."""
    strays, failed, requests, before = UnattributedFailures(), 0, 0, {}
    first = looks[0][0]

    for new, more, empty in looks:
        failed, requests = failed + new, requests + more
        given_now = strays.add_look(failed, failed, {"v1": requests, "v2": 2 * requests}, lambda _, empty=empty: empty)
        assert all(given_now.get(name, 0) >= number for name, number in before.items())
        before = dict(given_now)

    assert sum(before.values()) == failed - first


def test_a_failure_that_a_revision_counted_first_is_no_stray_afterwards() -> None:
    """Traefik counts it with the revision a moment before the route: a scrape between must not find it twice."""
    strays = UnattributedFailures()
    strays.add_look(10, 4, {"v1": 50}, lambda _: False)

    dip = strays.add_look(10, 3, {"v1": 51}, lambda _: False)
    after = strays.add_look(11, 4, {"v1": 51}, lambda _: False)

    assert (dict(dip), dict(after)) == ({}, {})


def test_strays_of_a_gateway_that_began_anew_are_not_found_again() -> None:
    """Its counters fell; only what comes afterwards is new."""
    strays = UnattributedFailures()
    for failed, stray in ((10, 4), (12, 6), (3, 3)):
        strays.add_look(failed, stray, {"v1": 50}, lambda _: False)

    assert dict(strays.add_look(5, 5, {"v1": 50}, lambda _: False)) == {"v1": 4}
