"""Sends frames within the peer's windows: in one piece if they fit, the rest after window updates."""

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
"""Kind and flags of frames."""


class FlowController:
    """Sends one connection's responses within the peer's windows."""

    __slots__ = ("_finished", "_no_table", "_waiting", "_write", "frame_size", "initial_window", "window")

    def __init__(self, write: Callable[[bytes], None], finished: Callable[[Stream], None]) -> None:
        """Send with `write`; `finished` is called with each stream whose last frame was sent."""
        self._write, self._finished = write, finished
        self.window = self.initial_window = FIRST_WINDOW
        self.frame_size = FRAME_SIZE
        self._no_table = NO_TABLE
        self._waiting: dict[int, Stream] = {}

    def send_response(self, stream: Stream, headers: bytes, body: bytes, trailers: bytes) -> None:
        """Send a response: headers, body and trailers, in one piece if it fits."""
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
        """Send the headers."""
        self._write(make_frame(FrameKind.HEADERS, END_HEADERS, stream.id, self._prefix_block(block)))

    def send_data(self, stream: Stream, body: bytes) -> None:
        """Send a piece of the body, after what waits already."""
        size = len(body)
        if not stream.outbox and size <= min(self.frame_size, self.window, stream.window):
            self._send_frame(stream, body)
            return
        stream.outbox += body
        if stream.id not in self._waiting:
            self._waiting[stream.id] = stream
            self.flush()

    def send_trailers(self, stream: Stream, block: bytes) -> None:
        """Send the trailers, which end the stream, after all data."""
        if stream.outbox:
            stream.trailers = block
        else:
            self._write(make_frame(FrameKind.HEADERS, END_HEADERS | END_STREAM, stream.id, self._prefix_block(block)))
            self._finished(stream)

    def flush(self) -> None:
        """Send waiting data, a frame of each stream in turn, as far as the windows allow."""
        sent = True
        while sent:
            sent = False
            for stream in list(self._waiting.values()):
                sent = self._send_next(stream) or sent

    def drop(self, stream: Stream) -> None:
        """Drop a stream's waiting data."""
        self._waiting.pop(stream.id, None)

    def widen_window(self, stream: Stream | None, more: int) -> bool:
        """Add to the window of the connection (None) or a stream; False: it would exceed the largest window."""
        holder: FlowController | Stream = self if stream is None else stream
        if holder.window + more > MOST_WINDOW:
            return False
        holder.window += more
        return True

    def change_initial_window(self, size: int, streams: list[Stream]) -> None:
        """Set the initial window, and move those of active streams by the difference; raise ConnectionFault."""
        if size > MOST_WINDOW:
            raise ConnectionFault(ErrorCode.FLOW_CONTROL_ERROR, f"a window of {size} bytes")
        change, self.initial_window = size - self.initial_window, size
        for stream in streams:
            if not self.widen_window(stream, change):
                raise ConnectionFault(ErrorCode.FLOW_CONTROL_ERROR, f"a window of {stream.window + change} bytes")

    def _send_next(self, stream: Stream) -> bool:
        """Send the next frame of a waiting stream; return whether a window allowed one."""
        if stream.id not in self._waiting:  # sending another stream's last frame may have ended this one
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
        """Return a header block; the first one sets the size of the dynamic table to 0."""
        if self._no_table:
            block, self._no_table = self._no_table + block, b""
        return block
