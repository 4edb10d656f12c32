"""Sends the same requests to both services and returns the answers of each."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from itertools import chain

import grpc  # type: ignore[import-untyped]
import httpx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from slipway.adapters.bento.process import ServiceProcess
from slipway.adapters.bento.replaying.answers import Outputs, read_json, read_message
from slipway.adapters.bento.replaying.messages import DESCRIPTORS, Messages
from slipway.adapters.bento.replaying.requests import ReplayRequest, make_http_requests
from slipway.adapters.bento.replaying.samples import RequestRows
from slipway.domain.gates.contract.replay import ReplayedAnswer, ReplayedExchange, ReplayResult
from slipway.domain.judge.answers import AnswerKind, kind_of_grpc, kind_of_http

REQUEST_SECONDS = 30.0
"""The service's own limit of one request."""
CONNECT_SECONDS = 10.0
"""Seconds until its gRPC port opens after it is ready over HTTP."""
REPLAY_SECONDS = 30.0
"""Seconds after which no further request is made: a slow model gets fewer."""
TRIES = 2
"""A request counts as unanswered after this many attempts, because the machine may be busy."""
LONGEST = 300
"""Characters of a service's own message that are kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceClients:
    """Connections to one service."""

    model: str
    """The model name in its requests."""
    http: httpx.Client
    grpc: grpc.Channel
    messages: Messages

    def send_request(self, request: ReplayRequest) -> ReplayedAnswer:
        """Return the answer to a request; without an answer it is sent once more."""
        ask = self._ask_http if request.headers else self._ask_grpc
        answers = [ask(request)]
        while len(answers) < TRIES and answers[-1].kind in {AnswerKind.FAILED, AnswerKind.SHED}:
            answers.append(ask(request))
        return answers[-1]

    def _ask_http(self, request: ReplayRequest) -> ReplayedAnswer:
        try:
            answer = self.http.post(request.path, content=request.body, headers=request.headers)
        except httpx.TransportError as error:
            return ReplayedAnswer(kind=AnswerKind.FAILED, message=f"no answer ({type(error).__name__})")
        kind = kind_of_http(answer.status_code, retry_after="retry-after" in answer.headers)
        if kind is not AnswerKind.RIGHT:
            return ReplayedAnswer(kind=kind, message=f"{answer.status_code}: {answer.text[:LONGEST]}")
        return _read_outputs(lambda: read_json(request.protocol, answer.content, dict(answer.headers)))

    def _ask_grpc(self, request: ReplayRequest) -> ReplayedAnswer:
        try:
            body = self.grpc.unary_unary(request.path)(request.body, timeout=REQUEST_SECONDS)
        except grpc.RpcError as error:
            name = error.code().name
            return ReplayedAnswer(kind=kind_of_grpc(name), message=f"{name}: {error.details()}"[:LONGEST])
        return _read_outputs(lambda: read_message(self.messages, request.protocol, body))


def _read_outputs(read: Callable[[], Outputs]) -> ReplayedAnswer:
    try:
        return ReplayedAnswer(kind=AnswerKind.RIGHT, outputs=read())
    except (ValueError, KeyError, TypeError, IndexError, DecodeError) as error:
        return ReplayedAnswer(
            kind=AnswerKind.FAILED, message=f"an answer that can't be read ({type(error).__name__}: {error})"
        )


@contextmanager
def open_clients(service: ServiceProcess) -> Iterator[ServiceClients]:
    """Connect to a ready service by every protocol."""
    messages = Messages((service.package.path / DESCRIPTORS).read_bytes())
    with ExitStack() as stack:
        client = stack.enter_context(httpx.Client(base_url=service.url, timeout=REQUEST_SECONDS))
        channel = stack.enter_context(grpc.insecure_channel(service.grpc))
        with suppress(grpc.FutureTimeoutError):  # if it never listens, its requests show that
            grpc.channel_ready_future(channel).result(CONNECT_SECONDS)
        yield ServiceClients(model=service.package.model, http=client, grpc=channel, messages=messages)


def replay_requests(
    champion: ServiceClients, challenger: ServiceClients, samples: Sequence[RequestRows]
) -> ReplayResult:
    """Send requests to both, to the challenger only what the champion answers; end early if it takes too long."""
    ends = time.monotonic() + REPLAY_SECONDS
    model = champion.model
    exchanges: list[ReplayedExchange] = []
    for sample in samples:
        for request in chain(make_http_requests(model, sample), champion.messages.make_requests(model, sample)):
            if time.monotonic() > ends:
                skipped = f"it ended after {REPLAY_SECONDS:g} s, before all were made"
                return ReplayResult(exchanges=tuple(exchanges), skipped=skipped)
            before = champion.send_request(request)
            if before.kind is AnswerKind.RIGHT:
                after = challenger.send_request(request)
                exchanges.append(
                    ReplayedExchange(protocol=request.protocol, form=request.form, champion=before, challenger=after)
                )
    return ReplayResult(exchanges=tuple(exchanges))
