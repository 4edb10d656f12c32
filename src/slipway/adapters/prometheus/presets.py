"""The series of a revision's requests: one preset per gateway, as PromQL that a person can read and run.

Every expression gives cumulative counters, never rates: differences between looks are computed by subtracting. The
placeholders are `$namespace`, `$model`, `$revision`, `$service` (the revision's Service) and `$window`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from string import Template

from slipway.domain.spec.serving import EvidenceSpec
from slipway.errors import SettingsError
from slipway_interface.metrics import DURATION, REQUESTS, RESCUED

WINDOW = "1h"
"""How long the last value of a series that ended (a pod scaled down, a gateway replaced) is still returned.

A running process keeps it for longer (`totals`); this is for the next process, which resumes a rollout. Longer
windows cost Prometheus more: it reads every sample of them.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """The sources of one gateway's evidence."""

    name: str
    about: str
    """The source of the counters, for sentences."""
    alive: str
    """A selector of exactly the queried source, for the age of the evidence."""
    answers: str = ""
    """Requests routed to a revision by the status of their answers (`counting`), per counting process."""
    hidden: str = ""
    """Failures behind answers that those counters count as right, by status, from its pods."""
    counted: Mapping[str, str] = field(default_factory=dict)
    """A spec's own expressions in place of `answers`, one number each: `requests` and a kind each (AnswerKind)."""
    buckets: str = ""
    """Cumulative histogram in seconds, by `le`; empty: the gateway's has too few edges, and the pods' own is read."""
    by_route: Mapping[str, str] = field(default_factory=dict)
    """If failures of requests that no pod could serve are counted only with the route: `routes`, its requests of any
    status; `failed_on_route`, those that failed; `failed_on_pods`, those of them that are counted with a revision."""


OF_SPEC = "spec"
"""The name of the preset made of a spec's own queries."""
PODS = "pods"
"""The name of the preset of pods' own counters, for any gateway."""
_PORTS = "(http-3000|3001-grpc)@kubernetesgateway"
_SERVED = f'traefik_service_requests_total{{service=~"$namespace-$service-{_PORTS}"'
_ROUTED = 'traefik_router_requests_total{router=~"(http|grpc)route-$namespace-$model-gw-.+@kubernetesgateway"'
_ALL_SERVED = f'traefik_service_requests_total{{service=~"$namespace-$model-v[0-9]+-{_PORTS}"'
_FAILED = ('protocol!="grpc",code=~"5.."', 'protocol="grpc",code=~"2|4|13|14|15"')
"""Traefik's codes of failures: over gRPC they are gRPC's own."""
_ISTIO = (
    'istio_requests_total{reporter="source",destination_service_namespace="$namespace",'
    'destination_service_name="$service"'
)
_INGRESS = (
    'nginx_ingress_controller_requests{namespace="$namespace",service="$service",canary=""',
    'nginx_ingress_controller_requests{namespace="$namespace",canary=~"$namespace-$service-[^-]+"',
)
_OF_REVISION = 'namespace="$namespace",revision="$revision"'
_OWN = f"{REQUESTS}{{{_OF_REVISION}"
OWN_SERIES = f'{_OWN},code="200"}}'
"""A series that pods have from their start on, for the age of their counters."""
_POD_BUCKETS = f"{DURATION}_bucket{{{_OF_REVISION}}}"
_RESCUED = f"{RESCUED}{{{_OF_REVISION}"
_CLUSTERS = '{envoy_cluster_name=~"(http|grpc)route/$namespace/$model/rule/.+"}'


def _build_sum(selector: str, *more: str, by: str = "job, instance") -> str:
    parts = (f"last_over_time({one}[$window])" for one in (selector, *more))
    return f"sum by ({by}) ({' or '.join(parts)})"


def _build_pods_query(*selectors: str) -> str:
    """Return pods' counters of answers that may look right to a gateway, by the status of the model's own answer."""
    return _build_sum(*selectors, by="instance, pod, code")


def _build_endpoint_query(statistic: str, code: str) -> str:
    """Return a statistic of a revision's endpoints: its pods are scraped there (port 3000), or at port 3001."""
    last = _build_sum(f"envoy_cluster_endpoint_{statistic}{_CLUSTERS}", by="job, instance, envoy_endpoint_address")
    pods = f"last_over_time({_OWN}}}[$window])"
    addresses = " or ".join(
        f'label_replace({pods}, "envoy_endpoint_address", "{address}", "instance", "{instance}")'
        for address, instance in (("$$1", "(.+)"), ("$$1:3001", "(.+):3000"))
    )
    of_revision = f"on (envoy_endpoint_address) group_left () group by (envoy_endpoint_address) ({addresses})"
    return f'label_replace({last} * {of_revision}, "code", "{code}", "", "")'


