"""What is applied, as golden files that the published schemas accept.

`python -m tests.adapters.kubernetes.test_manifests` writes the golden files anew.
"""

import json
from dataclasses import replace
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from slipway.adapters.kubernetes.autoscaling import Bounds, build_autoscaler, choose_signals
from slipway.adapters.kubernetes.kinds import GATEWAY_API, Manifest
from slipway.adapters.kubernetes.manifests import (
    add_owner,
    build_deployment,
    build_disruption_budget,
    build_network_policy,
    build_service,
)
from slipway.adapters.kubernetes.pods import build_environment
from slipway.adapters.kubernetes.routes import GatewayName, build_grpc_route, build_http_route
from slipway.artifacts.model_environment import SERVICE_INHERITED, SERVICE_SET
from slipway.domain.rollout.revision import Package, Rescue, Revision, Traffic
from slipway.domain.spec.serving import (
    GpuSpec,
    KubernetesServingSpec,
    LocalServingSpec,
    ReplicasSpec,
    Toleration,
)
from slipway.errors import ArtifactBroken

GOLDEN = Path(__file__).parent / "golden"
SCHEMAS = "1.35"
DOOR = GatewayName(namespace="gateways", name="door")
LIVE = {"metadata": {"name": "digits-v7", "uid": "0b9f0c4e-6f0e-4c3e-9d55-1f4a8e2f7c11"}}
PLAIN = KubernetesServingSpec()
FULL = KubernetesServingSpec(
    replicas=ReplicasSpec(minimum=2, maximum=20, in_flight=2.5, cpu_percent=80, memory_percent=90),
    cpu=2.5,
    cpu_limit=4,
    gpu=GpuSpec(count=2),
    node_selector={"pool": "gpu"},
    tolerations=[Toleration(key="dedicated", operator="Equal", value="models", effect="NoExecute")],
    grace_seconds=60,
)


def revision(serving: KubernetesServingSpec, **changes: object) -> Revision:
    """Return version 7 of digits."""
    image = str(changes.get("image", f"registry.example/digits@sha256:{'7' * 64}"))
    package = Package(
        model="digits",
        version=7,
        path=Path("nowhere"),
        digest=f"sha256:{'3' * 64}",
        tag="digits:v7-3f2a",
        runtime="onnx",
        image=image,
    )
    limit = 3000 if serving is FULL else None
    return Revision(
        name="digits-v7", model="digits", version=7, package=package, serving=serving, memory_limit_mebibytes=limit
    )


def manifests(serving: KubernetesServingSpec, *, custom_metrics: bool) -> list[Manifest]:
    """Return everything of a revision."""
    one = revision(serving)
    chosen = choose_signals(serving.replicas, custom_metrics=custom_metrics)
    bounds = Bounds(floor=serving.replicas.minimum, ceiling=serving.replicas.maximum)
    return [
        build_deployment(one, routed=custom_metrics),
        *(
            add_owner(manifest, LIVE)
            for manifest in (build_service(one), build_disruption_budget(one), build_autoscaler(one, chosen, bounds))
        ),
    ]


SHIFTING = Traffic(stable="digits-v6", canary="digits-v7", canary_percent=20)
SHADOWED = Traffic(stable="digits-v6", canary="digits-v7", shadow="digits-v7")
RESCUED = replace(SHIFTING, rescue=Rescue(of="digits-v7", by="digits-v6", at_once=16, after_seconds=10))
CASES = {
    "plain": manifests(PLAIN, custom_metrics=True),
    "full": manifests(FULL, custom_metrics=True),
    "without-custom-metrics": manifests(PLAIN, custom_metrics=False)[-1:],
    "model": [
        build_network_policy("digits"),
        build_http_route("digits", SHIFTING, DOOR),
        build_http_route("digits", SHADOWED, DOOR),
        build_http_route("digits", RESCUED, DOOR, "10.96.0.7:3000"),
        build_grpc_route("digits", SHIFTING, DOOR, copies=True),
        build_grpc_route("digits", SHADOWED, DOOR, copies=True),
        build_grpc_route("digits", SHADOWED, DOOR, copies=False),
    ],
}


@pytest.mark.parametrize("name", CASES)
def test_manifests_are_as_in_the_golden_files(name: str) -> None:
    """Every change of what is applied is seen in review."""
    assert list(yaml.safe_load_all((GOLDEN / f"{name}.yaml").read_text())) == CASES[name]


