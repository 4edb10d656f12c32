"""Calls of several messages: each is taken when it is there and wanted, and not before."""

from services.inference.bodies import BODY_LIMIT, make_too_large
from services.inference.grpc.call import GrpcCall
from services.inference.grpc.compression import decompress_message
from services.inference.grpc.statuses import FRAME_HEAD, CallEnding, make_malformed, read_message_length
from services.inference.refusals import Refused


class MultiMessageCall(GrpcCall):
    """A call whose messages are taken one after the other; the peer may send as much as one may have beyond that."""

    __slots__ = ("_inbox", "_reading", "_unpacking")

    def begin(self) -> None:
        """Wait for messages, for as long as the client says."""
        self._inbox = bytearray()
        self._reading = self._unpacking = False
        refusal = self.head.refusal or self.calls.refusal()
        if refusal is not None:
            self.refuse(refusal)
        elif self.head.whole_seconds is not None:
            self.start_timer(self.head.whole_seconds)

    def takes(self) -> bool:
        """Tell whether another message is wanted now."""
        return True

    def took(self, message: bytes) -> None:
        """Take a message."""

    def read_all(self) -> None:
        """Go on, as nothing more comes, or is wanted."""

    def came(self, piece: bytes) -> None:
        """Keep a piece of what comes; take what is whole."""
        if self.closed:
            return
        self._inbox += piece
        refusal = self.calls.hold(len(piece))
        if refusal is not None:
            self.refuse(refusal)
        else:
            self.read()

    def read(self) -> None:
        """Take the messages that are there, while they are wanted."""
        if self._reading or self._unpacking:  # whoever does go on reading sees what changed
            return
        self._reading = True
        while not (self.closed or self._unpacking) and self.takes() and self._has_one():
            self._next()
        self._reading = False
        if self.closed or self._unpacking:
            return
        if self.received_whole and self._inbox and self.takes():
            self.refuse(make_malformed(self._inbox))
        elif (self.received_whole and not self._inbox) or not self.takes():
            self.read_all()

    def lost(self) -> None:
        """Keep nothing."""
        super().lost()
        self._let_go(len(self._inbox))

    def end(self, ending: CallEnding) -> None:
        """End, and keep nothing."""
        self._let_go(len(self._inbox))
        super().end(ending)

    def _has_one(self) -> bool:
        """Tell whether a message is there, or something that is none."""
        inbox = self._inbox
        size = read_message_length(inbox)
        return len(inbox) >= FRAME_HEAD and (size > BODY_LIMIT or inbox[0] > 1 or len(inbox) >= FRAME_HEAD + size)

    def _next(self) -> None:
        packed, size = self._inbox[0], read_message_length(self._inbox)
        if size > BODY_LIMIT or packed > 1:
            self.refuse(make_too_large() if size > BODY_LIMIT else make_malformed(self._inbox))
            return
        message = bytes(self._inbox[FRAME_HEAD : FRAME_HEAD + size])
        self._let_go(FRAME_HEAD + size)
        self.session.give_room(self, FRAME_HEAD + size)
        if packed:
            self._unpacking = True
            decompress_message(message, self.head.encoding, self._unpacked)
        else:
            self.took(message)

    def _unpacked(self, message: bytes | Refused) -> None:
        self._unpacking = False
        if self.closed:
            return
        if isinstance(message, Refused):
            self.refuse(message)
        else:
            self.took(message)
            self.read()

    def _let_go(self, size: int) -> None:
        self.calls.held -= size
        del self._inbox[:size]
