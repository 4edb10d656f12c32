"""The Kubernetes target on a real cluster: hands, quotas, missing namespaces and broken models."""

import json

import httpx
import pytest

from slipway.adapters.kubernetes.cluster import Cluster as Api
from slipway.adapters.kubernetes.manifests import build_deployment
from slipway.adapters.kubernetes.pages import PodPages
from slipway.adapters.kubernetes.recorded import PodRequests
from slipway.adapters.kubernetes.target import KubernetesTarget
from slipway.domain.gates.contract.recorded import RecordedSample
from slipway.domain.rollout.revision import Health, Revision, RevisionState, Traffic
from slipway.domain.spec.serving import ReplicasSpec
from slipway.errors import ArtifactBroken, ArtifactChanged, MetricsUnavailable, NotFound, PermanentError
from tests.adapters.kubernetes.place import SMALL, Place, until

QUOTA = """
apiVersion: v1
kind: ResourceQuota
metadata: {name: few-services}
spec: {hard: {services: "0"}}
"""


PAIR = SMALL.model_copy(update={"replicas": ReplicasSpec(minimum=2, maximum=2)})


@pytest.fixture(scope="module")
def pair(place: Place) -> Revision:
    """Return a revision with two replicas that are ready."""
    revision = place.revision("pair", 1, serving=PAIR)
    place.target.start(revision)
    place.expect(revision, lambda state: state.scale is not None and state.scale.ready == 2)
    return revision


def test_a_revision_gets_requests_under_its_models_path(place: Place) -> None:
    """The prefix is taken off, nobody's compare header comes through, and its grace is the spec's."""
    one = place.running("path", 1)
    place.target.set_traffic("path", Traffic(stable=one.name))

    answer = httpx.post(
        f"{place.cluster.gateway}/path/v2/models/path/infer", content="row", headers={"x-slipway-compare": "1"}
    )

    assert answer.json() == {
        "revision": "path-v1",
        "path": "/v2/models/path/infer",
        "compare": None,
        "arguments": ["--drain-seconds", "5"],
    }


def test_pages_come_from_every_ready_pod(place: Place, pair: Revision) -> None:
    """One JSON value per pod; a page that is none, or not there, is a failed query and not an empty one."""
    pages = PodPages(place.api)

    seen = pages("pair", pair.name, "/slipway/summary")

    assert seen == [{"scores": None, "classes": {"pair-v1": 1}, "inputs": {}}] * 2
    assert pages("pair", "pair-v9", "/slipway/summary") == []
    with pytest.raises(MetricsUnavailable, match="no JSON"):
        pages("pair", pair.name, "/slipway/text")
    with pytest.raises(MetricsUnavailable, match="no such page"):
        pages("pair", pair.name, "/slipway/nothing")


def test_live_requests_come_from_the_logs_of_pods_that_record_them(place: Place, pair: Revision) -> None:
    """A long line too, which a container's log keeps in pieces; of a revision that records nothing no log is read."""
    told = place.running("told", 1, serving=SMALL.model_copy(update={"capture_share": 1.0}))
    place.target.set_traffic("told", Traffic(stable=told.name))
    logs = PodRequests(place.api)
    assert logs.read_newest("told", told.name).missing == "no live request was recorded yet"

    place.ask("told", 1, "sample blue")

    assert until(lambda: bool(logs.read_newest("told", told.name).requests))
    assert logs.read_newest("told", told.name) == RecordedSample(requests=({"x": ["blue"] * 9000},))
    assert logs.read_newest("pair", pair.name) == logs.read_newest("told", "told-v9") == RecordedSample()
    assert place.api.read_log("told-v1-gone", "model", lines=1, size=1) == b""


def test_floors_move_and_a_second_start_leaves_them(place: Place) -> None:
    """`scale` raises the replicas; starting again neither takes them away nor restarts a pod."""
    revision = place.running("floors", 1)
    place.target.set_floors("floors", {revision.name: 2})
    place.expect(revision, lambda state: state.scale is not None and state.scale.ready == 2)

    place.target.start(revision)

    state = place.expect(revision, lambda state: state.health is Health.READY)
    assert state.scale is not None
    assert (state.scale.ready, state.scale.floor, state.scale.minimum, state.scale.maximum) == (2, 2, 1, 10)
    assert "replicas" not in json.dumps(_fields(place, "deployment", revision.name, manager="slipway"))


