"""Live requests that revisions recorded, if their release spec enables it."""

from typing import Protocol

from slipway.domain.gates.contract.recorded import RecordedSample


class RecordedRequests(Protocol):
    """What clients sent, as far as `serving.capture_share` let it be kept."""

    def read_newest(self, model: str, revision: str) -> RecordedSample:
        """Return the newest requests of a revision that runs; none where its `capture_share` is 0, and no look then.

        How much of a log is read is bounded. Raises TransientError or PermanentError where it can't be.
        """
        ...
