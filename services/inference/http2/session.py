"""The streams of one connection: frames are told to those that they are of (RFC 9113)."""

from collections.abc import Callable

from services.inference.http2 import frames
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

EARLY_CLOSED = 1024
"""Streams that ended before their requests did, of which more may come."""


class Session:
    """Handles the frames of one peer, after its preface."""

    def __init__(
        self,
        application: StreamApplication,
        limits: Limits,
        write: Callable[[bytes], None],
        events: ConnectionEvents,
        rations: FrameBudget,
    ) -> None:
        """Begin requests by an application, and answer by `write`."""
        self._application, self.limits, self._write, self._events = application, limits, write, events
        self._rations = rations
        self._streams: dict[int, Stream] = {}
        self._begun: list[Stream] = []
        """Those that began in this turn, and had not come whole then."""
        self._blocks = HeaderBlockCache(application, limits.fields)
        self.outflow = FlowController(write, self._finished)
        self._block: tuple[int, int, bytearray] | None = None
        """A header block that has not come whole: its flags and stream."""
        self.last = 0
        """The latest stream that the peer began."""
        self._ceiling = frames.STREAM_BITS
        """Streams above it are refused: we are leaving."""
        self._early: dict[int, None] = {}
        self._forgotten = 0
        """The latest stream that `_early` had no more room for."""
        self._owed = 0
        """Bytes of the connection's window that came and were not given back."""
        self._handlers = (
            *(self._data, self._headers, self._priority, self._reset, self._settings, self._push),
            *(self._ping, self._goaway, self._window_update, self._continuation),
        )

    def handle(self, kind: int, flags: int, number: int, payload: bytes) -> None:
        """Take a frame; raise ConnectionFault."""
        if self._block is not None and kind != FrameKind.CONTINUATION:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, f"a frame of kind {kind} within a header block")
        if kind < len(self._handlers):
            self._handlers[kind](flags, number, payload)
        else:
            self._rations.take()

    def turned(self) -> None:
        """Tell streams that began in this turn if their requests did not come whole with it."""
        if self._begun:
            for stream in self._begun:
                if not (stream.received_whole or stream.closed):
                    stream.waits()
            self._begun.clear()

    def refuse_new(self) -> None:
        """Refuse what the peer begins from now on."""
        self._ceiling = self.last
        self._tell_when_empty()

    def lose_all(self) -> None:
        """Let go of all streams."""
        for stream in list(self._streams.values()):
            self._lose(stream)

    def give_room(self, stream: Stream, size: int) -> None:
        """Let the peer send more of a stream."""
        if not (stream.closed or stream.received_whole) and size:
            stream.room += size
            self._write(make_window_update(stream.id, size))

    def reset(self, number: int, code: ErrorCode) -> None:
        """End a stream for a fault of the peer's."""
        self._write(make_frame(FrameKind.RST_STREAM, 0, number, code.to_bytes(4, "big")))
        self._rations.take()
        self._note_early(number)
        stream = self._streams.get(number)
        if stream is not None:
            self._lose(stream)

    def _data(self, flags: int, number: int, payload: bytes) -> None:
        size = len(payload)
        self._owed += size
        if self._owed > self.limits.window >> 1:
            self._write(make_window_update(0, self._owed))
            self._owed = 0
        stream = self._streams.get(number)
        if flags & frames.PADDED:
            payload = frames.strip_padding(flags, payload)
        ended = flags & frames.END_STREAM
        if stream is None:
            self._late(number, ended)
        elif stream.received_whole:
            self.reset(number, ErrorCode.STREAM_CLOSED)
        elif size > stream.room:
            self.reset(number, ErrorCode.FLOW_CONTROL_ERROR)
        else:
            stream.room -= size
            if ended:
                stream.received_whole = True
            else:
                self._went_on(stream, size, payload)
            stream.came(payload)

    def _went_on(self, stream: Stream, size: int, payload: bytes) -> None:
        """Note a piece that is not the last: what is no part of the body is given back, and rationed."""
        if size != len(payload):
            self.give_room(stream, size - len(payload))
        if not payload:
            self._rations.take()

    def _headers(self, flags: int, number: int, payload: bytes) -> None:
        if not number & 1:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, f"HEADERS of stream {number}, expected an odd number")
        if flags & (frames.PADDED | frames.PRIORITY):
            payload = frames.strip_padding(flags, payload)
            if flags & frames.PRIORITY:
                if len(payload) < 5:  # noqa: PLR2004 - bytes of a priority, which is ignored
                    raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "HEADERS too short for their priority")
                payload = payload[5:]
        if flags & frames.END_HEADERS:
            self._block_came(flags, number, payload)
        else:
            self._block = (flags, number, bytearray(payload))

    def _continuation(self, flags: int, number: int, payload: bytes) -> None:
        if self._block is None or self._block[1] != number:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "CONTINUATION of no header block")
        begun, _, block = self._block
        self._rations.take()
        block += payload
        if len(block) > self.limits.fields:
            raise ConnectionFault(
                ErrorCode.ENHANCE_YOUR_CALM, f"a header block of more than {self.limits.fields} bytes"
            )
        if flags & frames.END_HEADERS:
            self._block = None
            self._block_came(begun, number, bytes(block))

    def _block_came(self, flags: int, number: int, block: bytes) -> None:
        """Begin a stream, or end its request: whatever a block is for, it must be read, as it may change the table."""
        head = self._blocks.head(block)
        ended = flags & frames.END_STREAM
        if number <= self.last:
            self._trailers(number, ended)
            return
        self.last = number
        if head is MALFORMED:
            self.reset(number, ErrorCode.PROTOCOL_ERROR)
        elif number > self._ceiling or len(self._streams) >= self.limits.streams:
            self.reset(number, ErrorCode.REFUSED_STREAM)
        else:
            stream = self._streams[number] = self._application.begun(self, number, head)
            stream.received_whole = bool(ended)
            stream.begin()
            if ended:
                stream.came(b"")
            else:
                self._begun.append(stream)

    def _trailers(self, number: int, ended: int) -> None:
        stream = self._streams.get(number)
        if stream is None:
            self._late(number, ended)
        elif stream.received_whole:
            self.reset(number, ErrorCode.STREAM_CLOSED)
        elif not ended:
            self.reset(number, ErrorCode.PROTOCOL_ERROR)
        else:
            stream.received_whole = True
            stream.came(b"")

    def _late(self, number: int, ended: int) -> None:
        """Take what comes for a stream that is closed: nothing, if we closed it before its request had ended."""
        if number > self.last or not number & 1:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, f"a frame of stream {number}, which was never begun")
        if number not in self._early and number > self._forgotten:
            raise ConnectionFault(ErrorCode.STREAM_CLOSED, f"a frame of stream {number}, which is closed")
        if ended:
            self._early.pop(number, None)

    def _priority(self, _: int, number: int, payload: bytes) -> None:
        frames.check_size(FrameKind.PRIORITY, payload, 5)
        _check_has_stream(FrameKind.PRIORITY, number)
        self._rations.take()

    def _reset(self, _: int, number: int, payload: bytes) -> None:
        frames.check_size(FrameKind.RST_STREAM, payload, 4)
        _check_has_stream(FrameKind.RST_STREAM, number)
        if number > self.last:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, f"RST_STREAM of stream {number}, which was never begun")
        self._rations.take()
        self._early.pop(number, None)
        stream = self._streams.get(number)
        if stream is not None:
            self._lose(stream)

    def _settings(self, flags: int, number: int, payload: bytes) -> None:
        _check_no_stream(FrameKind.SETTINGS, number)
        if flags & frames.ACK:
            frames.check_size(FrameKind.SETTINGS, payload, 0)
            return
        self._rations.take()
        for name, value in frames.parse_settings(payload):
            self._set(name, value)
        self._write(make_frame(FrameKind.SETTINGS, frames.ACK, 0))
        self.outflow.go_on()

    def _set(self, name: int, value: int) -> None:
        """Take a setting; those not named here bound what we never do."""
        if name == Setting.INITIAL_WINDOW_SIZE:
            self.outflow.change_first_window(value, list(self._streams.values()))
        elif name == Setting.MAX_FRAME_SIZE:
            if not FRAME_SIZE <= value <= frames.MOST_FRAME_SIZE:
                raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, f"MAX_FRAME_SIZE {value}")
            self.outflow.frame_size = value
        elif name == Setting.ENABLE_PUSH and value > 1:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, f"ENABLE_PUSH {value}")

    def _push(self, *_: object) -> None:
        raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "PUSH_PROMISE from a client")

    def _ping(self, flags: int, number: int, payload: bytes) -> None:
        _check_no_stream(FrameKind.PING, number)
        frames.check_size(FrameKind.PING, payload, 8)
        if not flags & frames.ACK:
            self._rations.take()
            self._write(make_frame(FrameKind.PING, frames.ACK, 0, payload))
        else:
            self._events.answered(payload)

    def _goaway(self, _: int, number: int, payload: bytes) -> None:
        """Read on: the peer begins nothing more, and closes the connection when it has its answers."""
        _check_no_stream(FrameKind.GOAWAY, number)
        if len(payload) < 8:  # noqa: PLR2004 - bytes of its two numbers
            raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "GOAWAY too short")
        self._rations.take()

    def _window_update(self, _: int, number: int, payload: bytes) -> None:
        frames.check_size(FrameKind.WINDOW_UPDATE, payload, 4)
        more = frames.decode_number(payload) & frames.STREAM_BITS
        stream = self._streams.get(number)
        if number > self.last:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, f"WINDOW_UPDATE of stream {number}, which was never begun")
        if number and stream is None:
            return
        wide = bool(more) and self.outflow.widen(stream, more)
        code = ErrorCode.FLOW_CONTROL_ERROR if more else ErrorCode.PROTOCOL_ERROR
        if wide:
            self.outflow.go_on()
        elif stream is None:
            raise ConnectionFault(code, f"WINDOW_UPDATE by {more} bytes")
        else:
            self.reset(number, code)

    def _finished(self, stream: Stream) -> None:
        """Forget a stream that is answered; tell the peer if it is still sending."""
        self._forget(stream)
        stream.sent()
        if not stream.received_whole:
            self._write(make_frame(FrameKind.RST_STREAM, 0, stream.id, ErrorCode.NO_ERROR.to_bytes(4, "big")))
            self._note_early(stream.id)
        self._tell_when_empty()

    def _lose(self, stream: Stream) -> None:
        self._forget(stream)
        self.outflow.forget(stream)
        stream.lost()
        self._tell_when_empty()

    def _forget(self, stream: Stream) -> None:
        stream.closed = True
        del self._streams[stream.id]
        self._application.ended(stream)

    def _note_early(self, number: int) -> None:
        self._early[number] = None
        if len(self._early) > EARLY_CLOSED:
            oldest = next(iter(self._early))
            del self._early[oldest]
            self._forgotten = max(self._forgotten, oldest)

    def _tell_when_empty(self) -> None:
        if self._ceiling != frames.STREAM_BITS and not self._streams:
            self._events.over()


def _check_has_stream(kind: FrameKind, number: int) -> None:
    if not number:
        raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, f"{kind.name} of no stream")


def _check_no_stream(kind: FrameKind, number: int) -> None:
    if number:
        raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, f"{kind.name} of stream {number}, expected none")
