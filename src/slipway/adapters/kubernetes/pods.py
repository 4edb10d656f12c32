"""The pod that serves a revision: one container, no rights, no egress, and a shutdown that aborts no request."""

import math

from slipway.adapters.kubernetes.kinds import Manifest
from slipway.adapters.kubernetes.names import (
    CONTAINER,
    GRPC_NAME,
    GRPC_PORT,
    PORT,
    PORT_NAME,
    Key,
    make_revision_labels,
)
from slipway.domain.rollout.revision import Revision
from slipway.domain.spec.serving import GpuSpec, KubernetesServingSpec, Toleration, adapt_to_kubernetes
from slipway.errors import ArtifactBroken
from slipway_interface import environment as variables
from slipway_interface import pages

USER = 10001
"""The images' own user."""
BENTOML_HOME = "/home/bentoml"
"""Written to while it serves; the Bento is elsewhere in the image."""
PRE_STOP_SECONDS = 5
"""Seconds that a stopping pod serves as before: until every router knows that it is no endpoint any more."""
SPARE_SECONDS = 2
"""Seconds for a process that used its whole grace period to end."""
START_SECONDS = 300
"""A model that needs longer to load is assumed never to be ready."""
START_PERIOD_SECONDS = 2
LOST_NODE_SECONDS = 30
"""Seconds until a replica on a node that does not answer is replaced."""


def build_pod_template(revision: Revision, *, routed: bool = False) -> Manifest:
    """Return a Deployment's template; raise ArtifactBroken for a package without an image.

    `routed`: requests come through a route of ours, whose headers the service may trust.
    """
    serving = adapt_to_kubernetes(revision.serving)
    metadata = {
        "labels": make_revision_labels(revision),
        "annotations": {
            Key.PACKAGE: revision.package.digest,
            "prometheus.io/scrape": "true",
            "prometheus.io/port": str(PORT),
            "prometheus.io/path": pages.METRICS,
        },
    }
    spec: Manifest = {
        "containers": [_build_container(revision, routed=routed)],
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "terminationGracePeriodSeconds": PRE_STOP_SECONDS + _round_grace_seconds(serving) + SPARE_SECONDS,
        "topologySpreadConstraints": [_build_spread(revision)],
        "volumes": [{"name": "tmp", "emptyDir": {}}, {"name": "bentoml-home", "emptyDir": {}}],
        **_build_placement(serving),
    }
    return {"metadata": metadata, "spec": spec}


def _build_container(revision: Revision, *, routed: bool) -> Manifest:
    if not revision.package.image:
        raise ArtifactBroken(
            f"revision {revision.name}",
            seen="its package was not pushed: it has no image",
            expected="an image by digest (`registry/name@sha256:...`)",
            do="set SLIPWAY_REGISTRY and release the version again",
        )
    own = build_environment(adapt_to_kubernetes(revision.serving)) | ({variables.RESCUE: "route"} if routed else {})
    return {
        "name": CONTAINER,
        "image": revision.package.image,
        "args": ["--drain-seconds", str(_round_grace_seconds(adapt_to_kubernetes(revision.serving)))],
        "ports": [
            {"name": name, "containerPort": port, "protocol": "TCP"}
            for name, port in ((PORT_NAME, PORT), (GRPC_NAME, GRPC_PORT))
        ],
        "env": [{"name": name, "value": value} for name, value in sorted(own.items())],
        "resources": _build_resources(revision),
        "startupProbe": {
            **_build_probe(pages.MODEL_READY, timeout_seconds=2),
            "periodSeconds": START_PERIOD_SECONDS,
            "failureThreshold": START_SECONDS // START_PERIOD_SECONDS,
        },
        "readinessProbe": {
            **_build_probe(pages.MODEL_READY, timeout_seconds=2),
            "periodSeconds": 2,
            "failureThreshold": 2,
        },
        # tolerant: a busy process is not dead
        "livenessProbe": {**_build_probe(pages.LIVE, timeout_seconds=5), "periodSeconds": 10, "failureThreshold": 6},
        "lifecycle": {"preStop": {"sleep": {"seconds": PRE_STOP_SECONDS}}},
        # a process's last output becomes part of the pod's status, because its log may be gone
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}, {"name": "bentoml-home", "mountPath": BENTOML_HOME}],  # noqa: S108 - inside the pod
    }


