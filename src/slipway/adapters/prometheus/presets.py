"""Which series hold a revision's requests: one preset per gateway, as PromQL that a person can read and run.

Every expression gives counters as they stand, never rates: what came between two looks is told by subtracting. The
filled-in names are `$namespace`, `$model`, `$revision`, `$service` (the revision's Service) and `$window`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from string import Template

from slipway.domain.serving_spec import EvidenceSpec
from slipway.errors import SettingsError

WINDOW = "1h"
"""How long the last value of a series that ended (a pod scaled away, a gateway replaced) is still given.

A running process remembers it for longer (`totals`); this is for the next process, which takes a rollout over. Longer
windows cost Prometheus more: it reads every sample of them.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """Where one gateway's evidence is."""

    name: str
    about: str
    """Whose counters they are, in a sentence."""
    alive: str
    """A selector of whoever is asked, and of nobody else: how old the evidence is."""
    requests: str
    """Requests meant for a revision, one series per process that counts."""
    errors: str
    """Those of them that failed."""
    buckets: str = ""
    """Cumulative histogram in seconds, by `le`; empty: the gateway's has too few edges, the pods' own is read."""
    by_route: Mapping[str, str] = field(default_factory=dict)
    """Where failures of requests that no pod could take are counted with the route alone: `routes`, its requests of
    whatever status; `failed_on_route`, those that failed; `failed_on_pods`, what of them is counted with a revision."""


OF_SPEC = "spec"
"""The name of what a spec gives itself."""
_SERVED = 'traefik_service_requests_total{service="$namespace-$service-http-3000@kubernetesgateway"'
_ROUTED = 'traefik_router_requests_total{router=~"httproute-$namespace-$model-gw-.+@kubernetesgateway"'
_ALL_SERVED = 'traefik_service_requests_total{service=~"$namespace-$model-v[0-9]+-http-3000@kubernetesgateway"'
_ISTIO = (
    'istio_requests_total{reporter="source",destination_service_namespace="$namespace",'
    'destination_service_name="$service"'
)
_INGRESS = (
    'nginx_ingress_controller_requests{namespace="$namespace",service="$service",canary=""',
    'nginx_ingress_controller_requests{namespace="$namespace",canary=~"$namespace-$service-[^-]+"',
)
_PODS = 'slipway_requests_total{namespace="$namespace",revision="$revision"'
_POD_BUCKETS = 'slipway_request_duration_seconds_bucket{namespace="$namespace",revision="$revision"}'
_ENDPOINT = '{envoy_cluster_name=~"httproute/$namespace/$model/rule/.+"}[$window]'
_OF_REVISION = (
    "* on (envoy_endpoint_address) group_left () group by (envoy_endpoint_address) "
    f'(label_replace(last_over_time({_PODS}}}[$window]), "envoy_endpoint_address", "$$1", "instance", "(.+)"))'
)


def _sum(selector: str, *more: str, by: str = "job, instance") -> str:
    parts = (f"last_over_time({one}[$window])" for one in (selector, *more))
    return f"sum by ({by}) ({' or '.join(parts)})"


def _endpoints(statistic: str) -> str:
    last = f"last_over_time(envoy_cluster_endpoint_{statistic}{_ENDPOINT})"
    return f"(sum by (job, instance, envoy_endpoint_address) ({last}) {_OF_REVISION})"


_ALL = (
    Preset(
        name="traefik",
        about="Traefik",
        alive="traefik_config_reloads_total",
        requests=_sum(f"{_SERVED}}}"),
        errors=_sum(f'{_SERVED},code=~"5.."}}'),
        by_route={
            "routes": _sum(f"{_ROUTED}}}"),
            "failed_on_route": _sum(f'{_ROUTED},code=~"5.."}}'),
            "failed_on_pods": _sum(f'{_ALL_SERVED},code=~"5.."}}', by="job, instance, service"),
        },
    ),
    Preset(
        name="envoy-gateway",
        about="Envoy",
        alive='envoy_cluster_endpoint_rq_total{envoy_cluster_name=~"httproute/$namespace/$model/rule/.+"}',
        requests=f"{_endpoints('rq_success')} + {_endpoints('rq_error')}",
        errors=_endpoints("rq_error"),
    ),
    Preset(
        name="istio",
        about="Istio's gateway",
        alive='istio_requests_total{reporter="source",destination_service_namespace="$namespace"}',
        requests=_sum(f"{_ISTIO}}}"),
        errors=_sum(f'{_ISTIO},response_code=~"5.."}}'),
    ),
    Preset(
        name="nginx",
        about="ingress-nginx",
        alive="nginx_ingress_controller_config_last_reload_successful",
        requests=_sum(*(f"{one}}}" for one in _INGRESS)),
        errors=_sum(*(f'{one},status=~"5.."}}' for one in _INGRESS)),
    ),
    Preset(
        name="pods",
        about="$revision's pods",
        alive=f'{_PODS},code="200"}}',
        requests=_sum(f"{_PODS}}}", by="instance, pod"),
        errors=_sum(f'{_PODS},code=~"5.."}}', by="instance, pod"),
        buckets=_sum(_POD_BUCKETS, by="instance, pod, le"),
    ),
)
PRESETS: Mapping[str, Preset] = {one.name: one for one in _ALL}
"""By the name that SLIPWAY_EVIDENCE gives; docs/evidence.md says what each of them can't see."""

CONTROLLERS: Mapping[str, str] = {
    "traefik.io/gateway-controller": "traefik",
    "gateway.envoyproxy.io/gatewayclass-controller": "envoy-gateway",
    "istio.io/gateway-controller": "istio",
}
"""The preset of each GatewayClass controller; any other gateway's evidence comes from the pods."""


def preset(name: str) -> Preset:
    """Return a preset; raise SettingsError for a name that is none.

    >>> preset("traefik").about
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


def of_spec(queries: EvidenceSpec) -> Preset:
    """Return a spec's own queries as a preset; how fresh they are is told by Prometheus' own scrapes, whosever."""
    return Preset(
        name=OF_SPEC,
        about="anything",
        alive="up",
        requests=queries.requests,
        errors=queries.errors,
        buckets=queries.latency_buckets or "",
    )


def filled(promql: str, *, namespace: str, model: str, revision: str) -> str:
    """Return an expression with the names filled in; a `$1` of PromQL's own stays.

    >>> filled("$namespace/$service $1", namespace="shop", model="digits", revision="digits-v2")
    'shop/digits-v2 $1'
    """
    names = {"namespace": namespace, "model": model, "revision": revision, "service": revision, "window": WINDOW}
    return Template(promql).safe_substitute(names)
