"""Remembers the streams that were closed before their requests ended: frames of them may still arrive."""

from services.inference.http2.frames import ConnectionFault, ErrorCode

REMEMBERED = 1024
"""Most remembered streams; frames of older ones are ignored."""


class ClosedStreams:
    """The streams of one connection that the server closed early.

    >>> closed = ClosedStreams()
    >>> closed.add(3)
    >>> closed.check(3)
    >>> closed.check(5)
    Traceback (most recent call last):
    ...
    services.inference.http2.frames.ConnectionFault: a frame of stream 5, which is closed
    """

    __slots__ = ("_highest_forgotten", "_numbers")

    def __init__(self) -> None:
        """Start without streams."""
        self._numbers: dict[int, None] = {}
        self._highest_forgotten = 0

    def add(self, number: int) -> None:
        """Remember a stream, and forget the oldest if there are too many."""
        self._numbers[number] = None
        if len(self._numbers) > REMEMBERED:
            oldest = next(iter(self._numbers))
            del self._numbers[oldest]
            self._highest_forgotten = max(self._highest_forgotten, oldest)

    def remove(self, number: int) -> None:
        """Forget a stream whose request has ended: no more frames of it may arrive."""
        self._numbers.pop(number, None)

    def check(self, number: int) -> None:
        """Raise ConnectionFault if frames of a closed stream are an error."""
        if number not in self._numbers and number > self._highest_forgotten:
            raise ConnectionFault(ErrorCode.STREAM_CLOSED, f"a frame of stream {number}, which is closed")
