"""Calls of one message and one response, which are nearly all calls: the most optimized ones."""

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
from slipway_interface.logs import LOGGER

log = logging.getLogger(LOGGER)


class UnaryCall(GrpcCall):
    """A call of one message and one response."""

    __slots__ = ("_body", "_deadline", "_exchange")

    def on_open(self) -> None:
        """Start the exchange, if the method runs the model."""
        head, method = self.head, self.head.method
        assert method is not None  # noqa: S101 - as `GrpcServer` chose
        self._body = bytearray()
        self._deadline = perf_counter() + head.timeout_seconds
        self._exchange = (
            None
            if method.codec is None
            else Exchange(self.calls.model, method.protocol, method.codec, self._send_response)
        )
        refusal = head.refusal or self.calls.check_limit()
        if refusal is not None:
            self._refuse(refusal)

    def on_incomplete(self) -> None:
        """Start the time limit for the rest of the message."""
        self.start_timer(min(BODY_SECONDS, self.head.timeout_seconds))

    def on_data(self, piece: bytes) -> None:
        """Take a piece of the body; handle it when it is complete."""
        if self.closed:
            return
        if not self.is_complete:
            self._buffer_piece(piece)
        elif self._body:
            self._take_body(bytes(self._body) + piece)
        else:
            self._take_body(piece)

    def on_sent(self) -> None:
        """Count the request: its response was sent."""
        if self._exchange is not None:
            self._exchange.count_written()

    def on_lost(self) -> None:
        """Abandon the request: its client has gone."""
        super().on_lost()
        self._release_buffer()
        if self._exchange is not None:
            self._exchange.abandon()

    def on_timeout(self) -> None:
        """Refuse a body that did not arrive in time."""
        self._refuse(
            make_too_slow(len(self._body))
            if self.head.timeout_seconds >= BODY_SECONDS
            else TooLate("the message arrived too late")
        )

    def _buffer_piece(self, piece: bytes) -> None:
        """Buffer a piece of an incomplete body."""
        self._body += piece
        refusal = self.calls.buffer(len(piece))
        if read_message_length(self._body) > BODY_LIMIT or len(self._body) > FRAME_HEAD + BODY_LIMIT:
            refusal = make_too_large()
        if refusal is not None:
            self._refuse(refusal)

    def _take_body(self, body: bytes) -> None:
        """Handle the complete body: one message."""
        self.stop_timer()
        self._release_buffer()
        size = len(body) - FRAME_HEAD
        if size > BODY_LIMIT:
            self._refuse(make_too_large())
        elif size < 0 or read_message_length(body) != size or body[0] > 1:
            self._refuse(make_malformed(body))
        elif body[0]:
            decompress_message(body[FRAME_HEAD:], self.head.encoding, self._on_decompressed)
        else:
            self._run_model(body[FRAME_HEAD:])

    def _on_decompressed(self, message: bytes | Refused) -> None:
        if self.closed:
            return
        if isinstance(message, Refused):
            self._refuse(message)
        else:
            self._run_model(message)

    def _run_model(self, message: bytes) -> None:
        method = self.head.method
        if self._exchange is not None and method is not None:
            self._exchange.start(HttpCall("POST", method.path, b"", self.head.headers, message), self._deadline)
        else:
            self._answer_message(message)

    def _answer_message(self, message: bytes) -> None:
        """Answer a message of a method that does not run the model."""
        method = self.head.method
        assert method is not None  # noqa: S101 - as `GrpcServer` chose
        assert method.answer is not None  # noqa: S101 - as the method is of one message
        try:
            answer = method.answer(message)
        except Refused as refusal:
            self._refuse(refusal)
        except Exception:  # an error of the service must not leave a client without a response
            log.exception("a call could not be answered")
            self._refuse(ModelFailed("the call could not be answered: an error of this service; see its log"))
        else:
            self._send_response(answer)

    def _refuse(self, refusal: Refused) -> None:
        self._release_buffer()
        if self._exchange is None:
            self.refuse(refusal)
        else:
            self._exchange.refuse(refusal)

    def _send_response(self, answer: Response) -> None:
        """Send the response, in one piece if possible; if flow control delays it, it is counted later."""
        if self.closed:
            return
        if answer.status != 200 or answer.headers:  # noqa: PLR2004 - HTTP's OK
            self._send_with_headers(answer)
        else:
            self.session.flow.send_response(self, RESPONSE_HEADERS, frame_message(answer.body), self.head.ok_trailers)
        if not self.closed and self._exchange is not None:
            self._exchange.defer_count()

    def _send_with_headers(self, answer: Response) -> None:
        if answer.status == 200:  # noqa: PLR2004 - HTTP's OK
            self.send_message(answer.body)
        self.end_with_response(answer)

    def _release_buffer(self) -> None:
        self.calls.buffered -= len(self._body)
        self._body.clear()
