"""Parts of the cluster that fail in the middle of rollouts: these tests end and start them, so they run last.

The variable CLUSTER_COMMAND names the program that does so: `kill NAME`, `up [--nodes N]`, `node-down N`, `node-up N`.
"""

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from slipway.domain.rollout.status import Phase
from slipway.errors import TransientError
from tests.end_to_end.cluster.place import Place

Command = Callable[..., None]
AWAY_SECONDS = 15.0
TAINT = "slipway.dev/goes-down"
"""Keeps everybody else's pods off the node that is going to be lost."""


@pytest.fixture(scope="module")
def command() -> Command:
    """Return what runs the cluster's command; without one these tests are skipped with a sentence."""
    program = os.environ.get("CLUSTER_COMMAND")
    if not program:
        pytest.skip("parts of the cluster can't be ended: set CLUSTER_COMMAND to a program that does (see this module)")

    def run(*words: str) -> None:
        done = subprocess.run([program, *words], capture_output=True, text=True, timeout=150, check=False)
        assert done.returncode == 0, f"{words}: {done.stderr}"

    return run


@pytest.fixture
def away(place: Place, command: Command) -> Iterator[Command]:
    """Return what ends a part of the cluster; all of them are up again afterwards."""
    yield lambda name: command("kill", name)
    command("up")
    place.until("the API server answers", lambda: _answers(place))


def test_rollouts_outlive_prometheus_and_the_api_server(
    place: Place,
    first_releases: dict[str, Any],
    away: Command,
    command: Command,
    figures: dict[str, object],
) -> None:
    """Without evidence the weights stay, without the API server nothing moves; then both end as they should."""
    assert first_releases["ends"]

    with place.load("blind", 12) as good, place.load("deaf", 12) as bad:
        drivers = [place.release("blind", 2, "good"), place.release("deaf", 2, "fails")]
        place.until_in("blind", 2, Phase.SHIFTING)
        away("prometheus")
        place.until_in("deaf", 2, Phase.SHIFTING)
        place.until("the weights stay", lambda: "can't be counted" in place.status("blind").reason, AWAY_SECONDS)
        away("kube-apiserver")
        good.more(int(12 * AWAY_SECONDS))
        command("up")
        ends = [driver.end() for driver in drivers]

    figures["lost_without_prometheus_and_api_server"] = len(good.lost) + len(bad.lost)
    assert [end.get("phase") for end in ends] == [Phase.SUCCEEDED, Phase.ROLLED_BACK], ends
    assert "fails where stable never does" in ends[1]["said"]
    assert [place.traffic(model).weights for model in ("blind", "deaf")] == [{"blind-v2": 100}, {"deaf-v1": 100}]
    assert good.lost + bad.lost == []


@pytest.fixture
def second_node(place: Place, command: Command) -> Iterator[str]:
    """Return the second node, with a taint that only this test's pods bear; it is up and free of it afterwards."""
    command("up", "--nodes", "2")
    place.cluster.kubectl("taint", "node", "node-2", f"{TAINT}=yes:NoSchedule", "--overwrite")
    yield "node-2"
    command("node-up", "2")
    place.cluster.kubectl("wait", "node/node-2", "--for=condition=Ready", "--timeout=90s")
    place.cluster.kubectl("taint", "node", "node-2", f"{TAINT}-")


def test_a_rollout_outlives_a_node(
    place: Place, second_node: str, command: Command, figures: dict[str, object]
) -> None:
    """Half of the pods of both sides are gone in the middle: it ends, with all requests on one that answers."""
    steps = {"steps": [{"weight_percent": 50, "duration_seconds": 20}], "deadline_seconds": 30}
    replicas = {"replicas": {"minimum": 2, "maximum": 3}, "tolerations": [{"key": TAINT}]}
    place.spec("spread", {**steps, "on_deadline": "roll-back"}, replicas)
    assert place.release("spread", 1).end()["phase"] == Phase.SUCCEEDED
    place.until("both nodes serve", lambda: second_node in _nodes(place))

    with place.load("spread", 12) as load:
        driver = place.release("spread", 2)
        place.until_in("spread", 2, Phase.SHIFTING)
        lost_at = time.time()
        command("node-down", "2")
        end = driver.end()
        ended_at = time.time()
    place.cluster.kubectl("wait", "node/node-2", "--for=condition=Ready=Unknown", "--timeout=60s")
    with place.load("spread", 20) as after:
        after.more(60)

    figures |= {"lost_with_a_node": len(load.lost), "node_lost_to_end_seconds": ended_at - lost_at}
    assert end.get("phase") in {Phase.SUCCEEDED, Phase.ROLLED_BACK}, end
    assert sorted(place.traffic("spread").weights.values()) == [100]
    assert len(after.right) == 1
    assert after.lost[10:] == []  # the gateway may hear of the node a moment later than we do


def _nodes(place: Place) -> list[str]:
    chosen = ["get", "pods", "-l", "slipway.dev/revision=spread-v1"]
    return place.kubectl(*chosen, "-o", "jsonpath={.items[*].spec.nodeName}").split()


def _answers(place: Place) -> bool:
    try:
        return place.api.get("Gateway", "models") is not None
    except TransientError:
        return False
