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
def _settings() -> KubernetesSettings:
    return KubernetesSettings()


@once
def connect_cluster() -> "Cluster":
    """Return the connection to the namespace that models serve in. Raises SettingsError."""
    from slipway.adapters.kubernetes.cluster import Cluster

    return Cluster.connect(_settings().kube_context, _settings().kube_namespace)


@once
def _target() -> "KubernetesTarget":
    from slipway.adapters.kubernetes.target import KubernetesTarget

    return KubernetesTarget(connect_cluster(), route=_settings().kube_route, gateway=_settings().kube_gateway)


@once
def _rollouts() -> "KubernetesRollouts":
    from slipway.adapters.kubernetes.rollouts import KubernetesRollouts

    return KubernetesRollouts(connect_cluster())


@once
def _metrics() -> MetricSource:
    from slipway.adapters.kubernetes.pages import PodPages
    from slipway.adapters.prometheus.metrics import PrometheusMetrics

    address = _settings().prometheus
    if not address:
        raise _unset("SLIPWAY_PROMETHEUS", "Prometheus' address, http://HOST:PORT")
    cluster = connect_cluster()
    pages, namespace = PodPages(cluster), cluster.namespace
    return PrometheusMetrics(address, namespace, _preset(), known=_known, pages=pages, queries=_queries)


@once
def _recorded() -> RecordedRequests:
    from slipway.adapters.kubernetes.recorded import PodRequests

    return PodRequests(connect_cluster())


@once
def _images() -> ImageStore:
    from slipway.adapters.oci.images import OciImages, Place

    ours = _settings()
    if not ours.registry:
        raise _unset("SLIPWAY_REGISTRY", "where images are pushed, HOST:PORT/PATH")
    place = Place.parse(ours.registry, insecure=ours.registry_insecure)
    return OciImages(place, ours.image_builder, ours.base_image, settings().home / "images")


def _checks(_here: Settings) -> Iterator[Finding]:
    from slipway.probes import check_server

    try:
        yield from _check_cluster()
    except SlipwayError as error:
        yield Finding(part="cluster", health=Condition.PROBLEM, seen=error.seen, do=error.do)
    ours = _settings()
    yield check_server("Prometheus", ours.prometheus, "/-/ready", "SLIPWAY_PROMETHEUS")
    scheme = "http" if ours.registry_insecure else "https"
    registry = f"{scheme}://{ours.registry.partition('/')[0]}" if ours.registry else ""
    yield check_server("image registry", registry, "/v2/", "SLIPWAY_REGISTRY")


def _check_cluster() -> list[Finding]:
    from slipway.adapters.kubernetes.inventory import check_cluster

    evidence = Finding(part="evidence", health=Condition.OK, seen=f"counters of preset {_preset()}")
    return [*check_cluster(connect_cluster(), _target()), evidence]


def _preset() -> str:
    """Return whose counters are read: as set, or those of the controller behind the router."""
    from slipway.adapters.kubernetes.gateway import GatewayRouter
    from slipway.adapters.prometheus.presets import CONTROLLERS

    if _settings().evidence != "auto":
        return _settings().evidence
    router = _target().router
    return CONTROLLERS.get(router.gateway.controller, "pods") if isinstance(router, GatewayRouter) else "pods"


def _known(model: str) -> Collection[str]:
    return _target().observe(model).keys()


def _queries(model: str) -> "EvidenceSpec | None":
    return adapt_to_kubernetes(find_spec(settings().models, model)[1].serving).evidence


def _unset(variable: str, expected: str) -> SettingsError:
    return SettingsError(
        f"setting {variable}",
        seen="it is empty, and SLIPWAY_TARGET is kubernetes",
        expected=expected,
        do="set it; `slipway doctor` says what else is missing",
    )


PLATFORM = Platform(
    revisions=_target,
    router=_target,
    rollouts=_rollouts,
    leases=_rollouts,
    held_leases=_rollouts,
    metrics=_metrics,
    recorded=_recorded,
    checks=_checks,
    scaler=_target,
    images=_images,
    settings=KubernetesSettings,
)
