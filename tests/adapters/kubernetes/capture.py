"""Write seen/*.json anew: what a real cluster shows of revisions in trouble, without what nobody reads.

`python -m tests.adapters.kubernetes.capture`, with a cluster configured as for the tests; takes two minutes.
"""

import json
import tempfile
from pathlib import Path

from slipway.adapters.kubernetes.kinds import Manifest
from slipway.adapters.kubernetes.names import select_model
from slipway.domain.rollout.revision import Health, RevisionState
from slipway.domain.spec.serving import KubernetesServingSpec, ReplicasSpec
from tests.adapters.kubernetes.place import SMALL, Load, Place, a_place, push_image
from tests.cluster import cluster_or_skip

SEEN = Path(__file__).parent / "seen"
METADATA = ("name", "labels", "annotations", "deletionTimestamp", "creationTimestamp")
QUOTA = """
apiVersion: v1
kind: ResourceQuota
metadata: {name: pods}
spec: {hard: {pods: "0"}}
"""


def capture(place: Place) -> None:
    """Bring revisions into trouble, and write what is seen of each."""
    half = SMALL.model_copy(update={"replicas": ReplicasSpec(minimum=2, maximum=3)})
    nowhere = SMALL.model_copy(update={"node_selector": {"there-is": "no-such-node"}})
    _see(place, "crash-loop", "crash", lambda state: "twice" in state.detail)
    _see(place, "no-image", "noimage", lambda state: "BackOff" in state.detail, image=f"{place.image[:-64]}{'0' * 64}")
    _see(place, "no-node", "nonode", lambda state: "no node" in state.detail, serving=nowhere)
    _see(place, "not-ready", "late", lambda state: state.detail == "not ready yet")
    _see(place, "ready", "good", lambda state: state.health is Health.READY and bool(state.scale.loads))
    _see(place, "two-ready", "pair", lambda state: bool(state.scale and state.scale.ready == 2), serving=half)
    _end(place, "pair", half)
    _hog(place)
    _config(place)
    _blind(place)
    place.kubectl("apply", "-f", "-", given=QUOTA)
    _see(place, "quota", "quota", lambda state: "quota" in state.detail)


def _end(place: Place, model: str, serving: KubernetesServingSpec) -> None:
    pods = place.kubectl("get", "pods", "-l", f"slipway.dev/model={model}", "-o", "name").split()
    _post(place, pods[0], "end")
    revision = place.revision(model, 1, serving=serving)
    place.expect(revision, lambda state: "1 of 2" in state.detail)
    _write(place, "one-of-two", model)


def _hog(place: Place) -> None:
    revision = place.running("hog", 1)
    _post(place, place.kubectl("get", "pods", "-l", "slipway.dev/model=hog", "-o", "name").strip(), "hog")
    place.expect(revision, lambda state: "OOMKilled" in state.detail)
    _write(place, "out-of-memory", "hog")


def _config(place: Place) -> None:
    revision = place.revision("config", 1)
    place.target.start(revision)
    patch = [{"op": "add", "path": "/spec/template/spec/containers/0/env/-",
              "value": {"name": "A", "valueFrom": {"secretKeyRef": {"name": "none", "key": "a"}}}}]  # fmt: skip
    place.kubectl("patch", "deployment", "config-v1", "--type=json", "-p", json.dumps(patch))
    place.kubectl("scale", "deployment", "config-v1", "--replicas=0")
    place.kubectl("scale", "deployment", "config-v1", "--replicas=1")
    place.expect(revision, lambda state: "CreateContainerConfigError" in state.detail)
    _write(place, "no-config", "config")


def _blind(place: Place) -> None:
    revision = place.running("blind", 1)
    patch = [{"op": "replace", "path": "/spec/metrics/0/pods/metric/name", "value": "no_such_metric"}]
    place.kubectl("patch", "hpa", "blind-v1", "--type=json", "-p", json.dumps(patch))
    place.expect(revision, lambda state: "signals" in state.detail, seconds=150)
    _write(place, "blind", "blind")


def _post(place: Place, pod: str, body: str) -> None:
    address = place.kubectl("get", pod, "-o", "jsonpath={.status.podIP}")
    with Load(f"http://{address}:3000/x", threads=1, body=body) as load:
        load.answered(1)


def _see(place: Place, file: str, model: str, fits: object, **changes: object) -> None:
    revision = place.revision(model, 1, **changes)
    place.target.start(revision)

    def suits(state: RevisionState) -> bool:
        assert callable(fits)
        return bool(fits(state))

    place.expect(revision, suits, seconds=90)
    _write(place, file, model)


def _write(place: Place, file: str, model: str) -> None:
    kinds = {"deployment": "Deployment", "pods": "Pod", "autoscaler": "HorizontalPodAutoscaler"}
    live = {key: place.api.list(kind, select_model(model)) for key, kind in kinds.items()}
    seen = {
        "now": round(place.api.now(), 1),
        "deployment": _deployment(live["deployment"][0]),
        "pods": [_pod(pod) for pod in live["pods"]],
        "autoscaler": _trimmed(live["autoscaler"][0]),
    }
    SEEN.mkdir(exist_ok=True)
    text = json.dumps(seen, indent=1).replace(place.cluster.registry, "registry.example")
    (SEEN / f"{file}.json").write_text(f"{text.replace(place.namespace, 'models')}\n")


def _trimmed(live: Manifest) -> Manifest:
    metadata = {key: value for key, value in live["metadata"].items() if key in METADATA}
    return {"metadata": metadata, "spec": live["spec"], "status": live.get("status", {})}


def _deployment(live: Manifest) -> Manifest:
    trimmed = _trimmed(live)
    spec = {key: trimmed["spec"][key] for key in ("replicas", "progressDeadlineSeconds")}
    return {**trimmed, "spec": {**spec, "template": {"metadata": live["spec"]["template"]["metadata"]}}}


def _pod(live: Manifest) -> Manifest:
    trimmed = _trimmed(live)
    containers = [{key: one[key] for key in ("name", "image", "resources")} for one in live["spec"]["containers"]]
    status = {key: value for key, value in live["status"].items() if "IP" not in key}
    return {**trimmed, "spec": {"containers": containers}, "status": status}


def main() -> None:
    """Capture in a namespace of its own."""
    cluster = cluster_or_skip()
    with tempfile.TemporaryDirectory() as folder:
        image = push_image(cluster.registry, Path(folder))
    with a_place(cluster, image) as place:
        capture(place)


if __name__ == "__main__":
    main()
