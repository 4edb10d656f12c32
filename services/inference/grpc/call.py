"""A gRPC call on its HTTP/2 stream: messages in and out, and its end."""

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
"""Most bytes of incomplete messages, of all calls together."""


class CallLimits:
    """Counts all active calls of one server and the bytes buffered for them, and limits both."""

    def __init__(self, model: Model) -> None:
        """Start without calls."""
        self.model = model
        self.active = 0
        self.buffered = 0
        """Bytes of incomplete messages."""

    def check_limit(self) -> Refused | None:
        """Return why another call is refused; None: it is not."""
        if self.active > MOST_WAITING:
            return Overloaded(f"{MOST_WAITING} calls are under way already; try again later, or add replicas")
        return None

    def buffer(self, more: int) -> Refused | None:
        """Count buffered bytes of a message; return why that is too much; None: it is not."""
        self.buffered += more
        if self.buffered > MOST_BUFFERED:
            return Overloaded(f"{MOST_BUFFERED} bytes of other messages wait already; try again later, or add replicas")
        return None


class GrpcCall(Stream):
    """A call. This class ends before any message, as its head says; subclasses take messages."""

    __slots__ = ("_begun", "_timer", "calls", "head")

    def __init__(self, session: Session, number: int, head: CallHead, calls: CallLimits) -> None:
        """Start with the call's head; `calls` counts all active calls."""
        super().__init__(session, number)
        self.head, self.calls = head, calls
        self._begun = False
        self._timer: TimerHandle | None = None

    def on_open(self) -> None:
        """End the call, because its head names no method."""
        assert self.head.ending is not None  # noqa: S101 - calls with a method have another class
        self.end(self.head.ending)

    def send_message(self, message: bytes) -> None:
        """Send a message."""
        if not self.closed:
            if not self._begun:
                self._begun = True
                self.session.flow.send_headers(self, RESPONSE_HEADERS)
            self.session.flow.send_data(self, frame_message(message))

    def refuse(self, refusal: Refused) -> None:
        """End the call with a refusal."""
        assert self.head.method is not None  # noqa: S101 - as in `begin`
        self.end_with_response(make_refusal_response(self.head.method.protocol, self.calls.model, refusal))

    def end_with_response(self, answer: Response) -> None:
        """End the call with a response: an error, or OK without another message."""
        about = self.head.response_fields
        if any(name == REVISION for name, _ in answer.headers):  # a forwarded response names its own revision
            about = self.head.fields_without_revision
        self.end(make_response_ending(answer, about))

    def end(self, ending: CallEnding) -> None:
        """End the call."""
        self.stop_timer()
        if not self.closed:
            self.session.flow.send_trailers(self, ending.trailers if self._begun else ending.alone)

    def on_lost(self) -> None:
        """Stop the timer: the stream is gone."""
        self.stop_timer()

    def start_timer(self, seconds: float) -> None:
        """Call `on_timeout` after so many seconds; a running timer is kept."""
        if self._timer is None:
            self._timer = get_running_loop().call_later(seconds, self.on_timeout)

    def stop_timer(self) -> None:
        """Stop the timer."""
        if self._timer is not None:
            self._timer.cancel()

    def on_timeout(self) -> None:
        """End the call, because its deadline has passed."""
        self.refuse(TooLate(f"no answer within {1000 * self.head.timeout_seconds:.0f} ms"))
