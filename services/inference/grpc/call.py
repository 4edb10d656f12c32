"""A call of gRPC on its stream of HTTP/2: messages in and out, and its end."""

from asyncio import TimerHandle, get_running_loop

from services.inference.bodies import BODY_LIMIT
from services.inference.exchange import make_refusal_response
from services.inference.grpc.call_head import CallHead
from services.inference.grpc.statuses import RESPONSE_HEADERS, CallEnding, frame_message, make_response_ending
from services.inference.headers import REVISION
from services.inference.http2.session import Session
from services.inference.http2.streams import Stream
from services.inference.model import Model
from services.inference.refusals import Overloaded, Refused, TooLate
from services.inference.request import Response
from services.inference.runtime.admission import MOST_WAITING

MOST_BUFFERED = 16 * BODY_LIMIT
"""Bytes of messages that have not come whole, of all calls together."""


class CallLimits:
    """All calls of one server that are under way."""

    def __init__(self, model: Model) -> None:
        """Begin with none."""
        self.model = model
        self.active = 0
        self.buffered = 0
        """Bytes of messages that have not come whole."""

    def check_limit(self) -> Refused | None:
        """Return why no more calls are taken; None where they are."""
        if self.active > MOST_WAITING:
            return Overloaded(f"{MOST_WAITING} calls are under way already; come again later, or add replicas")
        return None

    def buffer(self, more: int) -> Refused | None:
        """Count bytes that are kept of a message; return why no more may be."""
        self.buffered += more
        if self.buffered > MOST_BUFFERED:
            return Overloaded(
                f"{MOST_BUFFERED} bytes of other messages wait already; come again later, or add replicas"
            )
        return None


class GrpcCall(Stream):
    """A call; this one ends before a message is looked at, as its head says."""

    __slots__ = ("_begun", "_timer", "calls", "head")

    def __init__(self, session: Session, number: int, head: CallHead, calls: CallLimits) -> None:
        """Begin with its head; `calls` are all that are under way."""
        super().__init__(session, number)
        self.head, self.calls = head, calls
        self._begun = False
        self._timer: TimerHandle | None = None

    def on_open(self) -> None:
        """End, as there is no method."""
        assert self.head.ending is not None  # noqa: S101 - or it would be a call of another class
        self.end(self.head.ending)

    def send_message(self, message: bytes) -> None:
        """Send a message."""
        if not self.closed:
            if not self._begun:
                self._begun = True
                self.session.flow.send_headers(self, RESPONSE_HEADERS)
            self.session.flow.send_data(self, frame_message(message))

    def refuse(self, refusal: Refused) -> None:
        """End with a refusal."""
        assert self.head.method is not None  # noqa: S101 - as in `begin`
        self.end_with_response(make_refusal_response(self.head.method.protocol, self.calls.model, refusal))

    def end_with_response(self, answer: Response) -> None:
        """End as an answer says that is not right, or that has nothing more to say."""
        about = self.head.response_fields
        if any(name == REVISION for name, _ in answer.headers):  # another revision's answer says whose it is
            about = self.head.fields_without_revision
        self.end(make_response_ending(answer, about))

    def end(self, ending: CallEnding) -> None:
        """End."""
        self.stop_timer()
        if not self.closed:
            self.session.flow.send_trailers(self, ending.trailers if self._begun else ending.alone)

    def on_lost(self) -> None:
        """Wait for nothing more."""
        self.stop_timer()

    def start_timer(self, seconds: float) -> None:
        """Call `on_timeout` when so much time is over, once."""
        if self._timer is None:
            self._timer = get_running_loop().call_later(seconds, self.on_timeout)

    def stop_timer(self) -> None:
        """Don't."""
        if self._timer is not None:
            self._timer.cancel()

    def on_timeout(self) -> None:
        """End, as the time that the client gives is over."""
        self.refuse(TooLate(f"no answer within {1000 * self.head.timeout_seconds:.0f} ms"))