def test_an_edited_route_is_seen_told_and_put_right(place: Place) -> None:
    """Shares are read as they are, the editor is named; the next route repairs ours and leaves the others' fields."""
    one, two = place.running("edited", 1), place.running("edited", 2)
    told = Traffic(stable=one.name, canary=two.name, canary_percent=10)
    place.target.set_traffic("edited", told)
    place.kubectl("annotate", "httproute", "edited", "team=vision")
    patch = [{"op": "replace", "path": "/spec/rules/0/backendRefs/1/weight", "value": 90}]
    place.kubectl("patch", "httproute", "edited", "--type=json", "-p", json.dumps(patch), "--field-manager=somebody")

    seen = place.target.read_traffic("edited")

    assert seen == Traffic(stable=one.name, canary=two.name, canary_percent=50)
    assert seen.edited_by == "somebody"
    place.target.set_traffic("edited", told)
    again = place.target.read_traffic("edited")
    assert (again, again and again.edited_by) == (told, None)
    annotations = json.loads(place.kubectl("get", "httproute", "edited", "-o", "json"))["metadata"]["annotations"]
    assert annotations["team"] == "vision"


def test_a_deleted_deployment_is_absent_and_can_be_started_again(place: Place) -> None:
    """What went with it comes back too, and the revision gets ready under the same route."""
    revision = place.running("deleted", 1)
    place.target.set_traffic("deleted", Traffic(stable=revision.name))
    place.kubectl("delete", "deployment", revision.name, "--wait=true")
    assert place.target.observe("deleted") == {}

    place.target.start(revision)

    place.expect(revision, lambda state: state.health is Health.READY)
    assert until(lambda: _answers(place, "deleted"))


def test_a_start_that_was_broken_off_is_due_again(place: Place) -> None:
    """Who was killed after the Deployment left it without a Service: it is absent, and starting it makes it whole."""
    revision = place.revision("broken", 1)
    place.api.apply(build_deployment(revision))
    assert place.target.observe("broken") == {}

    place.target.start(revision)

    place.expect(revision, lambda state: state.health is Health.READY)
    assert place.api.get("Service", revision.name) is not None


def test_what_serves_is_not_replaced_under_its_name(place: Place) -> None:
    """Another package for a revision with traffic is refused; without traffic it takes the old one's place."""
    revision = place.running("changed", 1)
    other = place.revision("changed", 1, digest="sha256:other")
    place.target.set_traffic("changed", Traffic(stable=revision.name))

    with pytest.raises(ArtifactChanged, match=r"100 % of the requests.*sha256:1"):
        place.target.start(other)

    place.kubectl("delete", "httproute", "changed")
    place.target.start(other)
    place.expect(other, lambda state: state.health is Health.READY)


def test_a_crash_loop_is_failed_with_its_last_line(place: Place) -> None:
    """At the second end, not after a timeout."""
    revision = place.revision("crash", 1)

    place.target.start(revision)

    state = place.expect(revision, lambda state: state.health is Health.FAILED)
    assert "exited with code 3, twice; last line: the model file is broken" in state.detail
    assert state.restarts >= 1


def test_an_image_that_cannot_be_pulled_is_failed(place: Place) -> None:
    """At the first refusal of the registry, with its words."""
    revision = place.revision("unpullable", 1, image=f"{place.image[:-64]}{'0' * 64}")

    place.target.start(revision)

    state = place.expect(revision, lambda state: state.health is Health.FAILED)
    assert f"@sha256:{'0' * 64} can't be pulled" in state.detail
    assert state.detail.endswith("not found")


def test_a_replica_that_took_too_much_memory_fails_the_revision_also_when_it_is_back(place: Place) -> None:
    """The same model would do it again: READY again is not good again."""
    revision = place.running("hog", 1)
    place.target.set_traffic("hog", Traffic(stable=revision.name))
    assert until(lambda: _answers(place, "hog"))
    with httpx.Client(timeout=20) as client:
        assert client.post(f"{place.cluster.gateway}/hog/x", content="hog").status_code >= 500

    state = place.expect(revision, lambda state: state.health is Health.FAILED)

    assert state.detail == "ended for using more than its memory limit of 64Mi (OOMKilled), once"


