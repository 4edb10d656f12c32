"""Envoy's routes: how a model's requests are split, copied, and answered by another revision if necessary.

A model is reached by two protocols. Over HTTP its name is the first part of the path. Over gRPC the path is the
method's, so the model is named by the header `x-slipway-model`, by the host (`digits` or `digits.localhost`), or not at
all if there is only one model.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from slipway.adapters.local.clusters import GRPC, HEALTH, name_rescue_cluster, name_shadow_cluster
from slipway.domain.judge.answers import ELSEWHERE, GRPC_KINDS
from slipway.domain.rollout.revision import Rescue, Traffic
from slipway_interface import headers
from slipway_interface.pages import PRIVATE

Json = dict[str, Any]

KEPT_BYTES = 17 * 1024 * 1024
"""Bytes of a request that are buffered while another revision may have to answer it: all that a service accepts (16
MiB), and framing."""
GRPC_MARGIN = "0.02s"
"""A gRPC request is aborted this long before its client's deadline: so it counts as the version's failure."""

_EXTENSIONS = "type.googleapis.com/envoy.extensions"
_UNASKED_STATUS = "|".join(["[12][0-9][0-9]", *map(str, sorted(ELSEWHERE))])
_BAD_GRPC = "|".join(str(number) for number, kind in enumerate(GRPC_KINDS.values()) if kind.bad)


@dataclass(frozen=True, slots=True)
class RoutedProtocol:
    """One protocol to call a model."""

    match: Json
    action: Json
    suffix: str = ""
    """Suffix of its clusters."""


def build_model_routes(model: str, traffic: Traffic, timeout_seconds: float) -> list[Json]:
    """Return a model's HTTP routes; the record of its traffic is their metadata."""
    hidden = build_refusal({"path_separated_prefix": f"/{model}{PRIVATE}"}, "this page is not public")
    action = {"prefix_rewrite": "/", "timeout": f"{timeout_seconds}s"}
    record = {"filter_metadata": {"slipway": {"model": model, "traffic": asdict(traffic)}}}
    live = _build_live_routes(RoutedProtocol({"prefix": f"/{model}/"}, action), traffic)
    return [hidden, *({**route, "metadata": record} for route in live)]


def build_grpc_routes(shared: Mapping[str, Traffic], timeout_seconds: float) -> list[Json]:
    """Return the routes of the models that can be called over gRPC, and an error for any other request."""
    longest = f"{timeout_seconds}s"
    streams = {"grpc_timeout_header_max": longest, "grpc_timeout_header_offset": GRPC_MARGIN}
    action = {"timeout": longest, "max_stream_duration": streams}
    routes: list[Json] = []
    for model, traffic in sorted(shared.items()):
        for matched in _match_model(model, alone=len(shared) == 1):
            match = {"prefix": "/", "grpc": {}, "headers": matched}
            routes.append(_build_health_route({**match, "prefix": "/grpc.health.v1.Health/"}, traffic))
            routes += _build_live_routes(RoutedProtocol(match, action, GRPC), traffic)
    return [*routes, _build_grpc_refusal(sorted(shared))]


def build_refusal(match: Json, message: str) -> Json:
    """Return a route that answers 404, in JSON."""
    body = json.dumps({"error": message})
    return {
        "match": match,
        "direct_response": {"status": 404, "body": {"inline_string": body}},
        "response_headers_to_add": [_set_header("content-type", "application/json")],
    }


def _match_model(model: str, *, alone: bool) -> Iterator[list[Json]]:
    """Yield the header matches of requests for a model, one way after the other."""
    host = rf"{re.escape(model)}(\.localhost)?(:[0-9]+)?"
    yield [{"name": headers.MODEL, "string_match": {"exact": model}}]
    named = {"name": headers.MODEL, "present_match": True, "invert_match": True}
    yield [named, {"name": ":authority", "string_match": {"safe_regex": {"regex": host}}}]
    if alone:
        yield [named]


def _build_grpc_refusal(models: Sequence[str]) -> Json:
    # Envoy turns it into UNIMPLEMENTED, with this text as its message
    do = f"name one with the metadata {headers.MODEL}, or as the host" if models else "release one"
    message = f"no such model over gRPC; models here: {', '.join(models) or 'none'}; {do}"
    return {
        "match": {"prefix": "/", "grpc": {}},
        "direct_response": {"status": 404, "body": {"inline_string": message}},
    }


