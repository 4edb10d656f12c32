"""The last writer of a field of a live object: the API server records it by manager."""

from collections.abc import Sequence
from typing import Any

from slipway.adapters.kubernetes.kinds import Manifest

OURS = "slipway"


def find_editor(live: Manifest, *path: str) -> str | None:
    """Return the manager that changed a field since we wrote it; None: it is still ours, or has none.

    >>> by_hand = {"manager": "kubectl-edit", "fieldsV1": {"f:spec": {"f:rules": {}}}}
    >>> find_editor({"metadata": {"managedFields": [by_hand]}}, "spec", "rules")
    'kubectl-edit'
    """
    entries: Sequence[dict[str, Any]] = live["metadata"].get("managedFields") or []
    owners = [entry for entry in entries if _owns_field(entry.get("fieldsV1") or {}, path)]
    if any(entry["manager"] == OURS for entry in owners):
        return None
    latest = max(owners, key=lambda entry: str(entry.get("time", "")), default=None)
    return None if latest is None else str(latest["manager"])


def _owns_field(fields: Manifest, path: Sequence[str]) -> bool:
    for key in path:
        if f"f:{key}" not in fields:
            return False
        fields = fields[f"f:{key}"]
    return True
