"""One request that runs the model, from arrival to response: the same for every protocol and server."""

import logging
from collections.abc import Callable
from math import inf, isfinite
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.inference.headers import COMPARE, DEADLINES, REQUEST_ID
from services.inference.model import Model
from services.inference.refusals import BadRequest, ModelFailed, Refused, TooLate
from services.inference.request import InferenceCodec, Outputs, ProtocolHandler, Request, Response
from services.inference.rescue import RescueAttempt
from services.inference.telemetry.observer import Headers, RequestRecord
from slipway_interface.logs import LOGGER

PATIENCE_SECONDS = 30.0
"""How long a response may take if the client sets no deadline."""
OK = 200
CLIENT_CLOSED = 499
"""The status counted for a request whose client disconnected. It is not a failure, and is never sent."""
NEAR_DEADLINE = 0.9
"""A client that leaves after this part of its time has probably reached its deadline: its clock started earlier."""

log = logging.getLogger(LOGGER)


class Exchange:
    """Follows a request from its arrival to its response, which it passes to `reply` once, and counts it.

    A request is counted when its response was written: when `reply` returns or, after `defer_count`, when
    `count_written` is called. A caller that sees that the client is gone calls `abandon`, at any time.
    """

    __slots__ = (
        *("_arrived", "_codec", "_counted", "_deadline", "_deferred", "_for_another", "_headers", "_model", "_parsed"),
        *("_prediction", "_protocol", "_queued", "_reason", "_reply", "_rescue", "_status"),
    )

    def __init__(
        self, model: Model, protocol: ProtocolHandler, codec: InferenceCodec, reply: Callable[[Response], None]
    ) -> None:
        """Start with a request that has arrived."""
        self._model, self._protocol, self._codec = model, protocol, codec
        self._reply: Callable[[Response], None] | None = reply
        self._arrived = perf_counter()
        self._deadline = inf
        self._parsed: Any = None
        self._headers: dict[bytes, bytes] = {}
        self._prediction: NDArray[np.generic] | None = None
        self._reason, self._status = "", 0
        """The status of this revision's own response; 0: none yet."""
        self._deferred = self._counted = False
        self._rescue: RescueAttempt | None = None
        self._for_another = False
        """The request was meant for another revision."""
        self._queued: Any = None
        """The queued request, once the engine has it."""
        model.meter.count_arrival()

    def start(self, call: Request, deadline: float | None = None) -> None:
        """Have the model run a request by a deadline (None: as its headers say)."""
        self._headers = call.headers
        try:
            self._deadline = deadline = read_deadline(call.headers, self._arrived) if deadline is None else deadline
            self._for_another = self._model.rescuer.is_for_another(call.headers)
            self._rescue = self._model.rescuer.start_rescue(call, self._protocol.name, deadline, self._send)
            self._model.engine.admit(deadline)
            self._parsed = self._codec.parse(call)
            self._queued = self._model.engine.submit(self._parsed.rows, deadline, self.take_result)
        except Refused as refusal:
            self.refuse(refusal)
        except Exception:  # an error of the service must not leave a client without a response
            log.exception("a request could not be read")
            self.refuse(ModelFailed("the request could not be read: an error of this service; see its log"))

    def take_result(self, result: Outputs | Refused) -> None:
        """Respond with the model's result."""
        if isinstance(result, Refused):
            self.refuse(result)
            return
        self._prediction = result["prediction"]
        try:
            answer = self._codec.write(self._parsed, result)
        except Exception:  # as above
            log.exception("an answer could not be written")
            self.refuse(ModelFailed("the answer could not be written: an error of this service; see its log"))
            return
        self._finish(answer)

    def refuse(self, refusal: Refused) -> None:
        """Respond with a refusal."""
        self._reason = str(refusal)
        self._finish(make_refusal_response(self._protocol, self._model, refusal))

    def defer_count(self) -> None:
        """Count the request not when `reply` returns, but when `count_written` is called."""
        self._deferred = True

    def count_written(self) -> None:
        """Count the request, because its response was written; a response of another revision is counted elsewhere."""
        if self._status and not self._counted:
            self._count(self._status)

    def abandon(self) -> None:
        """Give up a request whose client is gone; near its deadline it counts as answered too late."""
        if self._queued is not None:
            self._queued.deliver = None
        if self._rescue is not None:
            self._rescue.cancel()
        self._reply = self._rescue = None
        if self._counted:
            return
        now = perf_counter()
        late = now - self._arrived >= NEAR_DEADLINE * (self._deadline - self._arrived)
        self._reason = "the client stopped waiting"
        status = TooLate.status if late else CLIENT_CLOSED
        self._count(status)
        if self._model.observer.should_observe(status):
            self._observe(Response(status, b""), now - self._arrived)

    def _finish(self, answer: Response) -> None:
        self._status = answer.status
        if self._model.observer.should_observe(answer.status):
            answer = self._observe(answer, perf_counter() - self._arrived)
        rescued = self._rescue is not None and self._rescue.offer(answer)
        if not rescued:
            self._send(answer)
        if not self._counted and (rescued or not self._deferred):
            self._count(self._status)

    def _count(self, status: int) -> None:
        self._counted = True
        took = perf_counter() - self._arrived
        model = self._model
        model.meter.count_response(self._protocol.name, status, took, helped=self._for_another)
        if status == OK and not self._for_another and self._prediction is not None:
            model.summary.count(self._parsed.rows, self._prediction)
        record_compared_answer(model, self._headers, status, self._prediction, took)

    def _send(self, answer: Response) -> None:
        reply, self._reply = self._reply, None  # `reply` often refers to this object: break the reference cycle
        if reply is not None:
            reply(answer)

    def _observe(self, answer: Response, took: float) -> Response:
        """Pass the request to the observer; return the response, with the trace's header if there is one."""
        rows = None if self._parsed is None else self._parsed.rows
        told = RequestRecord(
            self._protocol.name, answer.status, took, self._headers, rows, self._prediction, self._reason
        )
        header = self._model.observer.observe(told)
        return answer if header is None else answer._replace(headers=(*answer.headers, header))


