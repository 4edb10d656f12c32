"""Targets: one file for each, named as `SLIPWAY_TARGET` names it, that defines `PLATFORM`.

A new file is all that a new target needs beside its adapters (docs/decisions/0025-platforms.md says how).
"""

import difflib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING

from pydantic_settings import BaseSettings

from slipway.domain.finding import Finding
from slipway.errors import SettingsError
from slipway.ports.images import ImageStore
from slipway.ports.metrics import MetricSource
from slipway.ports.recorded import RecordedRequests
from slipway.ports.revisions import Revisions, Scaler
from slipway.ports.rollouts import HeldLeases, Leases, RolloutStore
from slipway.ports.router import Router
from slipway.settings import Settings

if TYPE_CHECKING:  # the embedded stack alone needs it
    from slipway.adapters.local.plan import PartPlan


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """What stands behind the ports where models serve.

    Every part is a function that builds it at the first call: no client is imported, and nothing is connected, before
    the part is needed.
    """

    revisions: Callable[[], Revisions]
    router: Callable[[], Router]
    rollouts: Callable[[], RolloutStore]
    leases: Callable[[], Leases]
    held_leases: Callable[[], HeldLeases]
    metrics: Callable[[], MetricSource]
    recorded: Callable[[], RecordedRequests]
    checks: Callable[[Settings], Iterable[Finding]]
    """What `slipway doctor` looks at here."""
    scaler: Callable[[], Scaler] | None = None
    """None: a revision is one process."""
    images: Callable[[], ImageStore] | None = None
    """Where packages are pushed as images; None: they are served from their folders."""
    addresses: Callable[[Settings, str], dict[str, str]] | None = None
    """Where a model takes requests, by protocol; None: Slipway does not know."""
    programs: Callable[[Settings], "list[PartPlan]"] | None = None
    """What `slipway up` starts for it on this machine; None: nothing."""
    settings: type[BaseSettings] | None = None
    """Settings of this target alone, read from `SLIPWAY_...` variables; None: it has none."""


def list_platforms() -> tuple[str, ...]:
    """Return the names of all targets, sorted: what `SLIPWAY_TARGET` may be.

    >>> list_platforms()
    ('kubernetes', 'local')
    """
    return tuple(sorted(module.name for module in iter_modules(__path__)))


def find_platform(name: str) -> Platform:
    """Return a target by its name; raise SettingsError for a name that `list_platforms` does not know."""
    known = list_platforms()
    if name not in known:
        close = difflib.get_close_matches(name, known, n=1)
        raise SettingsError(
            "setting SLIPWAY_TARGET",
            seen=f"there is no target {name!r}",
            expected=f"one of {', '.join(known)}",
            do=f"did you mean {close[0]}?" if close else "set it to one of them",
        )
    platform: Platform = import_module(f"{__name__}.{name}").PLATFORM
    return platform


def list_settings() -> dict[str, type[BaseSettings]]:
    """Return the settings that targets have of their own, by target."""
    found = {name: find_platform(name).settings for name in list_platforms()}
    return {name: group for name, group in found.items() if group is not None}
