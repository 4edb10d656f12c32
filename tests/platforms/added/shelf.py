"""`shelf`: a third target, made of the parts of this machine, with small services in place of packages."""

from collections.abc import Iterator

from pydantic_settings import BaseSettings, SettingsConfigDict

from slipway.adapters.local.metrics import EnvoyMetrics
from slipway.adapters.local.recorded import LoggedRequests
from slipway.adapters.local.rollouts import LocalRollouts
from slipway.adapters.local.target import LocalTarget
from slipway.domain.finding import Condition, Finding
from slipway.once import once
from slipway.platforms import Platform
from slipway.settings import Settings, settings
from tests.adapters.local.place import serve


class ShelfSettings(BaseSettings):
    """Settings of the target `shelf`."""

    model_config = SettingsConfigDict(env_prefix="SLIPWAY_", frozen=True, extra="ignore", use_attribute_docstrings=True)

    shelf_label: str = "none"
    """What the shelf is called."""


@once
def _target() -> LocalTarget:
    here = settings()
    return LocalTarget(here.target_home, here.host, here.front_door_port, here.envoy_admin_port, serve)


@once
def _rollouts() -> LocalRollouts:
    return LocalRollouts(settings().target_home)


@once
def _metrics() -> EnvoyMetrics:
    return EnvoyMetrics(settings().target_home, settings().envoy_admin_port, settings().host)


@once
def _recorded() -> LoggedRequests:
    return LoggedRequests(settings().target_home)


def _checks(_here: Settings) -> Iterator[Finding]:
    yield Finding(part="shelf", health=Condition.OK, seen=ShelfSettings().shelf_label)


PLATFORM = Platform(
    revisions=_target,
    router=_target,
    rollouts=_rollouts,
    leases=_rollouts,
    held_leases=_rollouts,
    metrics=_metrics,
    recorded=_recorded,
    checks=_checks,
    settings=ShelfSettings,
)