def test_one_end_of_one_replica_is_no_failure(place: Place, pair: Revision) -> None:
    """The other one answers meanwhile, and the first is started again: READY all the time."""
    place.target.set_traffic("pair", Traffic(stable=pair.name))
    httpx.post(f"{place.cluster.gateway}/pair/x", content="end", timeout=20)
    seen = set()

    def back(state: RevisionState) -> bool:
        seen.add(state.health)
        return state.restarts == 1 and state.detail == ""

    place.expect(pair, back)

    assert seen == {Health.READY}


def test_a_refused_start_leaves_nothing_behind(place: Place) -> None:
    """The quota's own words; the Deployment that was made before it is gone again."""
    place.kubectl("apply", "-f", "-", given=QUOTA)
    try:
        with pytest.raises(PermanentError, match="exceeded quota: few-services"):
            place.target.start(place.revision("refused", 1))
    finally:
        place.kubectl("delete", "resourcequota", "few-services")

    assert place.target.observe("refused") == {}
    assert "refused" not in place.kubectl("get", "deployment,service,hpa,pdb,networkpolicy", "-o", "name")


def test_objects_of_others_are_left_alone(place: Place) -> None:
    """A Service of the revision's name that is not ours is refused, and stays as it was."""
    place.kubectl("create", "service", "clusterip", "taken-v1", "--tcp=80")

    with pytest.raises(PermanentError, match=r"Service taken-v1: there is one already that is not Slipway's \(kubectl"):
        place.target.start(place.revision("taken", 1))

    assert place.target.observe("taken") == {}
    assert "managed-by" not in place.kubectl("get", "service", "taken-v1", "-o", "yaml")


def test_a_missing_namespace_is_named_with_how_to_make_it(place: Place) -> None:
    """Before anything was made."""
    nowhere = KubernetesTarget(Api.connect(namespace="slipway-nowhere"))

    with pytest.raises(NotFound, match="kubectl create namespace slipway-nowhere"):
        nowhere.start(place.revision("lost", 1))


def test_a_gateway_that_lets_nobody_in_refuses_the_route(place: Place) -> None:
    """Its own words, and within seconds."""
    revision = place.running("shut", 1)
    shut = """
        {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway", "metadata": {"name": "shut"}, "spec":
        {"gatewayClassName": "traefik", "listeners": [{"name": "web", "protocol": "HTTP", "port": 80, "allowedRoutes":
        {"namespaces": {"from": "Selector", "selector": {"matchLabels": {"no": "body"}}}}}]}}"""
    place.kubectl("apply", "-f", "-", given=shut)
    target = KubernetesTarget(place.api, gateway=f"{place.namespace}/shut")

    with pytest.raises(PermanentError, match="refuses it: NotAllowedByListeners"):
        target.set_traffic("shut", Traffic(stable=revision.name))


def test_a_package_without_an_image_makes_nothing(place: Place) -> None:
    """It was not pushed."""
    with pytest.raises(ArtifactBroken):
        place.target.start(place.revision("unpushed", 1, image=""))

    assert place.target.observe("unpushed") == {}


def test_a_removed_model_leaves_nothing(place: Place) -> None:
    """Route, policy, Deployments and what goes with them."""
    place.target.start(place.revision("leaves", 1))

    place.target.remove("leaves")

    kinds = "httproute,grpcroute,networkpolicy,deployment,replicaset,pod,service,hpa,pdb"
    assert until(lambda: not place.kubectl("get", kinds, "-l", "slipway.dev/model=leaves", "-o", "name"))


def _answers(place: Place, model: str) -> bool:
    return httpx.post(f"{place.cluster.gateway}/{model}/x", content="row").status_code == 200


def _fields(place: Place, kind: str, name: str, *, manager: str) -> list[object]:
    live = json.loads(place.kubectl("get", kind, name, "--show-managed-fields", "-o", "json"))
    return [one["fieldsV1"]["f:spec"] for one in live["metadata"]["managedFields"] if one["manager"] == manager]
