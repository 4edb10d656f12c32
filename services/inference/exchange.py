"""One request that runs the model, from its body to its answer: the same way for every protocol and every server."""

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
from services.inference.rescue import Rescue
from services.inference.telemetry.observer import Headers, RequestRecord
from slipway_interface.logs import LOGGER

PATIENCE_SECONDS = 30.0
"""How long an answer may take where the client does not say."""
OK = 200
CLIENT_CLOSED = 499
"""The status counted for a request whose client went away: nobody's failure. No client sees it."""
NEAR_DEADLINE = 0.9
"""A client that waited for so much of its time gave up at its deadline: its clock began at another moment than ours."""

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
        """Begin with a request that has arrived."""
        self._model, self._protocol, self._codec = model, protocol, codec
        self._reply: Callable[[Response], None] | None = reply
        self._arrived = perf_counter()
        self._deadline = inf
        self._parsed: Any = None
        self._headers: dict[bytes, bytes] = {}
        self._prediction: NDArray[np.generic] | None = None
        self._reason, self._status = "", 0
        """The status of our own answer; 0: there is none yet."""
        self._deferred = self._counted = False
        self._rescue: Rescue | None = None
        self._for_another = False
        """The request was meant for another revision."""
        self._queued: Any = None
        """The engine's place for it, once it has one."""
        model.meter.count_arrival()

    def start(self, call: Request, deadline: float | None = None) -> None:
        """Have the model run what a call asks for, by a deadline (None: as its headers say)."""
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
        except Exception:  # a fault of ours must not leave a client without an answer
            log.exception("a request could not be read")
            self.refuse(ModelFailed("the request could not be read: a fault of this service; its log has more"))

    def take_result(self, result: Outputs | Refused) -> None:
        """Answer with what the model gave."""
        if isinstance(result, Refused):
            self.refuse(result)
            return
        self._prediction = result["prediction"]
        try:
            answer = self._codec.write(self._parsed, result)
        except Exception:  # as above
            log.exception("an answer could not be written")
            self.refuse(ModelFailed("the answer could not be written: a fault of this service; its log has more"))
            return
        self._finish(answer)

    def refuse(self, refusal: Refused) -> None:
        """Answer with a refusal."""
        self._reason = str(refusal)
        self._finish(make_refusal_response(self._protocol, self._model, refusal))

    def defer_count(self) -> None:
        """Hear that the answer will be written later than `reply` returns."""
        self._deferred = True

    def count_written(self) -> None:
        """Count the request: its answer was written. Another revision's answer to it is not ours to count."""
        if self._status and not self._counted:
            self._count(self._status)

    def abandon(self) -> None:
        """Give up a request whose client is gone: near its deadline it counts as one that was answered too late."""
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
        reply, self._reply = self._reply, None  # who is answered often holds us: no circle is left to be collected
        if reply is not None:
            reply(answer)

    def _observe(self, answer: Response, took: float) -> Response:
        """Tell who watches; return the answer with its trace, where it has one."""
        rows = None if self._parsed is None else self._parsed.rows
        told = RequestRecord(
            self._protocol.name, answer.status, took, self._headers, rows, self._prediction, self._reason
        )
        header = self._model.observer.observe(told)
        return answer if header is None else answer._replace(headers=(*answer.headers, header))


def record_compared_answer(
    model: Model, headers: Headers, status: int, prediction: NDArray[np.generic] | None, seconds: float
) -> None:
    """Keep an answer to a request that is compared."""
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
    """Return when an answer is of no use any more: the soonest that a header says; raise BadRequest for no number.

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
