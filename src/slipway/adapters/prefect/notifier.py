"""Decisions as Prefect events: automations of Prefect can send them on to mail, chat or a webhook."""

import logging
import sys
from datetime import UTC, datetime
from uuid import uuid4

import httpx

from slipway.ports.notifier import Notification

log = logging.getLogger(__name__)


class PrefectNotifier:
    """Emits `slipway.release.KIND` for every decision, and shows the release's summary beside its flow run."""

    def __init__(self, api: str, timeout_seconds: float = 5) -> None:
        """Keep the API's address; nothing is called yet."""
        self._api, self._timeout = api, timeout_seconds

    def notify(self, notification: Notification) -> None:
        """Post one event, and the summary as an artifact; a server that is down is logged, and the release goes on."""
        try:
            if notification.summary and _is_in_run():
                _show_in_run(notification)
            answer = httpx.post(f"{self._api}/events", json=[_make_event(notification)], timeout=self._timeout)
            answer.raise_for_status()
        except httpx.HTTPError as no:
            what = notification.release_id, notification.kind, type(no).__name__
            log.warning("%s: Prefect was not notified: %s (%s)", *what)


def _make_event(notification: Notification) -> dict[str, object]:
    return {
        "id": str(uuid4()),
        "event": f"slipway.release.{notification.kind}",
        "occurred": datetime.now(UTC).isoformat(),
        "resource": {
            "prefect.resource.id": f"slipway.model.{notification.model}",
            "prefect.resource.name": notification.model,
            "slipway.version": str(notification.version),
            "slipway.release": notification.release_id,
        },
        "payload": {"model": notification.model, "version": notification.version, "reason": notification.reason},
    }


def _is_in_run() -> bool:
    """Return whether this code runs within a flow run or task run of Prefect."""
    if "prefect.context" not in sys.modules:  # no run can be under way, and the import would take seconds
        return False
    from prefect.context import FlowRunContext, TaskRunContext

    return TaskRunContext.get() is not None or FlowRunContext.get() is not None


def _show_in_run(notification: Notification) -> None:
    from prefect.artifacts import create_markdown_artifact

    description = f"{notification.release_id}: {notification.kind}"
    create_markdown_artifact(notification.summary, key=f"release-{notification.model}", description=description)
