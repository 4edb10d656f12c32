"""Kubernetes: one connection to one namespace, shared by everything that stands behind the ports there."""

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from slipway.domain.finding import Condition, Finding
from slipway.domain.spec.serving import adapt_to_kubernetes
from slipway.errors import SettingsError, SlipwayError
from slipway.once import once
from slipway.platforms import Platform
from slipway.ports.images import ImageStore
from slipway.ports.metrics import MetricSource
from slipway.ports.recorded import RecordedRequests
from slipway.settings import Settings, settings
from slipway.specs import find_spec

if TYPE_CHECKING:
    from slipway.adapters.kubernetes.cluster import Cluster
    from slipway.adapters.kubernetes.rollouts import KubernetesRollouts
    from slipway.adapters.kubernetes.target import KubernetesTarget
    from slipway.domain.spec.serving import EvidenceSpec


class KubernetesSettings(BaseSettings):
    """Settings of the target `kubernetes`."""

    model_config = SettingsConfigDict(env_prefix="SLIPWAY_", frozen=True, extra="ignore", use_attribute_docstrings=True)

    kube_context: str = ""
    """Context of the kubeconfig; empty: the current one, or the pod's own account inside a cluster."""
    kube_namespace: str = ""
    """Namespace that models serve in; empty: the context's, or the pod's own."""
    kube_route: Literal["auto", "gateway", "replicas"] = "auto"
    """How shares are made: by a Gateway's weights, or by the ratio of replicas; `auto`: a Gateway if it has one."""
    kube_gateway: str = Field(default="", pattern="^([a-z0-9.-]+/)?[a-z0-9.-]*$")
    """The Gateway that models are reached by, NAMESPACE/NAME; empty: the only one there is."""
    prometheus: str = ""
    """Prometheus' address, http://HOST:PORT; the cluster's evidence comes from it."""
    evidence: Literal["auto", "traefik", "envoy-gateway", "istio", "nginx", "pods"] = "auto"
    """Whose counters Prometheus has; `auto`: those of the Gateway's controller, else the pods' own."""
    registry: str = ""
    """Where images are pushed: HOST:PORT/PATH or HOST/PATH."""
    registry_insecure: bool = False
    """Whether the registry speaks plain HTTP."""
    image_builder: Literal["auto", "buildah", "podman", "docker"] = "auto"
    """What builds images; `auto`: the first that is there."""
    base_image: str = "docker.io/library/python:3.11-slim"
    """What runtime images are built on: a Debian with Python 3.11."""


@once
def _get_settings() -> KubernetesSettings:
    return KubernetesSettings()


@once
def connect_cluster() -> "Cluster":
    """Return the connection to the namespace that models serve in. Raises SettingsError."""
    from slipway.adapters.kubernetes.cluster import Cluster

    return Cluster.connect(_get_settings().kube_context, _get_settings().kube_namespace)


@once
def _get_target() -> "KubernetesTarget":
    from slipway.adapters.kubernetes.target import KubernetesTarget

    return KubernetesTarget(connect_cluster(), route=_get_settings().kube_route, gateway=_get_settings().kube_gateway)


@once
def _get_rollout_store() -> "KubernetesRollouts":
    from slipway.adapters.kubernetes.rollouts import KubernetesRollouts

    return KubernetesRollouts(connect_cluster())


@once
def _get_metric_source() -> MetricSource:
    from slipway.adapters.kubernetes.pages import PodPages
    from slipway.adapters.prometheus.metrics import PrometheusMetrics

    address = _get_settings().prometheus
    if not address:
        raise _make_unset_error("SLIPWAY_PROMETHEUS", "Prometheus' address, http://HOST:PORT")
    cluster = connect_cluster()
    pages, namespace = PodPages(cluster), cluster.namespace
    return PrometheusMetrics(
        address, namespace, _choose_preset(), known=_list_known_revisions, pages=pages, queries=_find_queries
    )


@once
def _get_recorded_requests() -> RecordedRequests:
    from slipway.adapters.kubernetes.recorded import PodRequests

    return PodRequests(connect_cluster())


@once
def _get_image_store() -> ImageStore:
    from slipway.adapters.oci.images import OciImages, RegistryAddress

    ours = _get_settings()
    if not ours.registry:
        raise _make_unset_error("SLIPWAY_REGISTRY", "where images are pushed, HOST:PORT/PATH")
    place = RegistryAddress.parse(ours.registry, insecure=ours.registry_insecure)
    return OciImages(place, ours.image_builder, ours.base_image, settings().home / "images")


def _check_platform(_here: Settings) -> Iterator[Finding]:
    from slipway.probes import check_server

    try:
        yield from _check_cluster()
    except SlipwayError as error:
        yield Finding(part="cluster", health=Condition.PROBLEM, seen=error.seen, do=error.do)
    ours = _get_settings()
    yield check_server("Prometheus", ours.prometheus, "/-/ready", "SLIPWAY_PROMETHEUS")
    scheme = "http" if ours.registry_insecure else "https"
    registry = f"{scheme}://{ours.registry.partition('/')[0]}" if ours.registry else ""
    yield check_server("image registry", registry, "/v2/", "SLIPWAY_REGISTRY")


def _check_cluster() -> list[Finding]:
    from slipway.adapters.kubernetes.inventory import check_cluster

    evidence = Finding(part="evidence", health=Condition.OK, seen=f"counters of preset {_choose_preset()}")
    return [*check_cluster(connect_cluster(), _get_target()), evidence]


def _choose_preset() -> str:
    """Return whose counters are read: as set, or those of the controller behind the router."""
    from slipway.adapters.kubernetes.gateway import GatewayRouter
    from slipway.adapters.prometheus.presets import CONTROLLERS

    if _get_settings().evidence != "auto":
        return _get_settings().evidence
    router = _get_target().router
    return CONTROLLERS.get(router.gateway.controller, "pods") if isinstance(router, GatewayRouter) else "pods"


def _list_known_revisions(model: str) -> Collection[str]:
    return _get_target().observe(model).keys()


def _find_queries(model: str) -> "EvidenceSpec | None":
    return adapt_to_kubernetes(find_spec(settings().models, model)[1].serving).evidence


def _make_unset_error(variable: str, expected: str) -> SettingsError:
    return SettingsError(
        f"setting {variable}",
        seen="it is empty, and SLIPWAY_TARGET is kubernetes",
        expected=expected,
        do="set it; `slipway doctor` says what else is missing",
    )


PLATFORM = Platform(
    revisions=_get_target,
    router=_get_target,
    rollouts=_get_rollout_store,
    leases=_get_rollout_store,
    held_leases=_get_rollout_store,
    metrics=_get_metric_source,
    recorded=_get_recorded_requests,
    checks=_check_platform,
    scaler=_get_target,
    images=_get_image_store,
    settings=KubernetesSettings,
)
