"""A part of the embedded stack, as it is seen."""

from dataclasses import dataclass
from enum import StrEnum


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
