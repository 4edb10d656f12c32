"""Calls of several messages, each read when it is complete and wanted."""

from services.inference.bodies import BODY_LIMIT, make_too_large
from services.inference.grpc.call import GrpcCall
from services.inference.grpc.compression import decompress_message
from services.inference.grpc.statuses import FRAME_HEAD, CallEnding, make_malformed, read_message_length
from services.inference.refusals import Refused


class MultiMessageCall(GrpcCall):
    """A call whose messages are read one after another; the peer may send one message ahead."""

    __slots__ = ("_inbox", "_is_decompressing", "_is_reading")

    def on_open(self) -> None:
        """Wait for messages until the client's deadline."""
        self._inbox = bytearray()
        self._is_reading = self._is_decompressing = False
        refusal = self.head.refusal or self.calls.check_limit()
        if refusal is not None:
            self.refuse(refusal)
        elif self.head.call_timeout_seconds is not None:
            self.start_timer(self.head.call_timeout_seconds)

    def wants_message(self) -> bool:
        """Return whether another message is wanted now."""
        return True

    def on_message(self, message: bytes) -> None:
        """Handle a message."""

    def on_messages_end(self) -> None:
        """Handle the end of messages: no more arrive, or are wanted."""

    def on_data(self, piece: bytes) -> None:
        """Buffer received bytes; read complete messages."""
        if self.closed:
            return
        self._inbox += piece
        refusal = self.calls.buffer(len(piece))
        if refusal is not None:
            self.refuse(refusal)
        else:
            self.read_messages()

    def read_messages(self) -> None:
        """Read complete messages while they are wanted."""
        if self._is_reading or self._is_decompressing:  # the reading in progress continues
            return
        self._is_reading = True
        while not (self.closed or self._is_decompressing) and self.wants_message() and self._has_message():
            self._take_message()
        self._is_reading = False
        if self.closed or self._is_decompressing:
            return
        if self.is_complete and self._inbox and self.wants_message():
            self.refuse(make_malformed(self._inbox))
        elif (self.is_complete and not self._inbox) or not self.wants_message():
            self.on_messages_end()

    def on_lost(self) -> None:
        """Release the buffer."""
        super().on_lost()
        self._release_buffer(len(self._inbox))

    def end(self, ending: CallEnding) -> None:
        """End the call, and release the buffer."""
        self._release_buffer(len(self._inbox))
        super().end(ending)

    def _has_message(self) -> bool:
        """Return whether a complete message, or a malformed one, is in the buffer."""
        inbox = self._inbox
        size = read_message_length(inbox)
        return len(inbox) >= FRAME_HEAD and (size > BODY_LIMIT or inbox[0] > 1 or len(inbox) >= FRAME_HEAD + size)

    def _take_message(self) -> None:
        packed, size = self._inbox[0], read_message_length(self._inbox)
        if size > BODY_LIMIT or packed > 1:
            self.refuse(make_too_large() if size > BODY_LIMIT else make_malformed(self._inbox))
            return
        message = bytes(self._inbox[FRAME_HEAD : FRAME_HEAD + size])
        self._release_buffer(FRAME_HEAD + size)
        self.session.widen_receive_window(self, FRAME_HEAD + size)
        if packed:
            self._is_decompressing = True
            decompress_message(message, self.head.encoding, self._on_decompressed)
        else:
            self.on_message(message)

    def _on_decompressed(self, message: bytes | Refused) -> None:
        self._is_decompressing = False
        if self.closed:
            return
        if isinstance(message, Refused):
            self.refuse(message)
        else:
            self.on_message(message)
            self.read_messages()

    def _release_buffer(self, size: int) -> None:
        self.calls.buffered -= size
        del self._inbox[:size]
