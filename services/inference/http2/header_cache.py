"""Caches the parsed header blocks of one connection."""

from typing import Any

from services.inference.http2.hpack_codec import HpackDecoder
from services.inference.http2.streams import MalformedRequest, StreamApplication

CACHED_BLOCKS = 64
"""Most cached blocks; a client that needs more repeats none."""
MALFORMED = object()
"""Parse result of a block that is not a request."""


class HeaderBlockCache:
    """Parses header blocks, in their order: each may change the meaning of the next ones.

    A client's blocks are mostly the same few bytes, which refer to entries of its table. They have the same meaning as
    long as no block changes the table.
    """

    __slots__ = ("_application", "_known", "_reader")

    def __init__(self, application: StreamApplication, most: int) -> None:
        """Parse fields, of at most so many bytes, with an application."""
        self._application = application
        self._reader = HpackDecoder(most)
        self._known: dict[bytes, Any] = {}

    def read_head(self, block: bytes) -> Any:  # noqa: ANN401 - the application's own
        """Return the head that a block encodes, or MALFORMED; raise ConnectionFault."""
        return self._known.get(block) or self._read(block)

    def _read(self, block: bytes) -> Any:  # noqa: ANN401 - as above
        fields = self._reader.decode(block)
        try:
            head = self._application.parse_head(fields)
        except MalformedRequest:
            head = MALFORMED
        if self._reader.changed:
            self._known.clear()  # the same bytes, and this block's, have another meaning now
            self._reader.changed = False
            return head
        if len(self._known) >= CACHED_BLOCKS:
            self._known.clear()
        self._known[block] = head
        return head
