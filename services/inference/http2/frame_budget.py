"""How many frames that ask for work, and bring none of a request's own, a peer may send."""

from collections.abc import Callable

from services.inference.http2.frames import Code, Fault

SECONDS = 1.0
MOST = 5000
"""In a second: more than any client needs, and a few hundredths of a core."""


class Rations:
    """Counts pings, settings, resets, empty frames and their like of one connection.

    >>> rations = Rations(lambda: 0.0, most=2)
    >>> rations.take(), rations.take()
    (None, None)
    """

    __slots__ = ("_clock", "_most", "_since", "_taken")

    def __init__(self, clock: Callable[[], float], most: int = MOST) -> None:
        """Begin with none taken, on a clock in seconds."""
        self._clock, self._most = clock, most
        self._since, self._taken = clock(), 0

    def take(self) -> None:
        """Count one; raise Fault where there were too many within a second."""
        self._taken += 1
        if self._taken > self._most:
            now = self._clock()
            if now - self._since < SECONDS:
                raise Fault(
                    Code.ENHANCE_YOUR_CALM, f"more than {self._most} frames in {SECONDS:g} s that bring nothing"
                )
            self._since, self._taken = now, 1
