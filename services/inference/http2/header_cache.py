"""What the header blocks of one connection mean: each is read once, where that is possible."""

from typing import Any

from services.inference.http2.hpack_codec import HpackDecoder
from services.inference.http2.streams import MalformedRequest, StreamApplication

CACHED_BLOCKS = 64
"""Header blocks whose meaning is kept; more are those of a client that sends no two alike."""
MALFORMED = object()
"""Stands for what a header block means that is no request."""


class HeaderBlockCache:
    """Reads header blocks, in their order: each may change what the next ones mean.

    A client's requests are mostly the same few bytes, which stand for entries of its table. They mean the same as
    before as long as no block changes the table.
    """

    __slots__ = ("_application", "_known", "_reader")

    def __init__(self, application: StreamApplication, most: int) -> None:
        """Have an application say what fields mean, of at most so many bytes."""
        self._application = application
        self._reader = HpackDecoder(most)
        self._known: dict[bytes, Any] = {}

    def read_head(self, block: bytes) -> Any:  # noqa: ANN401 - the application's own
        """Return what a block means, or MALFORMED; raise ConnectionFault."""
        return self._known.get(block) or self._read(block)

    def _read(self, block: bytes) -> Any:  # noqa: ANN401 - as above
        fields = self._reader.decode(block)
        try:
            head = self._application.parse_head(fields)
        except MalformedRequest:
            head = MALFORMED
        if self._reader.changed:
            self._known.clear()  # their bytes mean something else now; and this block's would, too
            self._reader.changed = False
            return head
        if len(self._known) >= CACHED_BLOCKS:
            self._known.clear()
        self._known[block] = head
        return head
