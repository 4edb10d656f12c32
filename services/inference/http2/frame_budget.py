"""How many frames that ask for work, and bring none of a request's own, a peer may send."""

from collections.abc import Callable

from services.inference.http2.frames import ConnectionFault, ErrorCode

BUDGET_SECONDS = 1.0
FRAMES_PER_SECOND = 5000
"""In a second: more than any client needs, and a few hundredths of a core."""


class FrameBudget:
    """Counts pings, settings, resets, empty frames and their like of one connection.

    >>> budget = FrameBudget(lambda: 0.0, most=2)
    >>> budget.spend(), budget.spend()
    (None, None)
    """

    __slots__ = ("_clock", "_most", "_since", "_taken")

    def __init__(self, clock: Callable[[], float], most: int = FRAMES_PER_SECOND) -> None:
        """Begin with none taken, on a clock in seconds."""
        self._clock, self._most = clock, most
        self._since, self._taken = clock(), 0

    def spend(self) -> None:
        """Count one; raise ConnectionFault where there were too many within a second."""
        self._taken += 1
        if self._taken > self._most:
            now = self._clock()
            if now - self._since < BUDGET_SECONDS:
                raise ConnectionFault(
                    ErrorCode.ENHANCE_YOUR_CALM,
                    f"more than {self._most} frames in {BUDGET_SECONDS:g} s that bring nothing",
                )
            self._since, self._taken = now, 1
