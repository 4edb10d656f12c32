"""This machine: Envoy in front of supervised processes, and files."""

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from slipway.domain.finding import Condition, Finding
from slipway.once import once
from slipway.platforms import Platform
from slipway.ports.metrics import MetricSource
from slipway.ports.recorded import RecordedRequests
from slipway.settings import Settings, settings
from slipway_interface.headers import MODEL

if TYPE_CHECKING:
    from slipway.adapters.local.plan import PartPlan
    from slipway.adapters.local.program import Program
    from slipway.adapters.local.rollouts import LocalRollouts
    from slipway.adapters.local.target import LocalTarget


def make_target(here: Settings) -> "LocalTarget":
    """Return the target by these settings; the embedded stack starts its supervisor."""
    from slipway.adapters.bento.serving import serve_command
    from slipway.adapters.local.target import LocalTarget

    return LocalTarget(here.target_home, here.host, here.front_door_port, here.envoy_admin_port, serve_command)


@once
def _get_target() -> "LocalTarget":
    return make_target(settings())


@once
def _get_rollout_store() -> "LocalRollouts":
    from slipway.adapters.local.rollouts import LocalRollouts

    return LocalRollouts(settings().target_home)


@once
def _get_metric_source() -> MetricSource:
    from slipway.adapters.local.metrics import EnvoyMetrics

    return EnvoyMetrics(settings().target_home, settings().envoy_admin_port, settings().host)


@once
def _get_recorded_requests() -> RecordedRequests:
    from slipway.adapters.local.recorded import LoggedRequests

    return LoggedRequests(settings().target_home)


def _check_platform(here: Settings) -> Iterator[Finding]:
    import httpx

    from slipway.probes import START, check_port, fetch_page, report_taken_port

    yield check_port("front door", here.host, here.front_door_port, "HTTP and gRPC")
    yield Finding(part="rescue", health=Condition.OK, seen="what a new version can't answer the version before it does")
    admin = fetch_page(f"http://{here.host}:{here.envoy_admin_port}/ready")
    if isinstance(admin, httpx.Response) and admin.text.strip() == "LIVE":
        yield Finding(part="Envoy's counters", health=Condition.OK, seen="live")
    elif isinstance(admin, httpx.Response):
        yield report_taken_port("Envoy's counters", here.envoy_admin_port, "SLIPWAY_ENVOY_ADMIN_PORT")
    else:
        yield Finding(part="Envoy's counters", health=Condition.WARNING, seen="no answer", do=START)


def _find_addresses(here: Settings, model: str) -> dict[str, str]:
    over_grpc = f"{here.host}:{here.front_door_port}, with the metadata {MODEL}: {model}"
    return {"HTTP": f"{here.front_door}/{model}/", "gRPC": over_grpc}


def _plan_programs(here: Settings) -> "list[PartPlan]":
    from slipway.adapters.local.plan import PartPlan, Port, Probe

    envoy = PartPlan(
        name="envoy",
        program=partial(_make_envoy_program, here),
        ports=(
            Port(number=here.envoy_admin_port, setting="SLIPWAY_ENVOY_ADMIN_PORT"),
            Port(number=here.front_door_port, setting="SLIPWAY_FRONT_DOOR_PORT"),
        ),
        probe=Probe(port=here.envoy_admin_port, path="/ready"),
        address=here.front_door,
    )
    return [envoy]


def _make_envoy_program(here: Settings) -> "Program":
    target = make_target(here)
    target.envoy.write_bootstrap()
    return target.envoy.build_program(target.supervisor.logs)


PLATFORM = Platform(
    revisions=_get_target,
    router=_get_target,
    rollouts=_get_rollout_store,
    leases=_get_rollout_store,
    held_leases=_get_rollout_store,
    metrics=_get_metric_source,
    recorded=_get_recorded_requests,
    checks=_check_platform,
    addresses=_find_addresses,
    programs=_plan_programs,
)
