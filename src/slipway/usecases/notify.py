"""Notify people of a decision."""

from slipway import wiring
from slipway.ports.notifier import Notification
from slipway.usecases.active_release import ActiveRelease


def notify(active: ActiveRelease, kind: str, reason: str, summary: str = "") -> None:
    """Pass a decision on to the notifier; `summary` is the report in short, as Markdown."""
    wiring.get_notifier().notify(
        Notification(
            model=active.model,
            version=active.version.version,
            release_id=active.release_id,
            kind=kind,
            reason=reason,
            summary=summary,
        )
    )
