"""What goes to the peer: frames within its windows, whole where they fit, and the rest when it takes more."""

from collections.abc import Callable

from services.inference.http2.frames import (
    END_HEADERS,
    END_STREAM,
    FIRST_WINDOW,
    FRAME_SIZE,
    MOST_WINDOW,
    ConnectionFault,
    ErrorCode,
    FrameKind,
    make_frame,
)
from services.inference.http2.hpack_codec import NO_TABLE
from services.inference.http2.streams import Stream

HEADERS, TRAILERS = bytes([FrameKind.HEADERS, END_HEADERS]), bytes([FrameKind.HEADERS, END_HEADERS | END_STREAM])
DATA = bytes([FrameKind.DATA, 0])
"""Kind and flags."""


class FlowController:
    """The frames of one connection that the peer's windows bound."""

    __slots__ = ("_finished", "_no_table", "_waiting", "_write", "frame_size", "initial_window", "window")

    def __init__(self, write: Callable[[bytes], None], finished: Callable[[Stream], None]) -> None:
        """Send by `write`; `finished` is told of streams whose last frame was sent."""
        self._write, self._finished = write, finished
        self.window = self.initial_window = FIRST_WINDOW
        self.frame_size = FRAME_SIZE
        self._no_table = NO_TABLE
        self._waiting: dict[int, Stream] = {}

    def send_response(self, stream: Stream, headers: bytes, body: bytes, trailers: bytes) -> None:
        """Send a whole answer: two header blocks and the body between them; in one piece where it fits."""
        size = len(body)
        if size > self.window or size > stream.window or size > self.frame_size:
            self.send_headers(stream, headers)
            self.send_data(stream, body)
            self.send_trailers(stream, trailers)
            return
        self.window -= size
        number = stream.id.to_bytes(4, "big")
        headers = self._prefix_block(headers)
        self._write(
            b"".join(
                (
                    *(len(headers).to_bytes(3, "big"), HEADERS, number, headers),
                    *(size.to_bytes(3, "big"), DATA, number, body),
                    *(len(trailers).to_bytes(3, "big"), TRAILERS, number, trailers),
                )
            )
        )
        self._finished(stream)

    def send_headers(self, stream: Stream, block: bytes) -> None:
        """Send the block before the body."""
        self._write(make_frame(FrameKind.HEADERS, END_HEADERS, stream.id, self._prefix_block(block)))

    def send_data(self, stream: Stream, body: bytes) -> None:
        """Send a piece of the body, behind what waits already."""
        size = len(body)
        if not stream.outbox and size <= min(self.frame_size, self.window, stream.window):
            self._send_frame(stream, body)
            return
        stream.outbox += body
        if stream.id not in self._waiting:
            self._waiting[stream.id] = stream
            self.flush()

    def send_trailers(self, stream: Stream, block: bytes) -> None:
        """Send the block that ends the stream, when all before it is sent."""
        if stream.outbox:
            stream.trailers = block
        else:
            self._write(make_frame(FrameKind.HEADERS, END_HEADERS | END_STREAM, stream.id, self._prefix_block(block)))
            self._finished(stream)

    def flush(self) -> None:
        """Send what waits, a frame of each stream in turn, as far as the windows go."""
        sent = True
        while sent:
            sent = False
            for stream in list(self._waiting.values()):
                sent = self._send_next(stream) or sent

    def drop(self, stream: Stream) -> None:
        """Send no more of a stream."""
        self._waiting.pop(stream.id, None)

    def widen_window(self, stream: Stream | None, more: int) -> bool:
        """Add to the connection's window (None) or to a stream's; False: it would be larger than there is."""
        holder: FlowController | Stream = self if stream is None else stream
        if holder.window + more > MOST_WINDOW:
            return False
        holder.window += more
        return True

    def change_initial_window(self, size: int, streams: list[Stream]) -> None:
        """Take the peer's window of new streams; it moves those of the present ones too. Raise ConnectionFault."""
        if size > MOST_WINDOW:
            raise ConnectionFault(ErrorCode.FLOW_CONTROL_ERROR, f"a window of {size} bytes")
        change, self.initial_window = size - self.initial_window, size
        for stream in streams:
            if not self.widen_window(stream, change):
                raise ConnectionFault(ErrorCode.FLOW_CONTROL_ERROR, f"a window of {stream.window + change} bytes")

    def _send_next(self, stream: Stream) -> bool:
        """Send the next frame of a stream that waits; tell whether there was room for one."""
        if stream.id not in self._waiting:  # as sending another one's last frame may end this one
            return False
        size = min(len(stream.outbox), self.frame_size, self.window, stream.window)
        if size > 0:
            self._send_frame(stream, bytes(stream.outbox[:size]))
            del stream.outbox[:size]
        if not stream.outbox:
            self.drop(stream)
            if stream.trailers is None:
                stream.on_drained()
            else:
                self.send_trailers(stream, stream.trailers)
        return size > 0

    def _send_frame(self, stream: Stream, piece: bytes) -> None:
        self.window -= len(piece)
        stream.window -= len(piece)
        self._write(make_frame(FrameKind.DATA, 0, stream.id, piece))

    def _prefix_block(self, block: bytes) -> bytes:
        """Return a block; the first one says that it needs no table."""
        if self._no_table:
            block, self._no_table = self._no_table + block, b""
        return block
