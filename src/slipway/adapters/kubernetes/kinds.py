"""The kinds of objects that Slipway uses, and their API paths. Other kinds can't be used."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Manifest = dict[str, Any]
"""An object of the cluster, in the API server's JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectKind:
    """The API path of one kind of objects."""

    api_version: str
    plural: str
    namespaced: bool = True

    @property
    def group(self) -> str:
        """The API group; empty: the core one.

        >>> ObjectKind(api_version="apps/v1", plural="deployments").group
        'apps'
        """
        group, slash, _ = self.api_version.partition("/")
        return group if slash else ""

    def path(self, namespace: str, name: str = "") -> str:
        """Return the path of the collection, or of one object.

        >>> ObjectKind(api_version="v1", plural="pods").path("ml", "digits-v1-x")
        '/api/v1/namespaces/ml/pods/digits-v1-x'
        """
        root = f"/apis/{self.api_version}" if self.group else f"/api/{self.api_version}"
        scope = f"/namespaces/{namespace}" if self.namespaced and namespace else ""
        return f"{root}{scope}/{self.plural}" + (f"/{name}" if name else "")


GATEWAY_API = "gateway.networking.k8s.io/v1"

KINDS: Mapping[str, ObjectKind] = {
    "ConfigMap": ObjectKind(api_version="v1", plural="configmaps"),
    "Deployment": ObjectKind(api_version="apps/v1", plural="deployments"),
    "Event": ObjectKind(api_version="v1", plural="events"),
    "Gateway": ObjectKind(api_version=GATEWAY_API, plural="gateways"),
    "GatewayClass": ObjectKind(api_version=GATEWAY_API, plural="gatewayclasses", namespaced=False),
    "GRPCRoute": ObjectKind(api_version=GATEWAY_API, plural="grpcroutes"),
    "HTTPRoute": ObjectKind(api_version=GATEWAY_API, plural="httproutes"),
    "HorizontalPodAutoscaler": ObjectKind(api_version="autoscaling/v2", plural="horizontalpodautoscalers"),
    "Lease": ObjectKind(api_version="coordination.k8s.io/v1", plural="leases"),
    "NetworkPolicy": ObjectKind(api_version="networking.k8s.io/v1", plural="networkpolicies"),
    "Pod": ObjectKind(api_version="v1", plural="pods"),
    "PodDisruptionBudget": ObjectKind(api_version="policy/v1", plural="poddisruptionbudgets"),
    "SelfSubjectAccessReview": ObjectKind(
        api_version="authorization.k8s.io/v1", plural="selfsubjectaccessreviews", namespaced=False
    ),
    "Service": ObjectKind(api_version="v1", plural="services"),
}
