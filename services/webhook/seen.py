"""Deliveries that were accepted already: a bounded store that drops those that can't be replayed any more."""

from collections import OrderedDict
from threading import Lock


class AcceptedDeliveries:
    """Delivery ids with the time until which each must be stored. Threads may share it.

    Over the limit the oldest are dropped first: a replay of one of those requests a release again, and with the
    orchestrator's idempotency key that is the same run.
    """

    def __init__(self, limit: int = 10_000) -> None:
        """Store at most this many."""
        self._limit = limit
        self._until: OrderedDict[str, float] = OrderedDict()
        self._lock = Lock()

    def claim(self, delivery_id: str, *, now: float, until: float) -> bool:
        """Store an id until then (unix seconds); return False if it is stored already."""
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
        """Allow a delivery again, because its request could not be done."""
        with self._lock:
            self._until.pop(delivery_id, None)

    def __len__(self) -> int:
        """Return the number of stored ids."""
        return len(self._until)
