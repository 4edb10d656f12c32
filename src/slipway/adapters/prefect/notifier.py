"""Decisions as Prefect events: automations of Prefect can send them on to mail, chat or a webhook."""

import logging
from datetime import UTC, datetime
from uuid import uuid4

import httpx

from slipway.ports.notifier import Decision

log = logging.getLogger(__name__)


class PrefectNotifier:
    """Emits `slipway.release.KIND` for every decision."""

    def __init__(self, api: str, timeout_seconds: float = 5) -> None:
        """Keep the API's address; nothing is called yet."""
        self._api, self._timeout = api, timeout_seconds

    def tell(self, decision: Decision) -> None:
        """Post one event; a server that is down is logged, and the release goes on."""
        event = {
            "id": str(uuid4()),
            "event": f"slipway.release.{decision.kind}",
            "occurred": datetime.now(UTC).isoformat(),
            "resource": {
                "prefect.resource.id": f"slipway.model.{decision.model}",
                "prefect.resource.name": decision.model,
                "slipway.version": str(decision.version),
                "slipway.release": decision.release_id,
            },
            "payload": {"model": decision.model, "version": decision.version, "reason": decision.reason},
        }
        try:
            httpx.post(f"{self._api}/events", json=[event], timeout=self._timeout).raise_for_status()
        except httpx.HTTPError as no:
            log.warning("%s: the event %s was not taken (%s)", decision.release_id, decision.kind, type(no).__name__)