def record_compared_answer(
    model: Model, headers: Headers, status: int, prediction: NDArray[np.generic] | None, seconds: float
) -> None:
    """Keep the response if the request is compared."""
    if headers.get(COMPARE) == b"1" and REQUEST_ID in headers:
        name = headers[REQUEST_ID].decode("latin-1")
        model.compared_answers.record(name, status, prediction, milliseconds=1000 * seconds)


def make_refusal_response(protocol: ProtocolHandler, model: Model, refusal: Refused) -> Response:
    """Return a refusal in a protocol's form."""
    if isinstance(refusal, ModelFailed):
        refusal = ModelFailed(f"model {model.manifest.revision} failed: {refusal}")
    answer = protocol.write_refusal(refusal)
    if refusal.retry_after is None:
        return answer
    return answer._replace(headers=(*answer.headers, (b"retry-after", b"%d" % refusal.retry_after)))


def read_deadline(headers: dict[bytes, bytes], arrived: float) -> float:
    """Return the deadline: the soonest that a header states, or the default; raise BadRequest for a wrong number.

    >>> read_deadline({b"x-request-timeout-ms": b"250", b"x-envoy-expected-rq-timeout-ms": b"15000"}, 1.0)
    1.25
    """
    patience = PATIENCE_SECONDS
    for name in DEADLINES:
        said = headers.get(name)
        if said is not None:
            try:
                milliseconds = float(said)
            except ValueError:
                milliseconds = -1.0
            if not (isfinite(milliseconds) and milliseconds >= 0):
                shown = said[:40].decode("latin-1")
                raise BadRequest(f"{name.decode()}: got {shown!r}, expected a number of milliseconds")
            patience = min(patience, milliseconds / 1000)
    return arrived + patience
