"""Status and leases in a real cluster: two processes at once, hands, Events, and what people read."""

import json
import subprocess
import sys
from dataclasses import replace

import pytest

from slipway.adapters.kubernetes.rollouts import KubernetesRollouts
from slipway.domain.rollout.revision import Revision
from slipway.domain.rollout.status import Moment, Phase, RolloutStatus
from slipway.errors import LeaseLost, PermanentError
from tests.adapters.kubernetes.place import Place, until
from tests.contract.rollouts import a_status

TRY = """
import sys
from slipway.adapters.kubernetes.cluster import Cluster
from slipway.adapters.kubernetes.rollouts import KubernetesRollouts
from slipway.errors import LeaseHeld
rollouts = KubernetesRollouts(Cluster.connect(namespace=sys.argv[1]))
rollouts.load("race")
print("ready", flush=True)
sys.stdin.readline()
taken = 0
for number in range(20):
    try:
        lease = rollouts.acquire(f"race-{number}", sys.argv[2], 60)
        taken += 1
    except LeaseHeld:
        pass
print(taken)
"""


@pytest.fixture
def rollouts(place: Place) -> KubernetesRollouts:
    """Return a view of the shared namespace."""
    return KubernetesRollouts(place.api)


def test_one_of_two_processes_gets_each_lease(place: Place, rollouts: KubernetesRollouts) -> None:
    """Twenty leases, both ask at the same moment: each of them is given out once."""
    words = [sys.executable, "-c", TRY, place.namespace]
    racers = [
        subprocess.Popen([*words, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for name in ("one", "two")
    ]
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()

    taken = [int(racer.communicate(timeout=240)[0]) for racer in racers]

    assert sum(taken) == 20
    tokens = [lease.token for model, lease in rollouts.list_in_force().items() if model.startswith("race-")]
    assert tokens == [1] * 20


def test_a_late_write_is_refused_by_the_status_itself(place: Place, rollouts: KubernetesRollouts) -> None:
    """The fence lies on the ConfigMap before the new holder goes on: nothing hangs on who reads the Lease when."""
    old = rollouts.acquire("late-write", "one", 30)
    new = rollouts.take_over("late-write", "two", 30)
    place.kubectl("delete", "lease", "slipway-late-write")

    with pytest.raises(LeaseLost):
        rollouts.save(a_status("late-write"), old)
    rollouts.save(a_status("late-write"), new)

    assert rollouts.load("late-write") == a_status("late-write")


def test_a_deleted_status_is_written_again_by_the_holder_alone(place: Place, rollouts: KubernetesRollouts) -> None:
    """A hand took the ConfigMap, and with it the fence: then the Lease says who may write."""
    old = rollouts.acquire("no-fence", "one", 30)
    new = rollouts.take_over("no-fence", "two", 30)
    place.kubectl("delete", "configmap", "slipway-no-fence")

    with pytest.raises(LeaseLost):
        rollouts.save(a_status("no-fence"), old)
    rollouts.save(a_status("no-fence"), new)

    assert rollouts.load("no-fence") == a_status("no-fence")


def test_people_read_the_status_with_kubectl(place: Place, rollouts: KubernetesRollouts) -> None:
    """Columns by label, a sentence by key; their own labels and keys stay."""
    lease = rollouts.acquire("readable", "one", 30)
    rollouts.save(a_status("readable"), lease)
    place.kubectl("label", "configmap", "slipway-readable", "team=vision")
    columns = ("-L", "slipway.dev/phase,slipway.dev/version,slipway.dev/weight,team")

    rollouts.save(replace(a_status("readable"), weight_percent=25, reason="a quarter"), lease)

    table = place.kubectl("get", "configmap", "-l", "slipway.dev/model=readable", *columns).splitlines()
    assert table[-1].split()[3:] == ["shifting", "2", "25", "vision"]
    data = json.loads(place.kubectl("get", "configmap", "slipway-readable", "-o", "json"))["data"]
    assert (data["phase"], data["version"], data["weight"], data["reason"]) == ("shifting", "2", "25", "a quarter")


def test_changes_become_events_on_the_deployment(place: Place, rollouts: KubernetesRollouts) -> None:
    """A new phase or weight, not every look; trouble is a warning."""
    revision = place.revision("told", 2)
    place.target.start(revision)
    lease = rollouts.acquire("told", "one", 30)
    shifting = _about(revision, Phase.SHIFTING, "5 % to the canary")
    for status in (
        shifting,
        replace(shifting, heartbeat_at=9.0, reason="looked again"),
        replace(shifting, phase=Phase.ROLLING_BACK, reason="too many errors"),
    ):
        rollouts.save(status, lease)

    assert until(lambda: len(_events(place, revision.name)) == 2, seconds=5)
    assert _events(place, revision.name) == {
        ("Normal", "Shifting", "5 % to the canary"),
        ("Warning", "RollingBack", "too many errors"),
    }
    assert "too many errors" in place.kubectl("describe", "deployment", revision.name)


def test_a_status_that_is_too_large_is_refused_and_the_old_one_stays(rollouts: KubernetesRollouts) -> None:
    """With its size, and what a ConfigMap holds."""
    lease = rollouts.acquire("large", "one", 30)
    rollouts.save(a_status("large"), lease)
    moment = Moment(at=1.0, phase=Phase.SHIFTING, weight_percent=5, reason="x" * 1_000_000)

    with pytest.raises(PermanentError, match="kB; expected at most 1000 kB"):
        rollouts.save(replace(a_status("large"), timeline=(moment,)), lease)

    assert rollouts.load("large") == a_status("large")


def test_a_status_that_somebody_broke_is_said_to_be_broken(place: Place, rollouts: KubernetesRollouts) -> None:
    """Not taken for none; the holder's next save mends it."""
    lease = rollouts.acquire("broken", "one", 30)
    rollouts.save(a_status("broken"), lease)
    place.kubectl("patch", "configmap", "slipway-broken", "-p", '{"data": {"status.json": "{}"}}')

    with pytest.raises(PermanentError, match=r"status\.json is no status that Slipway wrote"):
        rollouts.load("broken")
    rollouts.save(a_status("broken"), lease)

    assert rollouts.load("broken") == a_status("broken")
    rollouts.forget("broken", lease)


def _about(revision: Revision, phase: Phase, reason: str) -> RolloutStatus:
    return replace(a_status(revision.model), phase=phase, canary=revision, reason=reason)


def _events(place: Place, name: str) -> set[tuple[str, str, str]]:
    about = f"involvedObject.name={name},involvedObject.kind=Deployment"
    live = json.loads(place.kubectl("get", "events", "--field-selector", about, "-o", "json"))
    ours = [one for one in live["items"] if one["source"].get("component") == "slipway"]
    return {(one["type"], one["reason"], one["message"]) for one in ours}