def _build_health_route(match: Json, traffic: Traffic) -> Json:
    # without a time-out: a watch must report a change at any time
    return {"match": match, "route": {"cluster": f"{traffic.stable}{HEALTH}{GRPC}", "timeout": "0s"}}


def _build_live_routes(protocol: RoutedProtocol, traffic: Traffic) -> Iterator[Json]:
    """Yield the route of the revision that is rescued, for its share, and the route of the rest."""
    rescue = traffic.rescue
    share = traffic.weights.get(rescue.of, 0) if rescue else 0
    if rescue and share:
        yield _build_rescued_route(protocol, traffic, rescue, share)
    rest = {
        name: percent for name, percent in traffic.weights.items() if percent and not (rescue and name == rescue.of)
    }
    if rest:
        yield _build_weighted_route(protocol, traffic, rest)


def _build_weighted_route(protocol: RoutedProtocol, traffic: Traffic, weights: Mapping[str, int]) -> Json:
    shares = [
        {
            "name": f"{name}{protocol.suffix}",
            "weight": percent,
            "response_headers_to_add": [_set_header(headers.ROUTE, name)],
        }
        for name, percent in weights.items()
    ]
    # an answer that was begun is never retried: only requests that certainly were not handled yet are
    again = {"retry_on": "connect-failure,refused-stream,reset-before-request", "num_retries": 2}
    return _build_route(
        protocol, protocol.match, traffic, {"weighted_clusters": {"clusters": shares}, "retry_policy": again}
    )


def _build_rescued_route(protocol: RoutedProtocol, traffic: Traffic, rescue: Rescue, share: int) -> Json:
    cluster = f"{name_rescue_cluster(rescue.of, rescue.by)}{protocol.suffix}"
    once = {
        "retry_on": "5xx,retriable-headers",
        "retriable_headers": [
            _match_header(":status", _UNASKED_STATUS, but=True),
            _match_header("grpc-status", _BAD_GRPC),
        ],
        "num_retries": 1,
        "per_try_timeout": f"{rescue.after_seconds}s",
        "retry_back_off": {"base_interval": "0.001s", "max_interval": "0.001s"},
        "retry_priority": {
            "name": "envoy.retry_priorities.previous_priorities",
            "typed_config": {
                "@type": f"{_EXTENSIONS}.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig",
                "update_frequency": 1,
            },
        },
    }
    # a slow try continues: the first good answer counts
    action = {"cluster": cluster, "retry_policy": once, "hedge_policy": {"hedge_on_per_try_timeout": True}}
    part = {"default_value": {"numerator": share, "denominator": "HUNDRED"}}
    match = protocol.match if share == 100 else {**protocol.match, "runtime_fraction": part}  # noqa: PLR2004 - percent
    route = _build_route(protocol, match, traffic, action)
    who = [_set_header(headers.ROUTE, rescue.of), _set_header(headers.RESCUED, "%UPSTREAM_METADATA(slipway:rescues)%")]
    return {**route, "request_body_buffer_limit": KEPT_BYTES, "response_headers_to_add": who}


def _build_route(protocol: RoutedProtocol, match: Json, traffic: Traffic, action: Json) -> Json:
    copies = {}
    if traffic.shadow:
        cluster = f"{name_shadow_cluster(traffic.shadow)}{protocol.suffix}"
        copies = {"request_mirror_policies": [{"cluster": cluster, "disable_shadow_host_suffix_append": True}]}
    return {
        "match": match,
        "route": {**protocol.action, **action, **copies},
        **_build_compare_header(shadowed=bool(traffic.shadow)),
    }


def _build_compare_header(*, shadowed: bool) -> Json:
    if not shadowed:
        return {"request_headers_to_remove": [headers.COMPARE]}
    return {"request_headers_to_add": [_set_header(headers.COMPARE, "1")]}


def _match_header(name: str, regex: str, *, but: bool = False) -> Json:
    return {"name": name, "string_match": {"safe_regex": {"regex": regex}}, "invert_match": but}


def _set_header(name: str, value: str) -> Json:
    return {"header": {"key": name, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
