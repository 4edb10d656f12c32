"""What a run takes and how fast requests are answered, as the runs of the past tell."""

SMOOTHING = 0.1
"""Weight of a run in how many rows requests have, and in how fast a queue is worked off."""
FALLING, RISING = 0.3, 0.02
"""Weights of a run in what the next is expected to take, where it took less than expected and where it took more: a
machine that is busy with something else for a moment makes runs look slow, and nothing makes them look fast."""


class RunTimes:
    """What a run takes, by its rows; doubled rows are told apart.

    >>> expected = RunTimes()
    >>> expected.record_run(1, 1, 0.001)
    >>> expected.predict_seconds(1), expected.predict_seconds(8)
    (0.001, 0.008)
    """

    def __init__(self) -> None:
        """Know nothing yet: no run takes any time."""
        self._by_size: list[float | None] = [None] * 32
        self._each = 0.0
        """Seconds of one request, its share of the runs it had company in."""
        self.rows = 1.0
        """Rows of one request."""
        self.concurrency = 1
        """Runs at the same time."""
        self._paced = self._usual = 0.0

    @property
    def pace(self) -> float:
        """Seconds from one answer to the next while requests wait: what the event loop does between runs is in it."""
        return max(self._each / self.concurrency, self._paced)

    @property
    def slowness(self) -> float:
        """How many times as long as usual it takes from one answer to the next: more than 1 on a busy machine."""
        return max(1.0, self._paced / self._usual) if self._usual else 1.0

    def predict_seconds(self, rows: int) -> float:
        """Return what a run of so many rows is expected to take; of sizes never seen, in proportion at the most."""
        size = rows.bit_length()
        known = self._by_size[size]
        if known is not None:
            return known
        for smaller in range(size - 1, 0, -1):
            seen = self._by_size[smaller]
            if seen is not None:
                return seen * (1 << (size - smaller))
        return 0.0

    def record_run(self, rows: int, requests: int, took: float) -> None:
        """Learn from a run."""
        size = rows.bit_length()
        known = self._by_size[size]
        self._by_size[size] = took if known is None else _smooth(known, took)
        self.rows += SMOOTHING * (rows / requests - self.rows)
        share = took / requests
        self._each = _smooth(self._each, share) if self._each else share

    def record_pace(self, requests: int, took: float) -> None:
        """Learn from a run that requests waited for, from the end of the one before it."""
        share = took / requests
        self._usual = _smooth(self._usual or share, share)
        known = self._paced or share
        self._paced = known + SMOOTHING * (min(share, 2 * known) - known)  # one stall tells little


def _smooth(expected: float, took: float) -> float:
    """Return what is expected after one more run."""
    return expected + (FALLING if took < expected else RISING) * (took - expected)
