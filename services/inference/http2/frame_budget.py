"""Limits the frames that cost work without being part of a request."""

from collections.abc import Callable

from services.inference.http2.frames import ConnectionFault, ErrorCode

BUDGET_SECONDS = 1.0
FRAMES_PER_SECOND = 5000
"""Frames per second: more than any client needs, and a few hundredths of a core."""


class FrameBudget:
    """Counts one connection's pings, settings, resets, empty frames and similar ones.

    >>> budget = FrameBudget(lambda: 0.0, most=2)
    >>> budget.spend(), budget.spend()
    (None, None)
    """

    __slots__ = ("_clock", "_most", "_since", "_taken")

    def __init__(self, clock: Callable[[], float], most: int = FRAMES_PER_SECOND) -> None:
        """Start with a full budget; `clock` returns seconds."""
        self._clock, self._most = clock, most
        self._since, self._taken = clock(), 0

    def spend(self) -> None:
        """Count one; raise ConnectionFault if there were too many within a second."""
        self._taken += 1
        if self._taken > self._most:
            now = self._clock()
            if now - self._since < BUDGET_SECONDS:
                raise ConnectionFault(
                    ErrorCode.ENHANCE_YOUR_CALM,
                    f"more than {self._most} frames in {BUDGET_SECONDS:g} s that bring nothing",
                )
            self._since, self._taken = now, 1
