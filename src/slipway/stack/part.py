"""A part of the embedded stack, as it is wanted and as it is seen."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from slipway.adapters.local.program import Program


class PartState(StrEnum):
    """How a part fares."""

    UP = "up"
    """Answers."""
    STARTING = "starting"
    """Runs, and does not answer yet."""
    DOWN = "down"
    """Does not run."""
    FAILED = "failed"
    """Ends again and again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part, as seen."""

    name: str
    """`mlflow`, `prefect`, `webhook`, `worker`, `envoy`, or a revision's name."""
    state: PartState
    address: str = ""
    """Where it answers, for people; empty where there is nothing to open."""
    pid: int | None = None
    detail: str = ""
    """In words, when it is not up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """A TCP port that a part listens on."""

    number: int
    setting: str
    """The environment variable that changes it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """What shows that a part answers: a GET with a status below 500."""

    port: int
    path: str
    contains: str = ""
    """Must be in the answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A part, as wanted."""

    name: str
    program: Callable[[], Program]
    """Makes it, with the files and secrets that it needs."""
    ports: tuple[Port, ...] = ()
    probe: Probe | None = None
    """None: it is up as soon as it runs."""
    address: str = ""
