"""A part of the embedded stack and its observed state."""

from dataclasses import dataclass
from enum import StrEnum


class PartState(StrEnum):
    """The state of a part."""

    UP = "up"
    """It answers."""
    STARTING = "starting"
    """It runs, and does not answer yet."""
    DOWN = "down"
    """It does not run."""
    FAILED = "failed"
    """It ends repeatedly."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part and its observed state."""

    name: str
    """`mlflow`, `prefect`, `webhook`, `worker`, `envoy`, or a revision's name."""
    state: PartState
    address: str = ""
    """Its address, for people; empty if there is nothing to open."""
    pid: int | None = None
    detail: str = ""
    """In words, if it is not up."""
