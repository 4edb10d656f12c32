"""The streams of one connection: passes frames to their streams (RFC 9113)."""

from collections.abc import Callable

from services.inference.http2 import frames
from services.inference.http2.closed_streams import ClosedStreams
from services.inference.http2.flow_control import FlowController
from services.inference.http2.frame_budget import FrameBudget
from services.inference.http2.frames import (
    FRAME_SIZE,
    ConnectionFault,
    ErrorCode,
    FrameKind,
    Setting,
    make_frame,
    make_window_update,
)
from services.inference.http2.header_cache import MALFORMED, HeaderBlockCache
from services.inference.http2.streams import ConnectionEvents, Limits, Stream, StreamApplication


class Session:
    """Handles the frames of one peer, after its preface."""

    def __init__(
        self,
        application: StreamApplication,
        limits: Limits,
        write: Callable[[bytes], None],
        events: ConnectionEvents,
        budget: FrameBudget,
    ) -> None:
        """Start streams with an application, and send with `write`."""
        self._application, self.limits, self._write, self._events = application, limits, write, events
        self._budget = budget
        self._streams: dict[int, Stream] = {}
        self._incomplete: list[Stream] = []
        """Streams that began with the current bytes, and are incomplete."""
        self._header_cache = HeaderBlockCache(application, limits.fields)
        self.flow = FlowController(write, self._finish_stream)
        self._partial_block: tuple[int, int, bytearray] | None = None
        """An incomplete header block: flags, stream, bytes."""
        self.last_stream = 0
        """The latest stream that the peer started."""
        self._highest_accepted = frames.STREAM_BITS
        """Higher streams are refused while the connection drains."""
        self._closed_early = ClosedStreams()
        self._unreturned = 0
        """Received bytes of the connection's window without a window update."""
        self._handlers = (
            *(
                self._handle_data,
                self._handle_headers,
                self._handle_priority,
                self._handle_reset,
                self._handle_settings,
                self._handle_push_promise,
            ),
            *(self._handle_ping, self._handle_goaway, self._handle_window_update, self._handle_continuation),
        )

    def handle_frame(self, kind: int, flags: int, number: int, payload: bytes) -> None:
        """Handle a frame; raise ConnectionFault."""
        if self._partial_block is not None and kind != FrameKind.CONTINUATION:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, f"a frame of kind {kind} within a header block")
        if kind < len(self._handlers):
            self._handlers[kind](flags, number, payload)
        else:
            self._budget.spend()

    def end_turn(self) -> None:
        """Notify streams that began with the current bytes and are still incomplete."""
        if self._incomplete:
            for stream in self._incomplete:
                if not (stream.is_complete or stream.closed):
                    stream.on_incomplete()
            self._incomplete.clear()

    def refuse_new_streams(self) -> None:
        """Refuse streams that the peer starts from now on."""
        self._highest_accepted = self.last_stream
        self._report_empty()

    def drop_all_streams(self) -> None:
        """Drop all streams."""
        for stream in list(self._streams.values()):
            self._drop_stream(stream)

    def widen_receive_window(self, stream: Stream, size: int) -> None:
        """Widen a stream's receive window."""
        if not (stream.closed or stream.is_complete) and size:
            stream.receive_window += size
            self._write(make_window_update(stream.id, size))

    def reset_stream(self, number: int, code: ErrorCode) -> None:
        """Reset a stream after an error of the peer."""
        self._write(make_frame(FrameKind.RST_STREAM, 0, number, code.to_bytes(4, "big")))
        self._budget.spend()
        self._closed_early.add(number)
        stream = self._streams.get(number)
        if stream is not None:
            self._drop_stream(stream)

    def _handle_data(self, flags: int, number: int, payload: bytes) -> None:
        size = len(payload)
        self._unreturned += size
        if self._unreturned > self.limits.window >> 1:
            self._write(make_window_update(0, self._unreturned))
            self._unreturned = 0
        stream = self._streams.get(number)
        if flags & frames.PADDED:
            payload = frames.strip_padding(flags, payload)
        ended = flags & frames.END_STREAM
        if stream is None:
            self._handle_closed_stream(number, ended)
        elif stream.is_complete:
            self.reset_stream(number, ErrorCode.STREAM_CLOSED)
        elif size > stream.receive_window:
            self.reset_stream(number, ErrorCode.FLOW_CONTROL_ERROR)
        else:
            stream.receive_window -= size
            if ended:
                stream.is_complete = True
            else:
                self._account_for_piece(stream, size, payload)
            stream.on_data(payload)

    def _account_for_piece(self, stream: Stream, size: int, payload: bytes) -> None:
        """Account for a piece that is not the last: padding is returned to the window, empty pieces are limited."""
        if size != len(payload):
            self.widen_receive_window(stream, size - len(payload))
        if not payload:
            self._budget.spend()

    def _handle_headers(self, flags: int, number: int, payload: bytes) -> None:
        if not number & 1:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, f"HEADERS of stream {number}, expected an odd number")
        if flags & (frames.PADDED | frames.PRIORITY):
            payload = frames.strip_padding(flags, payload)
            if flags & frames.PRIORITY:
                if len(payload) < 5:  # noqa: PLR2004 - bytes of a priority, which is ignored
                    raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "HEADERS too short for their priority")
                payload = payload[5:]
        if flags & frames.END_HEADERS:
            self._finish_block(flags, number, payload)
        else:
            self._partial_block = (flags, number, bytearray(payload))

    def _handle_continuation(self, flags: int, number: int, payload: bytes) -> None:
        if self._partial_block is None or self._partial_block[1] != number:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "CONTINUATION of no header block")
        begun, _, block = self._partial_block
        self._budget.spend()
        block += payload
        if len(block) > self.limits.fields:
            raise ConnectionFault(
                ErrorCode.ENHANCE_YOUR_CALM, f"a header block of more than {self.limits.fields} bytes"
            )
        if flags & frames.END_HEADERS:
            self._partial_block = None
            self._finish_block(begun, number, bytes(block))

    def _finish_block(self, flags: int, number: int, block: bytes) -> None:
        """Start a stream or end its request. Every block must be decoded, because it may change the table."""
        head = self._header_cache.read_head(block)
        ended = flags & frames.END_STREAM
        if number <= self.last_stream:
            self._end_request(number, ended)
            return
        self.last_stream = number
        if head is MALFORMED:
            self.reset_stream(number, ErrorCode.PROTOCOL_ERROR)
        elif number > self._highest_accepted or len(self._streams) >= self.limits.streams:
            self.reset_stream(number, ErrorCode.REFUSED_STREAM)
        else:
            stream = self._streams[number] = self._application.open_stream(self, number, head)
            stream.is_complete = bool(ended)
            stream.on_open()
            if ended:
                stream.on_data(b"")
            else:
                self._incomplete.append(stream)

    def _end_request(self, number: int, ended: int) -> None:
        stream = self._streams.get(number)
        if stream is None:
            self._handle_closed_stream(number, ended)
        elif stream.is_complete:
            self.reset_stream(number, ErrorCode.STREAM_CLOSED)
        elif not ended:
            self.reset_stream(number, ErrorCode.PROTOCOL_ERROR)
        else:
            stream.is_complete = True
            stream.on_data(b"")

    def _handle_closed_stream(self, number: int, ended: int) -> None:
        """Ignore a frame of a stream that was closed before its request ended; refuse those of other closed streams."""
        if number > self.last_stream or not number & 1:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, f"a frame of stream {number}, which was never begun")
        self._closed_early.check(number)
        if ended:
            self._closed_early.remove(number)

    def _handle_priority(self, _: int, number: int, payload: bytes) -> None:
        frames.check_size(FrameKind.PRIORITY, payload, 5)
        frames.check_has_stream(FrameKind.PRIORITY, number)
        self._budget.spend()

    def _handle_reset(self, _: int, number: int, payload: bytes) -> None:
        frames.check_size(FrameKind.RST_STREAM, payload, 4)
        frames.check_has_stream(FrameKind.RST_STREAM, number)
        if number > self.last_stream:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, f"RST_STREAM of stream {number}, which was never begun")
        self._budget.spend()
        self._closed_early.remove(number)
        stream = self._streams.get(number)
        if stream is not None:
            self._drop_stream(stream)

    def _handle_settings(self, flags: int, number: int, payload: bytes) -> None:
        frames.check_no_stream(FrameKind.SETTINGS, number)
        if flags & frames.ACK:
            frames.check_size(FrameKind.SETTINGS, payload, 0)
            return
        self._budget.spend()
        for name, value in frames.parse_settings(payload):
            self._apply_setting(name, value)
        self._write(make_frame(FrameKind.SETTINGS, frames.ACK, 0))
        self.flow.flush()

    def _apply_setting(self, name: int, value: int) -> None:
        """Apply a setting; others have no effect on this server."""
        if name == Setting.INITIAL_WINDOW_SIZE:
            self.flow.change_initial_window(value, list(self._streams.values()))
        elif name == Setting.MAX_FRAME_SIZE:
            if not FRAME_SIZE <= value <= frames.MOST_FRAME_SIZE:
                raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, f"MAX_FRAME_SIZE {value}")
            self.flow.frame_size = value
        elif name == Setting.ENABLE_PUSH and value > 1:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, f"ENABLE_PUSH {value}")

    def _handle_push_promise(self, *_: object) -> None:
        raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "PUSH_PROMISE from a client")

    def _handle_ping(self, flags: int, number: int, payload: bytes) -> None:
        frames.check_no_stream(FrameKind.PING, number)
        frames.check_size(FrameKind.PING, payload, 8)
        if not flags & frames.ACK:
            self._budget.spend()
            self._write(make_frame(FrameKind.PING, frames.ACK, 0, payload))
        else:
            self._events.on_ping_ack(payload)

    def _handle_goaway(self, _: int, number: int, payload: bytes) -> None:
        """Continue: the peer starts no more streams, and closes the connection when it has its responses."""
        frames.check_no_stream(FrameKind.GOAWAY, number)
        if len(payload) < 8:  # noqa: PLR2004 - bytes of its two numbers
            raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "GOAWAY too short")
        self._budget.spend()

    def _handle_window_update(self, _: int, number: int, payload: bytes) -> None:
        frames.check_size(FrameKind.WINDOW_UPDATE, payload, 4)
        more = frames.decode_number(payload) & frames.STREAM_BITS
        stream = self._streams.get(number)
        if number > self.last_stream:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, f"WINDOW_UPDATE of stream {number}, which was never begun")
        if number and stream is None:
            return
        wide = bool(more) and self.flow.widen_window(stream, more)
        code = ErrorCode.FLOW_CONTROL_ERROR if more else ErrorCode.PROTOCOL_ERROR
        if wide:
            self.flow.flush()
        elif stream is None:
            raise ConnectionFault(code, f"WINDOW_UPDATE by {more} bytes")
        else:
            self.reset_stream(number, code)

    def _finish_stream(self, stream: Stream) -> None:
        """Close an answered stream; reset it if the peer is still sending."""
        self._close_stream(stream)
        stream.on_sent()
        if not stream.is_complete:
            self._write(make_frame(FrameKind.RST_STREAM, 0, stream.id, ErrorCode.NO_ERROR.to_bytes(4, "big")))
            self._closed_early.add(stream.id)
        self._report_empty()

    def _drop_stream(self, stream: Stream) -> None:
        self._close_stream(stream)
        self.flow.drop(stream)
        stream.on_lost()
        self._report_empty()

    def _close_stream(self, stream: Stream) -> None:
        stream.closed = True
        del self._streams[stream.id]
        self._application.on_stream_closed(stream)

    def _report_empty(self) -> None:
        if self._highest_accepted != frames.STREAM_BITS and not self._streams:
            self._events.on_empty()