_ALL = (
    Preset(
        name="traefik",
        about="Traefik",
        alive="traefik_config_reloads_total",
        answers=_build_sum(f"{_SERVED}}}", by="job, instance, service, protocol, code"),
        hidden=_build_pods_query(f"{_RESCUED}}}"),
        by_route={
            "routes": _build_sum(f"{_ROUTED}}}"),
            "failed_on_route": _build_sum(*(f"{_ROUTED},{one}}}" for one in _FAILED), by="job, instance, protocol"),
            "failed_on_pods": _build_sum(
                *(f"{_ALL_SERVED},{one}}}" for one in _FAILED), by="job, instance, service, protocol"
            ),
        },
    ),
    Preset(
        name="envoy-gateway",
        about="Envoy",
        alive=f"envoy_cluster_endpoint_rq_total{_CLUSTERS}",
        answers=f"{_build_endpoint_query('rq_success', '200')} or {_build_endpoint_query('rq_error', '500')}",
        hidden=_build_pods_query(f'{_OWN},code=~"4.."}}', f'{_RESCUED},code=~"5.."}}'),
    ),
    Preset(
        name="istio",
        about="Istio's gateway",
        alive='istio_requests_total{reporter="source",destination_service_namespace="$namespace"}',
        answers=_build_sum(f"{_ISTIO}}}", by="job, instance, response_code, grpc_response_status"),
        hidden=_build_pods_query(f"{_RESCUED}}}"),
    ),
    Preset(
        name="nginx",
        about="ingress-nginx",
        alive="nginx_ingress_controller_config_last_reload_successful",
        answers=_build_sum(*(f"{one}}}" for one in _INGRESS), by="job, instance, status"),
        hidden=_build_pods_query(f'{_OWN},protocol=~".+-grpc",code!="200"}}', f'{_RESCUED},protocol!~".+-grpc"}}'),
    ),
    Preset(
        name=PODS,
        about="$revision's pods",
        alive=OWN_SERIES,
        answers=_build_sum(f"{_OWN}}}", by="instance, pod, code"),
        buckets=_build_sum(_POD_BUCKETS, by="instance, pod, le"),
    ),
)
PRESETS: Mapping[str, Preset] = {one.name: one for one in _ALL}
"""By the name in SLIPWAY_EVIDENCE; docs/evidence.md lists what each of them can't see."""

CONTROLLERS: Mapping[str, str] = {
    "traefik.io/gateway-controller": "traefik",
    "gateway.envoyproxy.io/gatewayclass-controller": "envoy-gateway",
    "istio.io/gateway-controller": "istio",
}
"""The preset of each GatewayClass controller; for any other gateway the pods are used."""


def find_preset(name: str) -> Preset:
    """Return a preset; raise SettingsError for an unknown name.

    >>> find_preset("traefik").about
    'Traefik'
    """
    if name not in PRESETS:
        raise SettingsError(
            "the evidence's preset (SLIPWAY_EVIDENCE)",
            seen=f"{name!r}",
            expected=", ".join(PRESETS),
            do="name one of them, or give queries of your own in the spec's `serving.evidence`",
        )
    return PRESETS[name]


def make_spec_preset(queries: EvidenceSpec) -> Preset:
    """Return a spec's own queries as a preset; their age is taken from any scrapes of Prometheus.

    Kinds that they leave out (`refused`, `shed`) are read from the pods.
    """
    given = {"requests": queries.requests, "errors": queries.errors, "refused": queries.refused, "shed": queries.shed}
    return Preset(
        name=OF_SPEC,
        about="anything",
        alive="up",
        counted={key: query for key, query in given.items() if query is not None},
        hidden=_build_pods_query(
            f'{_OWN if queries.refused is None else _RESCUED},code=~"4..",code!="429"}}',
            f'{_OWN if queries.shed is None else _RESCUED},code="429"}}',
            f'{_RESCUED},code=~"5.."}}',
        ),
        buckets=queries.latency_buckets or "",
    )


def fill_placeholders(promql: str, *, namespace: str, model: str, revision: str) -> str:
    """Return an expression with the placeholders filled in; a `$1` of PromQL's own is kept.

    >>> fill_placeholders("$namespace/$service $1", namespace="shop", model="digits", revision="digits-v2")
    'shop/digits-v2 $1'
    """
    names = {"namespace": namespace, "model": model, "revision": revision, "service": revision, "window": WINDOW}
    return Template(promql).safe_substitute(names)
