"""Which deliveries were taken already: bounded memory that forgets what could not be replayed any more."""

from collections import OrderedDict
from threading import Lock


class Seen:
    """Delivery ids with the time until which each must be remembered. Threads may share it.

    Over the limit the oldest go first: a replay of one of those asks for a release again, and the orchestrator's
    idempotency key makes that the same run.
    """

    def __init__(self, limit: int = 10_000) -> None:
        """Remember at most so many."""
        self._limit = limit
        self._until: OrderedDict[str, float] = OrderedDict()
        self._lock = Lock()

    def claim(self, delivery_id: str, *, now: float, until: float) -> bool:
        """Remember an id until then (unix seconds); return False when it is remembered already."""
        with self._lock:
            if self._until.get(delivery_id, 0.0) > now:
                return False
            for old in [one for one, end in self._until.items() if end <= now]:
                del self._until[old]
            self._until[delivery_id] = until
            while len(self._until) > self._limit:
                self._until.popitem(last=False)
            return True

    def forget(self, delivery_id: str) -> None:
        """Let a delivery come again: what it asked for could not be done."""
        with self._lock:
            self._until.pop(delivery_id, None)

    def __len__(self) -> int:
        """How many are remembered."""
        return len(self._until)
