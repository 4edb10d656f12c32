"""Routes as data: what is rendered is read back, and what hands did to it is seen."""

import copy
from dataclasses import replace
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway.adapters.kubernetes.gateway import admits_namespace
from slipway.adapters.kubernetes.kinds import Manifest
from slipway.adapters.kubernetes.routes import GatewayName, build_grpc_route, build_http_route, read_shares
from slipway.domain.rollout.revision import Rescue, Traffic

DOOR = GatewayName(namespace="gateways", name="door")
OURS = {"manager": "slipway", "fieldsV1": {"f:spec": {"f:rules": {}}}}


def live(traffic: Traffic, **weights: int) -> Manifest:
    """Return a route as the cluster has it, with weights changed by hand where they are given."""
    route = copy.deepcopy(build_http_route("digits", traffic, DOOR, "10.96.0.7:3000"))
    if weights:
        route["spec"]["rules"][0]["backendRefs"] = [
            {"name": f"digits-{name}", "weight": weight} for name, weight in weights.items()
        ]
        route["metadata"]["managedFields"] = [{"manager": "kubectl-edit", "fieldsV1": {"f:spec": {"f:rules": {}}}}]
    else:
        route["metadata"]["managedFields"] = [OURS]
    return route


RESCUE = Rescue(of="digits-v2", by="digits-v1", at_once=16, after_seconds=0.5)


@given(percent=st.integers(0, 100), shadowed=st.booleans(), warm=st.booleans(), rescued=st.booleans())
def test_what_was_told_is_read_back(percent: int, *, shadowed: bool, warm: bool, rescued: bool) -> None:
    """Every share, with roles, warm canaries, shadows and rescues; nobody edited it."""
    canary = "digits-v2" if warm or percent else None
    told = Traffic(
        stable="digits-v1",
        canary=canary,
        canary_percent=percent,
        shadow="digits-v2" if shadowed else None,
        rescue=RESCUE if rescued and canary else None,
    )

    seen = read_shares(live(told))

    assert seen == told
    assert seen.edited_by is None


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        ({"v1": 1, "v2": 1}, Traffic(stable="digits-v1", canary="digits-v2", canary_percent=50)),
        ({"v1": 0, "v2": 7}, Traffic(stable="digits-v1", canary="digits-v2", canary_percent=100)),
        ({"v1": 3}, Traffic(stable="digits-v1", canary="digits-v2")),
        ({"v9": 3, "v1": 1}, Traffic(stable="digits-v9", canary="digits-v1", canary_percent=25)),
    ],
)
def test_edited_weights_are_seen_as_they_are(weights: dict[str, int], expected: Traffic) -> None:
    """Not as they were told; and who edited them is named."""
    seen = read_shares(live(Traffic(stable="digits-v1", canary="digits-v2", canary_percent=5), **weights))

    assert seen == expected
    assert seen.edited_by == "kubectl-edit"


@pytest.mark.parametrize("annotation", ["", "no JSON", '{"stable": "digits-v1", "canary_percent": 400}', '["x"]'])
def test_an_annotation_that_says_nothing_leaves_the_weights(annotation: str) -> None:
    """The backend with more weight is the stable one."""
    route = live(Traffic(stable="digits-v1", canary="digits-v2", canary_percent=80))
    route["metadata"]["annotations"] = {"slipway.dev/traffic": annotation}

    assert read_shares(route) == Traffic(stable="digits-v2", canary="digits-v1", canary_percent=20)


def test_services_believe_only_what_the_route_says() -> None:
    """Headers that clients could send are set or taken away, over HTTP and over gRPC, in every phase."""
    shadowed = Traffic(stable="digits-v1", canary="digits-v2", shadow="digits-v2")
    rescued = Traffic(stable="digits-v1", canary="digits-v2", canary_percent=5, rescue=RESCUE)
    made = [
        make("digits", traffic, DOOR, "10.96.0.7:3000")
        for make in (build_http_route, partial(build_grpc_route, copies=True))
        for traffic in (Traffic(stable="digits-v1"), shadowed, rescued)
    ]

    changes = [_change(route) for route in made]

    order = "of=digits-v2; by=10.96.0.7:3000; at-once=16; after=0.5"
    given = [
        {},
        {"x-slipway-compare": "1"},
        {"x-slipway-rescue": order},
    ]
    assert [{one["name"]: one["value"] for one in change.get("set", [])} for change in changes] == given * 2
    names = {"x-slipway-compare", "x-slipway-rescue", "x-slipway-rescued-from"}
    assert all({one["name"] for one in change.get("set", [])} | {*change["remove"]} == names for change in changes)


def _change(route: Manifest) -> Manifest:
    filters = route["spec"]["rules"][0]["filters"]
    found: Manifest = next(one["requestHeaderModifier"] for one in filters if "requestHeaderModifier" in one)
    return found


def test_a_rescue_that_somebody_took_from_the_route_is_missed() -> None:
    """Its header is gone: services hand nothing on, whatever the annotation says."""
    told = Traffic(stable="digits-v1", canary="digits-v2", canary_percent=5, rescue=RESCUE)
    route = live(told)
    del _change(route)["set"]

    seen = read_shares(route)

    assert seen == replace(told, rescue=None)


def test_a_route_to_nobody_is_none() -> None:
    """Somebody took all weight away: there is nothing that gets requests."""
    assert read_shares(live(Traffic(stable="digits-v1"), v1=0)) is None


@pytest.mark.parametrize(
    ("listener", "expected"),
    [
        ({"protocol": "HTTP"}, (True, False)),
        ({"protocol": "HTTPS", "allowedRoutes": {"namespaces": {"from": "All"}}}, (True, True)),
        ({"protocol": "HTTP", "allowedRoutes": {"namespaces": {"from": "Selector"}}}, (True, True)),
        ({"protocol": "TCP", "allowedRoutes": {"namespaces": {"from": "All"}}}, (False, False)),
    ],
)
def test_a_gateway_lets_in_whom_its_listeners_allow(listener: Manifest, expected: tuple[bool, bool]) -> None:
    """Routes of its own namespace, and of others."""
    gateway = {"metadata": {"namespace": "own", "name": "door"}, "spec": {"listeners": [listener]}}

    assert (admits_namespace(gateway, "own"), admits_namespace(gateway, "other")) == expected
