"""The rights that the adapter uses, all of them and no others: the chart's Role is rendered from this list.

A test compares it with the calls made. Reading `/version` and the list of APIs needs no rule of ours
(system:discovery), nor does reading one's own rights.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Rule:
    """One rule of a Role."""

    group: str
    """The API group; empty: the core one."""
    resource: str
    verbs: tuple[str, ...]

    @property
    def asked(self) -> frozenset[tuple[str, str]]:
        """Return (verb, resource) as `Cluster.calls` counts them.

        >>> sorted(Rule(group="apps", resource="deployments", verbs=("get",)).asked)
        [('get', 'deployments.apps')]
        """
        name = f"{self.resource}.{self.group}" if self.group else self.resource
        return frozenset((verb, name) for verb in self.verbs)


_APPLIED = ("get", "create", "patch")
"""Server-side apply needs `create` and `patch`; `get` shows whether an object is ours."""
_SWAPPED = ("get", "list", "create", "update", "delete")

NAMESPACED: tuple[Rule, ...] = (
    Rule(group="apps", resource="deployments", verbs=(*_APPLIED, "list", "delete")),
    Rule(group="autoscaling", resource="horizontalpodautoscalers", verbs=(*_APPLIED, "list")),
    Rule(group="coordination.k8s.io", resource="leases", verbs=_SWAPPED),
    Rule(group="gateway.networking.k8s.io", resource="grpcroutes", verbs=(*_APPLIED, "delete")),
    Rule(group="gateway.networking.k8s.io", resource="httproutes", verbs=(*_APPLIED, "delete")),
    Rule(group="networking.k8s.io", resource="networkpolicies", verbs=(*_APPLIED, "delete")),
    Rule(group="policy", resource="poddisruptionbudgets", verbs=_APPLIED),
    Rule(group="", resource="configmaps", verbs=_SWAPPED),
    Rule(group="", resource="events", verbs=("create",)),
    Rule(group="", resource="pods", verbs=("list",)),
    Rule(group="", resource="pods/log", verbs=("get",)),
    Rule(group="", resource="pods/proxy", verbs=("get",)),
    Rule(group="", resource="services", verbs=(*_APPLIED, "delete")),
)
"""In the namespace of the models."""

CLUSTER_WIDE: tuple[Rule, ...] = (
    Rule(group="gateway.networking.k8s.io", resource="gateways", verbs=("get", "list")),
    Rule(group="gateway.networking.k8s.io", resource="gatewayclasses", verbs=("get",)),
)
"""Gateways are in other namespaces, and their classes in none: read only. With a Gateway named in
SLIPWAY_KUBE_GATEWAY, `list` is not used."""
