"""One RPC, from its bytes to its answer's: limited, counted, compared and refused the same way at every gRPC door."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Protocol

import grpc  # type: ignore[import-untyped]

from services.inference.calls import Outputs
from services.inference.exchange import COMPARE, PATIENCE_SECONDS, remember
from services.inference.front import REVISION
from services.inference.messages import Message
from services.inference.model import Model
from services.inference.refusals import ModelFailed, Refused
from services.inference.telling.watching import REQUEST_ID, TRACE_PARENT, TRACE_STATE, Headers, Told

CODES = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    404: grpc.StatusCode.NOT_FOUND,
    413: grpc.StatusCode.RESOURCE_EXHAUSTED,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
    500: grpc.StatusCode.INTERNAL,
    503: grpc.StatusCode.UNAVAILABLE,
    504: grpc.StatusCode.DEADLINE_EXCEEDED,
}
"""gRPC's word for what a refusal's status says over HTTP."""
GONE = 504
"""The status counted for a request whose client stopped waiting."""
DETAILS = 800
"""Characters of a message that go back: they travel as metadata, of which clients take 8 KiB."""
ID_LENGTH = 256
"""Characters of a request id that is echoed; longer ones would fill the metadata too."""
PUSHBACK = "grpc-retry-pushback-ms"
"""gRPC's own way to say when another try may do."""

log = logging.getLogger("slipway.inference")


class Context(Protocol):
    """What is used of gRPC's own context of an RPC."""

    def time_remaining(self) -> float | None:
        """Return how many seconds the client still waits; None: it did not say."""

    def invocation_metadata(self) -> Sequence[tuple[str, str | bytes]] | None:
        """Return what came beside the message."""

    def set_trailing_metadata(self, trailing_metadata: Sequence[tuple[str, str]]) -> None:
        """Say what goes back beside the answer."""

    def set_code(self, code: grpc.StatusCode) -> None:
        """End with a status."""

    def set_details(self, details: str) -> None:
        """Say why."""

    async def read(self) -> Any:  # noqa: ANN401 - bytes, or gRPC's mark of the end
        """Return the next message of a stream."""

    async def write(self, message: bytes) -> None:
        """Send the next message of a stream."""


Rpc = Callable[[bytes, Context], Awaitable[bytes]]
"""One message in, one out, both as bytes: what can't be parsed is ours to refuse, and not gRPC's failure."""


@dataclass(frozen=True, slots=True)
class Inference:
    """How a door reads requests that run the model, and writes answers."""

    protocol: str
    """As metrics call the door."""
    parse: Callable[[bytes], Any]
    """Returns what has `.rows`; raises Refused."""
    write: Callable[[Any, Outputs], bytes]
    """Returns the answer to what `parse` gave."""


class Asking:
    """Answers RPCs about one model."""

    def __init__(self, model: Model) -> None:
        """Answer for a model."""
        self.model = model
        self._revision = (REVISION.decode(), model.manifest.revision)

    def telling(self, tell: Callable[[bytes], Message]) -> Rpc:
        """Return an RPC that does not run the model; `tell` raises Refused."""

        async def told(body: bytes, _: Context) -> bytes:
            answer: bytes = tell(body).SerializeToString()
            return answer

        return self._answering(told)

    def inferring(self, inference: Inference) -> Rpc:
        """Return an RPC that runs the model."""

        async def inferred(body: bytes, context: Context) -> bytes:
            return await self.infer(inference, body, deadline_of(context), _headers(context))

        return self._answering(inferred)

    def begin(self, context: Context, *more: tuple[str, str]) -> None:
        """Name the revision and echo the request's id, beside whatever the answer will be."""
        name = _headers(context).get(REQUEST_ID)
        echoed = [(REQUEST_ID.decode(), name.decode("latin-1"))] if name is not None else []
        context.set_trailing_metadata((self._revision, *echoed, *more))

    def refuse(self, context: Context, refusal: Refused) -> None:
        """End an RPC with a refusal."""
        if refusal.retry_after is not None:
            self.begin(context, (PUSHBACK, str(1000 * refusal.retry_after)))
        context.set_code(CODES.get(refusal.status, grpc.StatusCode.INTERNAL))
        context.set_details(self.words(refusal))

    def words(self, refusal: Refused) -> str:
        """Return a refusal's message."""
        if not isinstance(refusal, ModelFailed):
            return str(refusal)[:DETAILS]
        return f"model {self.model.manifest.revision} failed: {refusal}"[:DETAILS]

    async def infer(self, inference: Inference, body: bytes, deadline: float, headers: Headers) -> bytes:
        """Return the answer to one message, counted, told and remembered as its headers say; raise Refused."""
        arrived = perf_counter()
        self.model.meter.began()
        status, reason, asked, prediction = GONE, "the client stopped waiting", None, None
        try:
            self.model.engine.admit()
            asked = inference.parse(body)
            outputs = await self.model.predict(asked.rows, deadline)
            prediction = outputs["prediction"]
            answer = inference.write(asked, outputs)
            status, reason = 200, ""
        except Refused as refusal:
            status, reason = refusal.status, str(refusal)
            raise
        except Exception as error:  # a fault of ours must not leave a client without an answer
            status, reason = ModelFailed.status, "the request could not be answered: a fault of this service"
            log.exception("a request could not be answered")
            raise ModelFailed(f"{reason}; its log has more") from error
        finally:  # also where the client stopped waiting, which cancels us
            took = perf_counter() - arrived
            self.model.meter.ended(inference.protocol, status, took)
            remember(self.model, headers, status, prediction, took)
            if self.model.watch.wants(status):
                rows = None if asked is None else asked.rows
                self.model.watch.tell(Told(inference.protocol, status, took, headers, rows, prediction, reason))
        return answer

    def _answering(self, work: Rpc) -> Rpc:
        async def answered(body: bytes, context: Context) -> bytes:
            self.begin(context)
            try:
                return await work(body, context)
            except Refused as refusal:
                self.refuse(context, refusal)
                return b""

        return answered


_KEPT = {name.decode(): name for name in (REQUEST_ID, COMPARE, TRACE_PARENT, TRACE_STATE)}


def _headers(context: Context) -> dict[bytes, bytes]:
    """Return what is ours of the metadata, as HTTP has it; what is too long to be echoed is left out."""
    return {
        _KEPT[name]: value.encode("latin-1")
        for name, value in context.invocation_metadata() or ()
        if name in _KEPT and isinstance(value, str) and len(value) <= ID_LENGTH
    }


def deadline_of(context: Context) -> float:
    """Return when an answer is of no use any more, on perf_counter's clock."""
    remaining = context.time_remaining()
    return perf_counter() + (PATIENCE_SECONDS if remaining is None else min(remaining, PATIENCE_SECONDS))
