"""What Envoy's statistics mean, by names as it gave them."""

import pytest

from slipway.adapters.local.counting import add_up
from slipway.domain.judge.counters import Counters

RESCUED = "requests.cluster.a-v2+a-v1@grpc.host"


@pytest.mark.parametrize(
    "tried",
    ["code.0.grpc..later..by..flags.-", "code.200.grpc.4.later..by..flags.-"],
    ids=["no mark on the try", "the server saw it pass as well"],
)
def test_a_deadline_that_passes_during_the_first_try_counts_once(tried: str) -> None:
    """Envoy and the server race to say so; whoever is first, the request failed once."""
    seen = {
        f"slipway_asked.{RESCUED}.a-v2.code.200.grpc.4.later..by..flags.-": 1,
        f"slipway_tried.{RESCUED}.a-v2.{tried}": 1,
        f"slipway_asked.{RESCUED}.a-v2.code.200.grpc.0.later..by.a.flags.-": 7,
        f"slipway_tried.{RESCUED}.a-v2.code.200.grpc.0.later..by.a.flags.-": 7,
    }

    assert add_up(seen) == {"a-v2": Counters(requests=8, errors=1)}


def test_a_version_that_says_its_deadline_passed_counts_by_its_own_try() -> None:
    """Stable answered in its place, or came too late as well: both are the canary's failures, and none of stable's."""
    own = f"{RESCUED}.a-v2.code.200.grpc.4.later..by.a.flags.-"
    seen = {f"slipway_tried.{own}": 2, f"slipway_asked.{RESCUED}.a-v1.code.200.grpc.0.later..by.a.flags.-": 2}

    assert add_up(seen) == {"a-v2": Counters(requests=2, errors=2)}