def build_environment(serving: KubernetesServingSpec) -> dict[str, str]:
    """Return the container's environment.

    >>> build_environment(KubernetesServingSpec(cpu=2.5))["OMP_NUM_THREADS"]
    '2'
    """
    threads = str(max(1, int(serving.cpu)))
    devices = {variables.GPU: "allow" if serving.gpu.allow_cpu else "require"} if serving.gpu else {}
    return {
        "BENTOML_DO_NOT_TRACK": "true",
        "BENTOML_HOME": BENTOML_HOME,
        "DO_NOT_TRACK": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "OMP_NUM_THREADS": threads,
        "OPENBLAS_NUM_THREADS": threads,
        "PYTHONUNBUFFERED": "1",
        variables.CPUS: threads,
        variables.LOG: "json",
        **devices,
        **serving.environment,
    }


def _build_resources(revision: Revision) -> Manifest:
    serving = adapt_to_kubernetes(revision.serving)
    memory = f"{revision.memory_limit_mebibytes or serving.memory_mebibytes}Mi"
    cpu_limit = {"cpu": format_cores(serving.cpu_limit)} if serving.cpu_limit else {}
    gpu = {serving.gpu.resource: str(serving.gpu.count)} if serving.gpu else {}
    return {
        "requests": {"cpu": format_cores(serving.cpu), "memory": memory, **gpu},
        "limits": {"memory": memory, **cpu_limit, **gpu},
    }


def format_cores(number: float) -> str:
    """Return a number of cores in the cluster's notation.

    >>> format_cores(1.0), format_cores(0.25)
    ('1', '250m')
    """
    thousandths = round(number * 1000)
    return f"{thousandths}m" if thousandths % 1000 else str(thousandths // 1000)


def _round_grace_seconds(serving: KubernetesServingSpec) -> int:
    return math.ceil(serving.grace_seconds)


def _build_probe(path: str, *, timeout_seconds: int) -> Manifest:
    return {"httpGet": {"path": path, "port": PORT_NAME}, "timeoutSeconds": timeout_seconds}


def _build_spread(revision: Revision) -> Manifest:
    return {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": {Key.MODEL: revision.model, Key.REVISION: revision.name}},
    }


def _build_placement(serving: KubernetesServingSpec) -> Manifest:
    selector = {"nodeSelector": dict(serving.node_selector)} if serving.node_selector else {}
    return {**selector, "tolerations": _build_tolerations(serving)}


def _build_tolerations(serving: KubernetesServingSpec) -> list[Manifest]:
    named = [one.key for one in serving.tolerations]
    lost_node = (one for one in _lost_node() if one["key"] not in named)
    return [*map(_build_toleration, serving.tolerations), *_build_gpu_toleration(serving.gpu), *lost_node]


def _build_toleration(borne: Toleration) -> Manifest:
    value = {"value": borne.value} if borne.operator == "Equal" else {}
    return {"key": borne.key, "operator": borne.operator, **value, **({"effect": borne.effect} if borne.effect else {})}


def _build_gpu_toleration(gpu: GpuSpec | None) -> list[Manifest]:
    # nodes with accelerators are often tainted with the resource's own name, so that no other pods fill them
    return [{"key": gpu.resource, "operator": "Exists", "effect": "NoSchedule"}] if gpu else []


def _lost_node() -> list[Manifest]:
    # a replica has no state of its own: the default of five minutes is for pods that have
    taints = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
    bears = {"operator": "Exists", "effect": "NoExecute", "tolerationSeconds": LOST_NODE_SECONDS}
    return [{"key": taint, **bears} for taint in taints]
