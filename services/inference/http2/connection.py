"""One HTTP/2 connection: splits received bytes into frames, and ends the connection."""

import asyncio
import logging
from typing import cast

from services.inference.http2 import frames
from services.inference.http2.frame_budget import FrameBudget
from services.inference.http2.frames import (
    FRAME_HEADER,
    FRAME_HEADER_SIZE,
    FRAME_SIZE,
    PREFACE,
    ConnectionFault,
    ErrorCode,
    FrameKind,
    Setting,
    make_frame,
)
from services.inference.http2.session import Session
from services.inference.http2.streams import Limits, StreamApplication
from slipway_interface.logs import LOGGER

PREFACE_SECONDS = 10.0
"""How long a peer may take to send the preface."""
LEAVING = b"leaving!"
"""Payload of the PING after the first GOAWAY: its ACK follows all requests sent before the GOAWAY arrived."""
LEAVE_SECONDS = 1.0
"""How long to wait for that ACK."""

log = logging.getLogger(LOGGER)


class Connection(asyncio.Protocol):
    """A peer's connection, from the preface to the end."""

    def __init__(self, application: StreamApplication, limits: Limits) -> None:
        """Start streams with an application."""
        self._application, self._limits = application, limits
        self._loop = asyncio.get_running_loop()
        self._unread = bytearray()
        """Bytes of an incomplete frame."""
        self._needed = len(PREFACE)
        """How many bytes the frame, or its header, needs."""
        self._has_preface = self._has_settings = self._closed = self._draining = self._drained = False
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the settings."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's transports don't inherit asyncio's
        self._write = self._transport.write
        limits, budget = self._limits, FrameBudget(self._loop.time)
        self._session = Session(self._application, limits, self._write, self, budget)
        said = {
            Setting.MAX_CONCURRENT_STREAMS: limits.streams,
            Setting.INITIAL_WINDOW_SIZE: limits.stream_window,
            Setting.MAX_HEADER_LIST_SIZE: limits.fields,
        }
        self._write(frames.make_settings(said) + frames.make_window_update(0, limits.window - frames.FIRST_WINDOW))
        self._timer = self._loop.call_later(PREFACE_SECONDS, self.abort)
        self._application.on_connected(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's own
        """Drop all streams."""
        self._closed = True
        self._stop_timer()
        self._session.drop_all_streams()
        self._application.on_disconnected(self)

    def pause_writing(self) -> None:
        """Stop reading from a peer that does not read."""
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        """Continue reading."""
        self._transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        """Handle received bytes."""
        if self._closed:
            return
        if self._unread:
            self._unread += data
            if len(self._unread) < self._needed:
                return
            data = bytes(self._unread)
            self._unread.clear()
        try:
            self._handle_frames(data, 0 if self._has_preface else self._check_preface(data))
            self._session.end_turn()
        except ConnectionFault as fault:
            log.info("a connection of HTTP/2 is ended: %s", fault)
            self._close_with_fault(fault)

    def drain(self) -> None:
        """Refuse new streams once the peer knows of it; end the connection when the active ones are answered."""
        if not self._has_preface:
            self.abort()
        elif not (self._closed or self._draining):
            self._draining = True
            self._write(frames.make_goaway(frames.STREAM_BITS, ErrorCode.NO_ERROR, "this replica is ending"))
            self._write(make_frame(FrameKind.PING, 0, 0, LEAVING))
            self._timer = self._loop.call_later(LEAVE_SECONDS, self._finish_goaway)

    def abort(self) -> None:
        """End the connection at once."""
        self._closed = True
        self._transport.abort()

    def on_ping_ack(self, payload: bytes) -> None:
        """Handle the ACK of a PING."""
        if payload == LEAVING:
            self._finish_goaway()

    def on_empty(self) -> None:
        """End the connection: no stream is left."""
        if not self._closed:
            self._closed = True
            self._transport.close()

    def _finish_goaway(self) -> None:
        """Refuse streams from now on: the peer knows that the connection is draining."""
        self._stop_timer()
        if self._draining and not (self._closed or self._drained):
            self._drained = True
            self._write(frames.make_goaway(self._session.last_stream, ErrorCode.NO_ERROR, "this replica is ending"))
            self._session.refuse_new_streams()

    def _close_with_fault(self, fault: ConnectionFault) -> None:
        self._closed = True
        self._write(frames.make_goaway(self._session.last_stream, fault.code, str(fault)))
        self._session.drop_all_streams()
        self._transport.close()

    def _check_preface(self, data: bytes) -> int:
        """Return where frames begin: behind the preface, or 0 if it is not complete yet; raise ConnectionFault."""
        seen = data[: len(PREFACE)]
        if not PREFACE.startswith(seen):
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "the connection does not begin with HTTP/2's preface")
        if len(seen) < len(PREFACE):
            return 0
        self._has_preface, self._needed = True, FRAME_HEADER_SIZE
        self._stop_timer()
        return len(PREFACE)

    def _handle_frames(self, data: bytes, place: int) -> None:
        """Handle all complete frames from a position on; keep the rest."""
        end = len(data)
        wanted = FRAME_HEADER_SIZE if self._has_preface else len(PREFACE)
        while self._has_preface and end - place >= FRAME_HEADER_SIZE:
            high, low, kind, flags, number = FRAME_HEADER.unpack_from(data, place)
            size = high << 16 | low
            if size > FRAME_SIZE:
                raise ConnectionFault(
                    ErrorCode.FRAME_SIZE_ERROR, f"a frame of {size} bytes, expected at most {FRAME_SIZE}"
                )
            start = place + FRAME_HEADER_SIZE
            if start + size > end:
                wanted = FRAME_HEADER_SIZE + size
                break
            if not self._has_settings:
                self._check_first_frame(kind, flags)
            place = start + size
            self._session.handle_frame(kind, flags, number & frames.STREAM_BITS, data[start:place])
            if self._closed:
                return
        self._needed = wanted
        if place < end:
            self._unread += data[place:]

    def _check_first_frame(self, kind: int, flags: int) -> None:
        """Refuse any first frame except SETTINGS."""
        if kind != FrameKind.SETTINGS or flags & frames.ACK:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, f"a frame of kind {kind} before SETTINGS")
        self._has_settings = True

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