@pytest.mark.parametrize("name", CASES)
def test_the_published_schemas_accept_every_manifest(name: str) -> None:
    """No unknown field, no wrong type; the Gateway API's own schema is the cluster's to check."""
    checked = [manifest for manifest in CASES[name] if manifest["apiVersion"] != GATEWAY_API]

    for manifest in checked:
        kubernetes_validate.validate(manifest, SCHEMAS, strict=True)

    assert checked


def test_replicas_are_never_named() -> None:
    """They belong to the autoscaler."""
    assert all("replicas" not in build_deployment(revision(serving))["spec"] for serving in (PLAIN, FULL))


@pytest.mark.parametrize("serving", [PLAIN, FULL, KubernetesServingSpec(capture_share=0.1, model_processes=2)])
def test_a_pod_has_no_secret_in_its_environment(serving: KubernetesServingSpec) -> None:
    """Names of the written list with plain values; no token is mounted, and other services are not announced."""
    pod = build_deployment(revision(serving), routed=True)["spec"]["template"]["spec"]
    (container,) = pod["containers"]

    assert {one["name"] for one in container["env"]} <= {*SERVICE_INHERITED, *SERVICE_SET}
    assert all(one.keys() == {"name", "value"} for one in container["env"])
    assert "envFrom" not in container
    assert [one.keys() - {"name"} for one in pod["volumes"]] == [{"emptyDir"}, {"emptyDir"}]
    assert (pod["automountServiceAccountToken"], pod["enableServiceLinks"]) == (False, False)


def test_a_package_without_an_image_is_refused() -> None:
    """It was not pushed: nothing could be started."""
    with pytest.raises(ArtifactBroken, match="was not pushed"):
        build_deployment(revision(PLAIN, image=""))


def test_a_replica_without_the_gpu_must_not_serve_unless_the_spec_allows_it() -> None:
    """`require` by default where a GPU is asked for; nothing is said where none is."""
    asked = {"none": PLAIN, "required": FULL, "allowed": KubernetesServingSpec(gpu=GpuSpec(allow_cpu=True))}

    said = {name: build_environment(serving).get("SLIPWAY_GPU") for name, serving in asked.items()}

    assert said == {"none": None, "required": "require", "allowed": "allow"}


@pytest.mark.parametrize(
    ("replicas", "custom_metrics", "kinds", "why"),
    [
        (ReplicasSpec(), True, ["Pods"], "requests in flight at 4 per replica: the cluster serves"),
        (ReplicasSpec(), False, ["cpu"], "cpu at 70 %: the cluster does not serve"),
        (ReplicasSpec(cpu_percent=50), False, ["cpu"], "cpu at 50 %: the cluster does not serve"),
        (ReplicasSpec(memory_percent=80), False, ["memory"], "memory at 80 %: the cluster does not serve"),
        (ReplicasSpec(in_flight=None, cpu_percent=60), True, ["cpu"], "cpu at 60 %: the spec says so"),
        (
            ReplicasSpec(cpu_percent=60, memory_percent=80),
            True,
            ["Pods", "cpu", "memory"],
            "in flight at 4 per replica and cpu at 60 % and memory at 80 %",
        ),
    ],
)
def test_signals_are_chosen_by_spec_and_cluster(
    replicas: ReplicasSpec, *, custom_metrics: bool, kinds: list[str], why: str
) -> None:
    """Requests in flight where they can be had, what the spec names besides, CPU where nothing is left."""
    chosen = choose_signals(replicas, custom_metrics=custom_metrics)

    assert [one.get("resource", {}).get("name", one["type"]) for one in chosen.metrics] == kinds
    assert why in chosen.why


def main() -> None:
    """Write the golden files."""
    GOLDEN.mkdir(exist_ok=True)
    for name, made in CASES.items():
        (GOLDEN / f"{name}.yaml").write_text(yaml.safe_dump_all(json.loads(json.dumps(made)), sort_keys=False))


if __name__ == "__main__":
    main()


def test_a_spec_for_another_platform_runs_with_the_defaults_of_a_cluster() -> None:
    """What all platforms have is taken from it; replicas and resources are those of a spec that says nothing."""
    here = replace(revision(PLAIN), serving=LocalServingSpec(platform="local", capture_share=0.1))

    assert build_deployment(here, routed=True) == build_deployment(
        revision(KubernetesServingSpec(capture_share=0.1)), routed=True
    )
