"""Estimates of how long runs take and how fast requests are answered, from past runs."""

SMOOTHING = 0.1
"""Weight of a run in the averages of rows per request and of seconds per response."""
FALLING, RISING = 0.3, 0.02
"""Weights of a run in the expected time, if it took less than expected and if it took more: other load on the machine
makes single runs look slow, and nothing makes them look fast."""


class RunTimes:
    """Expected time of a run by its rows, in classes of powers of two.

    >>> expected = RunTimes()
    >>> expected.record_run(1, 1, 0.001)
    >>> expected.predict_seconds(1), expected.predict_seconds(8)
    (0.001, 0.008)
    """

    def __init__(self) -> None:
        """Expect no time until the first run."""
        self._by_size: list[float | None] = [None] * 32
        self._each = 0.0
        """Seconds per request: its share of a batch's time."""
        self.rows = 1.0
        """Rows of one request."""
        self.concurrency = 1
        """Runs at the same time."""
        self._paced = self._usual = 0.0

    @property
    def pace(self) -> float:
        """Seconds per response while requests wait, including the event loop's own work between runs."""
        return max(self._each / self.concurrency, self._paced)

    @property
    def slowness(self) -> float:
        """Current over usual seconds per response: more than 1 on a busy machine."""
        return max(1.0, self._paced / self._usual) if self._usual else 1.0

    def predict_seconds(self, rows: int) -> float:
        """Return the expected seconds of a run of so many rows; for unknown sizes, proportional to a smaller one."""
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
        """Update from a run."""
        size = rows.bit_length()
        known = self._by_size[size]
        self._by_size[size] = took if known is None else _smooth(known, took)
        self.rows += SMOOTHING * (rows / requests - self.rows)
        share = took / requests
        self._each = _smooth(self._each, share) if self._each else share

    def record_pace(self, requests: int, took: float) -> None:
        """Update from a run that requests waited for; `took` is measured from the end of the run before it."""
        share = took / requests
        self._usual = _smooth(self._usual or share, share)
        known = self._paced or share
        self._paced = known + SMOOTHING * (min(share, 2 * known) - known)  # limits the effect of a single stall


def _smooth(expected: float, took: float) -> float:
    """Return the expected time after one more run."""
    return expected + (FALLING if took < expected else RISING) * (took - expected)
