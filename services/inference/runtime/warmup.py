"""Detects whether a replica is warm: its run times have settled, or it has done many runs."""

from statistics import median

WINDOW = 32
"""Runs per window; the medians of consecutive windows are compared."""
SETTLED = 1.25
"""Run times have settled if neither median is more than so many times the other."""
MANY = 1000
"""After so many runs the replica counts as warm, however run times vary."""


class WarmupDetector:
    """Follows the first runs after the start; once warm, it stays so.

    >>> warmth = WarmupDetector()
    >>> for number in range(64):
    ...     warmth.record_run(0.03 if number < 40 else 0.01)
    >>> warmth.warm
    False
    >>> for _ in range(32):
    ...     warmth.record_run(0.01)
    >>> warmth.warm
    True
    """

    def __init__(self) -> None:
        """Begin cold."""
        self.warm = False
        self._runs = 0
        self._seconds: list[float] = []
        self._before: float | None = None

    def record_run(self, seconds: float) -> None:
        """Record the seconds per row of a run."""
        self._runs += 1
        self._seconds.append(seconds)
        if self._runs >= MANY:
            self.warm = True
        elif len(self._seconds) == WINDOW:
            now, before = median(self._seconds), self._before
            if before is not None and max(now, before) <= SETTLED * min(now, before):
                self.warm = True
            self._before, self._seconds = now, []
