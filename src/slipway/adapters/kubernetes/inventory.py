"""The parts of a cluster that Slipway uses, for `slipway doctor`: each with what was seen and what to do."""

from collections.abc import Callable

from slipway.adapters.kubernetes.autoscaling import CUSTOM_METRICS
from slipway.adapters.kubernetes.cluster import Cluster
from slipway.adapters.kubernetes.kinds import GATEWAY_API
from slipway.adapters.kubernetes.rights import CLUSTER_WIDE, NAMESPACED, Rule
from slipway.adapters.kubernetes.target import KubernetesTarget
from slipway.domain.finding import Condition, Finding
from slipway.domain.spec.serving import KubernetesServingSpec
from slipway.errors import SlipwayError

OLDEST_MINOR = 30
"""Kubernetes 1.30 is the first with a native preStop sleep that is enabled by default."""
METRICS = "/apis/metrics.k8s.io/v1beta1"


def check_cluster(
    cluster: Cluster, target: KubernetesTarget, serving: KubernetesServingSpec | None = None
) -> list[Finding]:
    """Check everything; what can't be read becomes a finding, and nothing is raised."""
    spec = serving or KubernetesServingSpec()
    looks: list[tuple[str, Callable[[], Finding]]] = [
        ("Kubernetes", lambda: _check_version(cluster)),
        ("Gateway API", lambda: _check_gateways(cluster)),
        ("route", lambda: _check_route(target, spec)),
        ("rescue", lambda: _check_rescue(target, spec)),
        ("metrics.k8s.io", lambda: _check_resource_metrics(cluster)),
        ("custom.metrics.k8s.io", lambda: _check_custom_metrics(cluster)),
        ("autoscaling", lambda: Finding(part="autoscaling", health=Condition.OK, seen=_describe_signals(target, spec))),
        ("rights", lambda: _check_rights(cluster)),
    ]
    return [_run_check(name, look) for name, look in looks]


def list_missing_rights(cluster: Cluster) -> list[str]:
    """Return the rights that this account lacks, in words: `patch deployments.apps`."""
    rules = [(rule, cluster.namespace) for rule in NAMESPACED] + [(rule, "") for rule in CLUSTER_WIDE]
    return [
        f"{verb} {resource}"
        for rule, namespace in rules
        for verb, resource in sorted(rule.asked)
        if not _has_right(cluster, rule, verb, namespace)
    ]


def _run_check(name: str, look: Callable[[], Finding]) -> Finding:
    try:
        return look()
    except SlipwayError as error:
        return Finding(part=name, health=Condition.PROBLEM, seen=error.seen, do=error.do)


def _check_version(cluster: Cluster) -> Finding:
    said = cluster.read_raw_path("/version") or {}
    seen, minor = str(said.get("gitVersion", "unknown")), str(said.get("minor", "")).rstrip("+")
    if minor.isdecimal() and int(minor) >= OLDEST_MINOR:
        return Finding(part="Kubernetes", health=Condition.OK, seen=seen)
    do = f"upgrade to 1.{OLDEST_MINOR} or newer: older ones refuse the sleep that lets pods end without losing requests"
    return Finding(part="Kubernetes", health=Condition.PROBLEM, seen=seen, do=do)


def _check_gateways(cluster: Cluster) -> Finding:
    if cluster.read_raw_path(f"/apis/{GATEWAY_API}") is None:
        do = "install a Gateway API implementation for exact weights; without one shares follow from replica counts"
        return Finding(part="Gateway API", health=Condition.WARNING, seen="the cluster does not serve it", do=do)
    found = [
        f"{live['metadata']['namespace']}/{live['metadata']['name']} (class {live['spec']['gatewayClassName']})"
        for live in cluster.list("Gateway", everywhere=True)
    ]
    if found:
        return Finding(part="Gateway API", health=Condition.OK, seen=", ".join(sorted(found)))
    return Finding(
        part="Gateway API",
        health=Condition.WARNING,
        seen="served, but there is no Gateway",
        do="make a Gateway with an HTTP listener, and name it in SLIPWAY_KUBE_GATEWAY",
    )


def _check_route(target: KubernetesTarget, serving: KubernetesServingSpec) -> Finding:
    can = target.get_abilities("", serving)
    full = can.copies and can.weights is None
    do = "" if full else "nothing, if that is enough: specs are fitted to it, with a sentence for what changes"
    return Finding(part="route", health=Condition.OK if full else Condition.WARNING, seen=can.why, do=do)


def _check_rescue(target: KubernetesTarget, serving: KubernetesServingSpec) -> Finding:
    if target.get_abilities("", serving).rescues:
        seen = "the canary's own service hands on what it can't answer; a crash or a cut connection is not rescued"
        return Finding(part="rescue", health=Condition.OK, seen=seen)
    do = "nothing, if clients may see a bad canary's answers; else let a Gateway share the requests out"
    return Finding(
        part="rescue",
        health=Condition.WARNING,
        seen="none: without a Gateway no route adds the headers that it needs",
        do=do,
    )


def _check_resource_metrics(cluster: Cluster) -> Finding:
    if cluster.read_raw_path(METRICS) is not None:
        return Finding(part="metrics.k8s.io", health=Condition.OK, seen="served")
    do = "install metrics-server: autoscalers can't read CPU and memory without it"
    return Finding(part="metrics.k8s.io", health=Condition.WARNING, seen="not served", do=do)


def _check_custom_metrics(cluster: Cluster) -> Finding:
    if cluster.read_raw_path(CUSTOM_METRICS) is not None:
        return Finding(part="custom.metrics.k8s.io", health=Condition.OK, seen="served")
    do = "install prometheus-adapter or KEDA to scale by requests in flight; CPU is used without it"
    return Finding(part="custom.metrics.k8s.io", health=Condition.WARNING, seen="not served", do=do)


def _describe_signals(target: KubernetesTarget, serving: KubernetesServingSpec) -> str:
    return target.choose_signals(serving.replicas).why


def _check_rights(cluster: Cluster) -> Finding:
    missing = list_missing_rights(cluster)
    if not missing:
        return Finding(part="rights", health=Condition.OK, seen=f"all, in namespace {cluster.namespace}")
    do = "bind the chart's Role (and ClusterRole) to this account"
    return Finding(part="rights", health=Condition.PROBLEM, seen=f"may not: {', '.join(missing)}", do=do)


def _has_right(cluster: Cluster, rule: Rule, verb: str, namespace: str) -> bool:
    resource, _, subresource = rule.resource.partition("/")
    attributes = {"group": rule.group, "resource": resource, "subresource": subresource, "verb": verb}
    if namespace:
        attributes["namespace"] = namespace
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "metadata": {},
        "spec": {"resourceAttributes": attributes},
    }
    return bool(cluster.create(review).get("status", {}).get("allowed"))
