"""One request that runs the model, from its body to its answer: the same way for every protocol and every server."""

import logging
from collections.abc import Callable
from math import isfinite
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.inference.calls import Answer, Call, Inference, Outputs, Refusing
from services.inference.model import Model
from services.inference.refusals import BadRequest, ModelFailed, Refused
from services.inference.rescuing import Rescue
from services.inference.telling.watching import REQUEST_ID, Headers, Told

COMPARE = b"x-slipway-compare"
"""Header of requests whose answers are remembered, set by the router while it copies live requests."""
DEADLINES = (b"x-request-timeout-ms", b"x-envoy-expected-rq-timeout-ms")
"""Headers that say how many milliseconds the client (or the router for it) waits."""
PATIENCE_SECONDS = 30.0
"""How long an answer may take where the client does not say."""
GONE = 504
"""The status counted for a request whose client stopped waiting."""

log = logging.getLogger("slipway.inference")


class Exchange:
    """Counts the request from its arrival on, and gives its answer to `reply`, once."""

    __slots__ = (
        *("_arrived", "_asked", "_door", "_headers", "_helps", "_inference", "_model", "_prediction", "_reason"),
        *("_reply", "_rescue", "_waiting"),
    )

    def __init__(self, model: Model, door: Refusing, inference: Inference, reply: Callable[[Answer], None]) -> None:
        """Begin with a request that has arrived."""
        self._model, self._door, self._inference = model, door, inference
        self._reply: Callable[[Answer], None] | None = reply
        self._arrived = perf_counter()
        self._asked: Any = None
        self._headers: dict[bytes, bytes] = {}
        self._prediction: NDArray[np.generic] | None = None
        self._reason = ""
        self._rescue: Rescue | None = None
        self._helps = False
        """The request was meant for another revision."""
        self._waiting: Any = None
        """The engine's place for it, once it has one."""
        model.meter.began()

    def ask(self, call: Call, deadline: float | None = None) -> None:
        """Have the model run what a call asks for, by a deadline (None: as its headers say)."""
        self._headers = call.headers
        try:
            if deadline is None:
                deadline = deadline_of(call.headers, self._arrived)
            self._helps = self._model.rescuer.helps(call.headers)
            self._rescue = self._model.rescuer.watch(call, self._door.name, deadline, self._answer)
            self._model.engine.admit(deadline)
            self._asked = self._inference.parse(call)
            self._waiting = self._model.engine.submit(self._asked.rows, deadline, self.came)
        except Refused as refusal:
            self.refuse(refusal)
        except Exception:  # a fault of ours must not leave a client without an answer
            log.exception("a request could not be read")
            self.refuse(ModelFailed("the request could not be read: a fault of this service; its log has more"))

    def came(self, result: Outputs | Refused) -> None:
        """Answer with what the model gave."""
        if isinstance(result, Refused):
            self.refuse(result)
            return
        self._prediction = prediction = result["prediction"]
        try:
            answer = self._inference.write(self._asked, result)
        except Exception:  # as above
            log.exception("an answer could not be written")
            self.refuse(ModelFailed("the answer could not be written: a fault of this service; its log has more"))
            return
        if not self._helps:
            self._model.summary.count(self._asked.rows, prediction)
        self._end(answer)

    def refuse(self, refusal: Refused) -> None:
        """Answer with a refusal."""
        self._reason = str(refusal)
        self._end(refused(self._door, self._model, refusal))

    def lose(self) -> None:
        """End a request whose client stopped waiting: it is counted, and what waits to be run for it is not."""
        if self._reply is None:
            return
        if self._waiting is not None:
            self._waiting.tell = None
        if self._rescue is not None:
            self._rescue.stop()
        self._reply = self._rescue = None
        self._reason = "the client stopped waiting"
        self._end(Answer(GONE, b""))

    def _end(self, answer: Answer) -> None:
        took = perf_counter() - self._arrived
        self._model.meter.ended(self._door.name, answer.status, took, helped=self._helps)
        remember(self._model, self._headers, answer.status, self._prediction, took)
        if self._model.watch.wants(answer.status):
            answer = self._told(answer, took)
        if self._rescue is None or not self._rescue.takes(answer):
            self._answer(answer)

    def _answer(self, answer: Answer) -> None:
        reply, self._reply = self._reply, None  # who is answered often holds us: no circle is left to be collected
        if reply is not None:
            reply(answer)

    def _told(self, answer: Answer, took: float) -> Answer:
        """Tell who watches; return the answer with its trace, where it has one."""
        rows = None if self._asked is None else self._asked.rows
        told = Told(self._door.name, answer.status, took, self._headers, rows, self._prediction, self._reason)
        header = self._model.watch.tell(told)
        return answer if header is None else answer._replace(headers=(*answer.headers, header))


def remember(
    model: Model, headers: Headers, status: int, prediction: NDArray[np.generic] | None, seconds: float
) -> None:
    """Keep an answer to a request that is compared."""
    if headers.get(COMPARE) == b"1" and REQUEST_ID in headers:
        name = headers[REQUEST_ID].decode("latin-1")
        model.answers.remember(name, status, prediction, milliseconds=1000 * seconds)


def refused(door: Refusing, model: Model, refusal: Refused) -> Answer:
    """Return a refusal in a protocol's form."""
    if isinstance(refusal, ModelFailed):
        refusal = ModelFailed(f"model {model.manifest.revision} failed: {refusal}")
    answer = door.refused(refusal)
    if refusal.retry_after is None:
        return answer
    return answer._replace(headers=(*answer.headers, (b"retry-after", b"%d" % refusal.retry_after)))


def deadline_of(headers: dict[bytes, bytes], arrived: float) -> float:
    """Return when an answer is of no use any more: the soonest that a header says; raise BadRequest for no number.

    >>> deadline_of({b"x-request-timeout-ms": b"250", b"x-envoy-expected-rq-timeout-ms": b"15000"}, 1.0)
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
