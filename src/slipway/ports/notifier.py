"""Telling others that a decision was made."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """Something a person may want to hear of."""

    model: str
    version: int
    release_id: str
    kind: str
    """`started`, `stopped`, `promoted`, `rolled-back`, `held`."""
    reason: str
    summary: str = ""
    """The release's report in short, as Markdown; empty: there is none."""


class Notifier(Protocol):
    """Passes decisions on; never fails a release."""

    def notify(self, notification: Notification) -> None:
        """Pass it on; a receiver that is down is logged, not raised."""
        ...
