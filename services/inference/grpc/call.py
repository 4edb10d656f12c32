"""A call of gRPC on its stream of HTTP/2: messages in and out, and its end."""

from asyncio import TimerHandle, get_running_loop

from services.inference.application import REVISION
from services.inference.bodies import BODY_LIMIT
from services.inference.exchange import make_refusal_response
from services.inference.grpc.call_head import CallHead
from services.inference.grpc.statuses import RESPONSE_HEADERS, CallEnding, frame_message, make_response_ending
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
        self.under_way = 0
        self.held = 0
        """Bytes of messages that have not come whole."""

    def refusal(self) -> Refused | None:
        """Return why no more calls are taken; None where they are."""
        if self.under_way > MOST_WAITING:
            return Overloaded(f"{MOST_WAITING} calls are under way already; come again later, or add replicas")
        return None

    def hold(self, more: int) -> Refused | None:
        """Count bytes that are kept of a message; return why no more may be."""
        self.held += more
        if self.held > MOST_BUFFERED:
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

    def begin(self) -> None:
        """End, as there is no method."""
        assert self.head.ending is not None  # noqa: S101 - or it would be a call of another class
        self.end(self.head.ending)

    def write(self, message: bytes) -> None:
        """Send a message."""
        if not self.closed:
            if not self._begun:
                self._begun = True
                self.session.outflow.headers(self, RESPONSE_HEADERS)
            self.session.outflow.data(self, frame_message(message))

    def refuse(self, refusal: Refused) -> None:
        """End with a refusal."""
        assert self.head.method is not None  # noqa: S101 - as in `begin`
        self.end_with(make_refusal_response(self.head.method.door, self.calls.model, refusal))

    def end_with(self, answer: Response) -> None:
        """End as an answer says that is not right, or that has nothing more to say."""
        about = self.head.about
        if any(name == REVISION for name, _ in answer.headers):  # another revision's answer says whose it is
            about = self.head.without_revision
        self.end(make_response_ending(answer, about))

    def end(self, ending: CallEnding) -> None:
        """End."""
        self.stop_timer()
        if not self.closed:
            self.session.outflow.end(self, ending.trailers if self._begun else ending.alone)

    def lost(self) -> None:
        """Wait for nothing more."""
        self.stop_timer()

    def start_timer(self, seconds: float) -> None:
        """Call `late` when so much time is over, once."""
        if self._timer is None:
            self._timer = get_running_loop().call_later(seconds, self.late)

    def stop_timer(self) -> None:
        """Don't."""
        if self._timer is not None:
            self._timer.cancel()

    def late(self) -> None:
        """End, as the time that the client gives is over."""
        self.refuse(TooLate(f"no answer within {1000 * self.head.seconds:.0f} ms"))
