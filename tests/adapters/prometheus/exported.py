"""Pages of gateways and pods, as exporters show them to Prometheus."""

BOTH = ["digits-v1", "digits-v2"]


def traefik(namespace: str, route: dict[int, int], **served: dict[int, int]) -> str:
    """Return Traefik's page: requests by status, of the route and of revisions (`v1=`, `v2=`)."""
    lines = ["traefik_config_reloads_total 1"]
    router = f"httproute-{namespace}-digits-gw-{namespace}-main-ep-web-0-123@kubernetesgateway"
    lines += [
        f'traefik_router_requests_total{{code="{code}",router="{router}",service="wrr"}} {number}'
        for code, number in route.items()
    ]
    lines += [
        f'traefik_service_requests_total{{code="{code}",service="{namespace}-digits-{name}-http-3000@kubernetesgateway"}}'
        f" {number}"
        for name, counts in served.items()
        for code, number in counts.items()
    ]
    return "\n".join(lines) + "\n"


def own(namespace: str, **counts: dict[tuple[str, int], int]) -> str:
    """Return what pods of digits-v2 count by protocol and status: `requests=`, `rescued=`."""
    labels = f'namespace="{namespace}",revision="digits-v2"'
    return "".join(
        f'slipway_{name}_total{{{labels},protocol="{protocol}",code="{code}"}} {number}\n'
        for name, each in counts.items()
        for (protocol, code), number in each.items()
    )


GRPC, HTTP = "oip-grpc", "oip"


def istio(namespace: str, counts: dict[tuple[int, str], int]) -> str:
    """Return an Istio gateway's page: requests by HTTP status and gRPC status (empty: no gRPC)."""
    labels = f'reporter="source",destination_service_namespace="{namespace}",destination_service_name="digits-v2"'
    return "".join(
        f'istio_requests_total{{{labels},response_code="{code}",grpc_response_status="{status}"}} {number}\n'
        for (code, status), number in counts.items()
    )
