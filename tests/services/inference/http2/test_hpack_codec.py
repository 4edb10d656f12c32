"""Header blocks: ours are compared with those of the package `hpack`, in both directions."""

import pytest
from hpack import Decoder, Encoder
from hpack.exceptions import HPACKError
from hypothesis import given
from hypothesis import strategies as st

from services.inference.http2.frames import ConnectionFault
from services.inference.http2.hpack_codec import HpackDecoder, encode_fields

MOST = 1 << 20
NAMES = st.sampled_from([b":path", b"te", b"content-type", b"x-request-id", b"grpc-timeout", b"a"]) | st.binary(
    min_size=1, max_size=20
)
VALUES = st.sampled_from([b"/", b"trailers", b"application/grpc", b""]) | st.binary(max_size=300)
BLOCKS = st.lists(st.lists(st.tuples(NAMES, VALUES), max_size=12), max_size=12)


@given(blocks=BLOCKS, huffman=st.booleans(), sizes=st.lists(st.integers(0, 4096), max_size=12))
def test_what_others_write_is_read(blocks: list[list[tuple[bytes, bytes]]], huffman: bool, sizes: list[int]) -> None:  # noqa: FBT001
    """By their table as it changes, and as its size does."""
    encoder, reader = Encoder(), HpackDecoder(MOST)

    seen = []
    for number, fields in enumerate(blocks):
        if number < len(sizes):
            encoder.header_table_size = sizes[number]
        seen.append(reader.decode(encoder.encode(fields, huffman=huffman)))

    assert seen == blocks


@given(fields=st.lists(st.tuples(NAMES, VALUES), max_size=12))
def test_what_we_write_is_read_by_others(fields: list[tuple[bytes, bytes]]) -> None:
    """Without a table."""
    assert [tuple(one) for one in Decoder(MOST).decode(encode_fields(*fields), raw=True)] == fields


@given(blocks=st.lists(st.binary(max_size=40), max_size=4))
def test_any_bytes_are_read_as_others_read_them_or_refused(blocks: list[bytes]) -> None:
    """A block that they refuse we refuse too; and nothing else is raised."""
    decoder, reader = Decoder(MOST), HpackDecoder(MOST)
    for block in blocks:
        try:
            expected = [tuple(one) for one in decoder.decode(block, raw=True)]
        except (HPACKError, IndexError):
            with pytest.raises(ConnectionFault):
                reader.decode(block)
            return
        try:
            assert reader.decode(block) == expected
        except ConnectionFault as fault:
            assert "32 bits" in str(fault) or "size changes" in str(fault)  # noqa: PT017 - where they are more patient
            return


def test_too_many_fields_are_left_out_and_the_table_goes_on() -> None:
    """The next block means what its writer thinks."""
    encoder, reader = Encoder(), HpackDecoder(100)

    first = reader.decode(encoder.encode([(b"a", b"x" * 200), (b"b", b"1")]))
    second = reader.decode(encoder.encode([(b"b", b"1")]))

    assert (first, second) == (None, [(b"b", b"1")])
