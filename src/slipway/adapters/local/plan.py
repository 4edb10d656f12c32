"""A program of the embedded stack before it runs: its ports, and the check that it answers."""

from collections.abc import Callable
from dataclasses import dataclass

from slipway.adapters.local.program import Program


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """A TCP port that a part listens on."""

    number: int
    setting: str
    """The environment variable that sets it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """The check that a part answers: a GET with a status below 500."""

    port: int
    path: str
    contains: str = ""
    """Must be in the answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartPlan:
    """A part, as wanted."""

    name: str
    program: Callable[[], Program]
    """Builds it, with the files and secrets that it needs."""
    ports: tuple[Port, ...] = ()
    probe: Probe | None = None
    """None: it is ready as soon as it runs."""
    address: str = ""
