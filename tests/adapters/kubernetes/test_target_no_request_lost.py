"""Steady load through the gateway while weights move and revisions stop: every request is answered."""

from slipway.domain.rollout.revision import Traffic
from tests.adapters.kubernetes.place import Load, Place


def test_no_request_is_lost_while_traffic_moves_and_a_revision_stops(place: Place) -> None:
    """Up in steps, back, all the way, and the old revision goes while requests are under way."""
    one, two = place.running("steady", 1), place.running("steady", 2)
    place.target.set_traffic("steady", Traffic(stable=one.name))

    with Load(f"{place.cluster.gateway}/steady/x") as load:
        assert load.answered(50)
        for percent in (50, 0, 100):
            place.target.set_traffic("steady", Traffic(stable=one.name, canary=two.name, canary_percent=percent))
            assert load.answered(50)
        place.target.set_traffic("steady", Traffic(stable=two.name))
        place.target.stop("steady", one.name)
        label = f"slipway.dev/revision={one.name}"
        place.kubectl("wait", "--for=delete", "pod", "-l", label, "--timeout=60s")
        assert load.answered(50)

    assert set(load.answers) == {one.name, two.name}
    assert load.answers[two.name] > 100
