"""Header blocks (HPACK, RFC 7541): decoded with the peer's dynamic table, encoded without one.

Responses have the same few fields, which are encoded once as literals, so that a block is a concatenation of prepared
bytes. The static table and the Huffman code are those of the package `hpack`.
"""

from collections import deque

from hpack import HPACKError
from hpack.huffman_table import decode_huffman
from hpack.table import HeaderTable

from services.inference.http2.frames import ConnectionFault, ErrorCode

Field = tuple[bytes, bytes]
STATIC: tuple[Field, ...] = ((b"", b""), *HeaderTable.STATIC_TABLE)
"""The static table by index; index 0 is not used."""
TABLE_SIZE = 4096
"""Largest dynamic table: HTTP/2's default, which the service's settings don't change."""
ENTRY = 32
"""Overhead of an entry in the table's size (RFC 7541, section 4.1)."""
LONGEST_SHIFT = 28
"""Largest shift of a number's 7-bit digits; larger numbers are errors."""
NO_TABLE = b"\x20"
"""Prefix of the first block that is sent: sets the dynamic table's size to 0."""


class HpackDecoder:
    """Decodes the header blocks of one connection, each once and in order."""

    def __init__(self, most: int) -> None:
        """Return at most so many bytes of fields, counted as HTTP/2 does."""
        self._limit_bytes = most
        self._entries: deque[Field] = deque()
        self._size = 0
        self._table_limit = TABLE_SIZE
        self.changed = False
        """A block changed the table, and with it the meaning of other blocks."""

    def decode(self, block: bytes) -> list[Field] | None:
        """Return the fields of a block in order; None: there are too many. Raise ConnectionFault for a broken block."""
        try:
            return self._decode(block)
        except (IndexError, HPACKError) as error:
            raise _make_fault("it breaks off, or is not Huffman's code") from error

    def _decode(self, block: bytes) -> list[Field] | None:
        fields: list[Field] = []
        place, end, size = 0, len(block), 0
        while place < end:
            first = block[place]
            if first & 0x80:  # an indexed field
                index, place = _decode_number(block, place, 0x7F)
                field = STATIC[index] if 0 < index < len(STATIC) else self._get_entry(index)
            elif first & 0x40:  # a literal that is added to the table
                field, place = self._decode_literal(block, place, 0x3F)
                self._add_entry(field)
            elif first & 0x20:  # a new size of the table
                if size:
                    raise _make_fault("the table's size changes behind a field")
                place = self._resize_table(block, place)
                continue
            else:  # a literal
                field, place = self._decode_literal(block, place, 0x0F)
            size += ENTRY + len(field[0]) + len(field[1])
            if size <= self._limit_bytes:
                fields.append(field)
        return fields if size <= self._limit_bytes else None

    def _get_entry(self, index: int) -> Field:
        """Return an entry by its index; raise ConnectionFault, or IndexError beyond the dynamic table."""
        if not index:
            raise _make_fault("index 0")
        return STATIC[index] if index < len(STATIC) else self._entries[index - len(STATIC)]

    def _decode_literal(self, block: bytes, place: int, mask: int) -> tuple[Field, int]:
        index, place = _decode_number(block, place, mask)
        if index:
            name = self._get_entry(index)[0]
        else:
            name, place = _decode_text(block, place)
        value, place = _decode_text(block, place)
        return (name, value), place

    def _add_entry(self, field: Field) -> None:
        self.changed = True
        self._entries.appendleft(field)
        self._size += ENTRY + len(field[0]) + len(field[1])
        self._evict()

    def _resize_table(self, block: bytes, place: int) -> int:
        self.changed = True
        self._table_limit, place = _decode_number(block, place, 0x1F)
        if self._table_limit > TABLE_SIZE:
            raise _make_fault(f"a table of {self._table_limit} bytes, of at most {TABLE_SIZE}")
        self._evict()
        return place

    def _evict(self) -> None:
        """Drop the oldest entries until the rest fits; an entry larger than the table empties it."""
        while self._size > self._table_limit:
            name, value = self._entries.pop()
            self._size -= ENTRY + len(name) + len(value)


def _decode_number(block: bytes, place: int, mask: int) -> tuple[int, int]:
    """Return a number that begins in the low bits of a byte, and the position after it.

    Raises IndexError, or ConnectionFault.

    >>> _decode_number(bytes([0b11101010]), 0, 0x1F), _decode_number(bytes([31, 154, 10]), 0, 0x1F)
    ((10, 1), (1337, 3))
    """
    number = block[place] & mask
    place += 1
    if number < mask:
        return number, place
    shift = 0
    while True:
        digit = block[place]
        place += 1
        number += (digit & 0x7F) << shift
        if digit < 0x80:  # noqa: PLR2004 - the continuation bit
            return number, place
        shift += 7
        if shift > LONGEST_SHIFT:
            raise _make_fault("a number of more than 32 bits")


def _decode_text(block: bytes, place: int) -> tuple[bytes, int]:
    packed = block[place] & 0x80
    size, place = _decode_number(block, place, 0x7F)
    end = place + size
    if end > len(block):
        raise _make_fault("a text breaks off")
    text = block[place:end]
    return (decode_huffman(text) if packed else text), end


def _make_fault(why: str) -> ConnectionFault:
    return ConnectionFault(ErrorCode.COMPRESSION_ERROR, f"a header block can't be read: {why}")


def encode_fields(*fields: Field) -> bytes:
    r"""Return a block of literals that are not added to the table.

    >>> encode_fields((b"a", b"1"))
    b'\x00\x01a\x011'
    """
    return b"".join(
        part
        for name, value in fields
        for part in (b"\x00", _encode_length(len(name)), name, _encode_length(len(value)), value)
    )


def _encode_length(size: int) -> bytes:
    """Return the encoded length of a text that is not Huffman coded."""
    if size < 0x7F:  # noqa: PLR2004 - what fits into 7 bits, with their largest number left out
        return bytes([size])
    digits = [0x7F]
    size -= 0x7F
    while size >= 0x80:  # noqa: PLR2004 - as above
        digits.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes([*digits, size])
