"""What `slipway doctor` found on one part."""

from dataclasses import dataclass
from enum import StrEnum


class Condition(StrEnum):
    """How a part is."""

    OK = "ok"
    """Nothing to do."""
    WARNING = "warning"
    """It works without, or later."""
    PROBLEM = "problem"
    """A release would fail."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One part, as it was seen."""

    part: str
    health: Condition
    seen: str
    do: str = ""
    """What to do; empty where nothing is to be done."""
