"""What stands behind the ports where models serve on Kubernetes: one connection, shared by all of them."""

from collections.abc import Collection
from typing import TYPE_CHECKING

from slipway.domain.finding import Finding, Health
from slipway.errors import SettingsError
from slipway.ports.images import ImageStore
from slipway.ports.metrics import MetricSource
from slipway.ports.recorded import RecordedRequests
from slipway.settings import settings
from slipway.specs import find_spec
from slipway.wiring.once import once

if TYPE_CHECKING:
    from slipway.adapters.kubernetes.cluster import Cluster
    from slipway.adapters.kubernetes.rollouts import KubernetesRollouts
    from slipway.adapters.kubernetes.target import KubernetesTarget
    from slipway.domain.spec.serving import EvidenceSpec


@once
def cluster() -> "Cluster":
    """Return the connection to the namespace that models serve in. Raises SettingsError."""
    from slipway.adapters.kubernetes.cluster import Cluster

    return Cluster.connect(settings().kube_context, settings().kube_namespace)


@once
def target() -> "KubernetesTarget":
    """Return where models serve."""
    from slipway.adapters.kubernetes.target import KubernetesTarget

    return KubernetesTarget(cluster(), route=settings().kube_route, gateway=settings().kube_gateway)


@once
def rollouts() -> "KubernetesRollouts":
    """Return status and leases: ConfigMaps and Leases."""
    from slipway.adapters.kubernetes.rollouts import KubernetesRollouts

    return KubernetesRollouts(cluster())


@once
def metrics() -> MetricSource:
    """Return the evidence: Prometheus', and what pods say themselves."""
    from slipway.adapters.kubernetes.pages import PodPages
    from slipway.adapters.prometheus.metrics import PrometheusMetrics

    if not settings().prometheus:
        raise _unset("SLIPWAY_PROMETHEUS", "Prometheus' address, http://HOST:PORT")
    pages = PodPages(cluster())
    address, namespace = settings().prometheus, cluster().namespace
    return PrometheusMetrics(address, namespace, preset(), known=_known, pages=pages, queries=_queries)


@once
def recorded() -> RecordedRequests:
    """Return the live requests that revisions recorded: in their pods' logs."""
    from slipway.adapters.kubernetes.recorded import PodRequests

    return PodRequests(cluster())


def preset() -> str:
    """Return whose counters are read: as set, or those of the controller behind the router."""
    from slipway.adapters.kubernetes.gateway import GatewayRouter
    from slipway.adapters.prometheus.presets import CONTROLLERS

    if settings().evidence != "auto":
        return settings().evidence
    router = target().router
    return CONTROLLERS.get(router.gateway.controller, "pods") if isinstance(router, GatewayRouter) else "pods"


@once
def images() -> ImageStore:
    """Return where images are pushed."""
    from slipway.adapters.oci.images import OciImages, Place

    here = settings()
    if not here.registry:
        raise _unset("SLIPWAY_REGISTRY", "where images are pushed, HOST:PORT/PATH")
    place = Place.parse(here.registry, insecure=here.registry_insecure)
    return OciImages(place, here.image_builder, here.base_image, here.home / "images")


def stock() -> list[Finding]:
    """Return what the cluster has of what Slipway uses."""
    from slipway.adapters.kubernetes.inventory import inventory

    evidence = Finding(part="evidence", health=Health.OK, seen=f"counters of preset {preset()}")
    return [*inventory(cluster(), target()), evidence]


def _known(model: str) -> Collection[str]:
    return target().observe(model).keys()


def _queries(model: str) -> "EvidenceSpec | None":
    return find_spec(settings().models, model)[1].serving.evidence


def _unset(variable: str, expected: str) -> SettingsError:
    return SettingsError(
        f"setting {variable}",
        seen="it is empty, and SLIPWAY_TARGET is kubernetes",
        expected=expected,
        do="set it; `slipway doctor` says what else is missing",
    )
