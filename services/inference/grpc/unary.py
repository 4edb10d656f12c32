"""Calls of one message and one answer: nearly all that there are, so that nothing is done for them twice."""

import logging
from time import perf_counter

from services.inference.bodies import BODY_LIMIT, BODY_SECONDS, make_too_large, make_too_slow
from services.inference.exchange import Exchange
from services.inference.grpc.call import GrpcCall
from services.inference.grpc.compression import decompress_message
from services.inference.grpc.statuses import (
    FRAME_HEAD,
    RESPONSE_HEADERS,
    frame_message,
    make_malformed,
    read_message_length,
)
from services.inference.refusals import ModelFailed, Refused, TooLate
from services.inference.request import Request as HttpCall
from services.inference.request import Response

log = logging.getLogger("slipway.inference")


class UnaryCall(GrpcCall):
    """A call of one message and one answer."""

    __slots__ = ("_body", "_deadline", "_exchange")

    def begin(self) -> None:
        """Count the request from now on, if it runs the model."""
        head, method = self.head, self.head.method
        assert method is not None  # noqa: S101 - as `GrpcServer` chose
        self._body = bytearray()
        self._deadline = perf_counter() + head.seconds
        self._exchange = (
            None
            if method.inference is None
            else Exchange(self.calls.model, method.door, method.inference, self._answered)
        )
        refusal = head.refusal or self.calls.refusal()
        if refusal is not None:
            self._refuse(refusal)

    def waits(self) -> None:
        """Give the message its time."""
        self.start_timer(min(BODY_SECONDS, self.head.seconds))

    def came(self, piece: bytes) -> None:
        """Take a piece of the body; answer when all of it is there."""
        if self.closed:
            return
        if not self.received_whole:
            self._keep(piece)
        elif self._body:
            self._whole(bytes(self._body) + piece)
        else:
            self._whole(piece)

    def sent(self) -> None:
        """Count the request: its answer was sent."""
        if self._exchange is not None:
            self._exchange.written()

    def lost(self) -> None:
        """Count a request that nobody waits for any more."""
        super().lost()
        self._let_go()
        if self._exchange is not None:
            self._exchange.lose()

    def late(self) -> None:
        """Refuse a body that did not come in time."""
        self._refuse(
            make_too_slow(len(self._body))
            if self.head.seconds >= BODY_SECONDS
            else TooLate("the message came too late")
        )

    def _keep(self, piece: bytes) -> None:
        """Keep a piece of a body that has not come whole."""
        self._body += piece
        refusal = self.calls.hold(len(piece))
        if read_message_length(self._body) > BODY_LIMIT or len(self._body) > FRAME_HEAD + BODY_LIMIT:
            refusal = make_too_large()
        if refusal is not None:
            self._refuse(refusal)

    def _whole(self, body: bytes) -> None:
        """Run what all of the body is: one message."""
        self.stop_timer()
        self._let_go()
        size = len(body) - FRAME_HEAD
        if size > BODY_LIMIT:
            self._refuse(make_too_large())
        elif size < 0 or read_message_length(body) != size or body[0] > 1:
            self._refuse(make_malformed(body))
        elif body[0]:
            decompress_message(body[FRAME_HEAD:], self.head.encoding, self._unpacked)
        else:
            self._run(body[FRAME_HEAD:])

    def _unpacked(self, message: bytes | Refused) -> None:
        if self.closed:
            return
        if isinstance(message, Refused):
            self._refuse(message)
        else:
            self._run(message)

    def _run(self, message: bytes) -> None:
        method = self.head.method
        if self._exchange is not None and method is not None:
            self._exchange.ask(HttpCall("POST", method.path, b"", self.head.headers, message), self._deadline)
        else:
            self._tell(message)

    def _tell(self, message: bytes) -> None:
        """Answer what does not run the model."""
        method = self.head.method
        assert method is not None  # noqa: S101 - as `GrpcServer` chose
        assert method.tell is not None  # noqa: S101 - as the method is of one message
        try:
            answer = method.tell(message)
        except Refused as refusal:
            self._refuse(refusal)
        except Exception:  # a fault of ours must not leave a client without an answer
            log.exception("a call could not be answered")
            self._refuse(ModelFailed("the call could not be answered: a fault of this service; its log has more"))
        else:
            self._answered(answer)

    def _refuse(self, refusal: Refused) -> None:
        self._let_go()
        if self._exchange is None:
            self.refuse(refusal)
        else:
            self._exchange.refuse(refusal)

    def _answered(self, answer: Response) -> None:
        """Send the answer, in one piece where that is possible; what the client's windows hold up is counted later."""
        if self.closed:
            return
        if answer.status != 200 or answer.headers:  # noqa: PLR2004 - HTTP's OK
            self._answered_with_more(answer)
        else:
            self.session.outflow.answer(self, RESPONSE_HEADERS, frame_message(answer.body), self.head.good)
        if not self.closed and self._exchange is not None:
            self._exchange.hold()

    def _answered_with_more(self, answer: Response) -> None:
        if answer.status == 200:  # noqa: PLR2004 - HTTP's OK
            self.write(answer.body)
        self.end_with(answer)

    def _let_go(self) -> None:
        self.calls.held -= len(self._body)
        self._body.clear()
