"""A stream of inference requests: several are active at a time, and answered in their order."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import inf
from time import perf_counter

from services.inference.exchange import PATIENCE_SECONDS, Exchange
from services.inference.grpc.call import CallLimits
from services.inference.grpc.call_head import CallHead
from services.inference.grpc.methods import GrpcMethod
from services.inference.grpc.multi_message import MultiMessageCall
from services.inference.grpc.open_inference import OpenInferenceGrpc
from services.inference.grpc.statuses import CallEnding, make_response_ending
from services.inference.http2.session import Session
from services.inference.refusals import Draining
from services.inference.request import Request as HttpCall
from services.inference.request import Response

REQUESTS_AHEAD = 8
"""Requests of one stream that are started before the first is answered: they may form a batch."""


class InferStreams:
    """The streams of one server, which end when it stops."""

    def __init__(self, calls: CallLimits, protocol: OpenInferenceGrpc) -> None:
        """Start without streams."""
        self.calls, self.protocol = calls, protocol
        self.open: set[InferStream] = set()
        self.stopped = False

    def make_method(self) -> GrpcMethod:
        """Return the method that opens a stream."""
        return GrpcMethod(protocol=self.protocol, open_call=self._open_stream)

    def stop(self) -> None:
        """Read no further requests; each stream ends when those that were read are answered."""
        self.stopped = True
        for stream in list(self.open):
            stream.read_messages()

    def _open_stream(self, session: Session, number: int, head: CallHead) -> "InferStream":
        return InferStream(session, number, head, self.calls).attach(self)


@dataclass(slots=True, eq=False)
class _StreamedRequest:
    """A request of a stream, until its response is sent."""

    exchange: Exchange | None = None
    answer: bytes | None = None
    """The response's message, once there is one."""


class InferStream(MultiMessageCall):
    """One stream. A refusal is a response in it, and the stream continues."""

    __slots__ = ("_deadline", "_requests", "_sending", "_streams")

    def attach(self, streams: InferStreams) -> "InferStream":
        """Join the server's streams; return the call."""
        self._streams = streams
        self._requests: deque[_StreamedRequest] = deque()
        self._sending: Exchange | None = None
        """The request whose response is being sent; flow control may delay it."""
        self._deadline = (
            inf if self.head.call_timeout_seconds is None else perf_counter() + self.head.call_timeout_seconds
        )
        streams.open.add(self)
        return self

    def wants_message(self) -> bool:
        """Return whether to read another request: a few at a time, so that a client must read its responses."""
        return len(self._requests) < REQUESTS_AHEAD and not self._streams.stopped

    def on_message(self, message: bytes) -> None:
        """Start the exchange of a request."""
        asked = _StreamedRequest()
        self._requests.append(asked)
        protocol = self._streams.protocol
        asked.exchange = Exchange(
            self.calls.model,
            protocol,
            protocol.stream_codec,
            partial(self._on_response, asked, partial(protocol.write_stream_refusal, message)),
        )
        asked.exchange.defer_count()
        deadline = min(self._deadline, perf_counter() + PATIENCE_SECONDS)
        asked.exchange.start(HttpCall("POST", "", b"", {}, message), deadline)

    def on_messages_end(self) -> None:
        """End the call when all requests are answered."""
        if self._requests or self.outbox:
            return
        if self._streams.stopped:
            self.refuse(Draining("this replica is ending; begin another stream, at another one"))
        else:
            self.end(make_response_ending(Response(200, b""), self.head.response_fields))

    def on_drained(self) -> None:
        """Send further responses, because the outbox is empty."""
        self._count_sent()
        self._send_responses()

    def on_lost(self) -> None:
        """Abandon all requests."""
        super().on_lost()
        self._abandon_all()

    def end(self, ending: CallEnding) -> None:
        """End the call, and abandon unanswered requests."""
        super().end(ending)
        self._abandon_all()

    def _on_response(self, asked: _StreamedRequest, refused: Callable[[str], bytes], answer: Response) -> None:
        right = answer.status == 200  # noqa: PLR2004 - HTTP's OK
        asked.answer = answer.body if right else refused(answer.body.decode())
        self._send_responses()

    def _send_responses(self) -> None:
        """Send available responses in order, as flow control allows; then read on."""
        while self._requests and self._requests[0].answer is not None and not self.outbox:
            asked = self._requests.popleft()
            self._sending = asked.exchange
            self.send_message(asked.answer or b"")
            if not self.outbox:
                self._count_sent()
        if not self.closed:
            self.read_messages()

    def _count_sent(self) -> None:
        """Count the request whose response was sent."""
        if self._sending is not None:
            self._sending.count_written()
            self._sending = None

    def _abandon_all(self) -> None:
        self._streams.open.discard(self)
        for exchange in (self._sending, *(asked.exchange for asked in self._requests)):
            if exchange is not None:
                exchange.abandon()
        self._requests.clear()
        self._sending = None
