"""A stream of inference requests: several are under way at a time, and answered in the order in which they came."""

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
"""Requests of one stream that are begun before the first of them is answered: they may make a batch."""


class InferStreams:
    """The streams of one server, which end with it."""

    def __init__(self, calls: CallLimits, door: OpenInferenceGrpc) -> None:
        """Begin with none."""
        self.calls, self.door = calls, door
        self.open: set[InferStream] = set()
        self.ended = False

    def method(self) -> GrpcMethod:
        """Return the method that opens one."""
        return GrpcMethod(door=self.door, begin=self._begin)

    def end(self) -> None:
        """Read no more; what was read is answered, and then each stream ends."""
        self.ended = True
        for stream in list(self.open):
            stream.read()

    def _begin(self, session: Session, number: int, head: CallHead) -> "InferStream":
        return InferStream(session, number, head, self.calls).of(self)


@dataclass(slots=True, eq=False)
class _StreamedRequest:
    """A request of a stream."""

    exchange: Exchange | None = None
    answer: bytes | None = None
    """Its message, once there is one."""


class InferStream(MultiMessageCall):
    """One stream. A refusal is an answer, and the stream goes on."""

    __slots__ = ("_asked", "_deadline", "_sending", "_streams")

    def of(self, streams: InferStreams) -> "InferStream":
        """Be one of these; return itself."""
        self._streams = streams
        self._asked: deque[_StreamedRequest] = deque()
        self._sending: Exchange | None = None
        """The request whose answer is being sent: the client's windows may hold it up."""
        self._deadline = inf if self.head.whole_seconds is None else perf_counter() + self.head.whole_seconds
        streams.open.add(self)
        return self

    def takes(self) -> bool:
        """Take some at a time: a client that does not take its answers is not read from either."""
        return len(self._asked) < REQUESTS_AHEAD and not self._streams.ended

    def took(self, message: bytes) -> None:
        """Have the model run it."""
        asked = _StreamedRequest()
        self._asked.append(asked)
        door = self._streams.door
        asked.exchange = Exchange(
            self.calls.model,
            door,
            door.streamed,
            partial(self._answered, asked, partial(door.refused_in_stream, message)),
        )
        asked.exchange.hold()
        deadline = min(self._deadline, perf_counter() + PATIENCE_SECONDS)
        asked.exchange.ask(HttpCall("POST", "", b"", {}, message), deadline)

    def read_all(self) -> None:
        """End, when all is answered."""
        if self._asked or self.outbox:
            return
        if self._streams.ended:
            self.refuse(Draining("this replica is ending; begin another stream, at another one"))
        else:
            self.end(make_response_ending(Response(200, b""), self.head.about))

    def drained(self) -> None:
        """Send the next answers, now that those before were taken."""
        self._count()
        self._send()

    def lost(self) -> None:
        """Answer nothing more."""
        super().lost()
        self._leave()

    def end(self, ending: CallEnding) -> None:
        """End; what is not answered yet is not any more."""
        super().end(ending)
        self._leave()

    def _answered(self, asked: _StreamedRequest, refused: Callable[[str], bytes], answer: Response) -> None:
        right = answer.status == 200  # noqa: PLR2004 - HTTP's OK
        asked.answer = answer.body if right else refused(answer.body.decode())
        self._send()

    def _send(self) -> None:
        """Send the answers that are there, in order, while they are taken; then read on."""
        while self._asked and self._asked[0].answer is not None and not self.outbox:
            asked = self._asked.popleft()
            self._sending = asked.exchange
            self.write(asked.answer or b"")
            if not self.outbox:
                self._count()
        if not self.closed:
            self.read()

    def _count(self) -> None:
        """Count the request whose answer was sent."""
        if self._sending is not None:
            self._sending.written()
            self._sending = None

    def _leave(self) -> None:
        self._streams.open.discard(self)
        for exchange in (self._sending, *(asked.exchange for asked in self._asked)):
            if exchange is not None:
                exchange.lose()
        self._asked.clear()
        self._sending = None
