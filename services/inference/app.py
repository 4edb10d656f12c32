"""The Open Inference Protocol (v2, JSON) over HTTP, for one model."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from time import perf_counter

import numpy as np
import orjson
from numpy.typing import NDArray
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from services.inference.answers import Answers
from services.inference.headers import REQUEST_ID, RevisionHeaders
from services.inference.manifest import Manifest
from services.inference.metrics import RequestMetrics
from services.inference.requests import BadRequest, InferenceRequest, parse_request
from services.inference.runtime import ModelFailed, Runtime, warm_up_request
from services.inference.summary import Summary
from services.inference.tensors import datatype_of, write_tensor

BODY_LIMIT = 16 * 1024 * 1024
"""Bytes of one request: about 30,000 rows of 64 numbers; the arrays made of it still fit into a small container."""
COMPARE = "x-slipway-compare"
"""Header of requests whose answers are remembered, set by the router while it copies live requests."""

log = logging.getLogger("slipway.inference")
Outputs = dict[str, NDArray[np.generic]]


@dataclass(slots=True, kw_only=True)
class Serving:
    """The model behind the routes; `ready` only after it answered a first request of our own."""

    manifest: Manifest
    runtime: Runtime
    answers: Answers = field(default_factory=Answers)
    summary: Summary = field(init=False)
    metrics: RequestMetrics = field(init=False)
    ready: bool = False

    def __post_init__(self) -> None:
        """Begin the summary that the manifest asks for, and the counts."""
        self.summary = Summary(self.manifest)
        self.metrics = RequestMetrics(self.manifest)

    async def start(self) -> None:
        """Load the model and run it once. A model that fails on zeros is loaded all the same: live rows differ."""
        await self.runtime.start()
        try:
            await self.runtime.predict(warm_up_request(self.manifest))
        except ModelFailed as error:
            log.warning("warm-up: the model failed on a row of zeros: %s", error)
        self.metrics.loaded(self.runtime.device)
        self.ready = True

    async def stop(self) -> None:
        """Take no more, and let go of the model once what is in flight is done."""
        self.ready = False
        await self.runtime.stop()


class Routes:
    """The protocol's paths."""

    def __init__(self, serving: Callable[[], Serving]) -> None:
        """Answer for what `serving` returns; asked at every request, as the model is loaded after the app is made."""
        self._serving = serving

    async def server(self, _: Request) -> Response:
        """GET /v2: who we are."""
        manifest = self._serving().manifest
        return answer({"name": "slipway", "version": manifest.revision, "extensions": []})

    async def live(self, _: Request) -> Response:
        """GET /v2/health/live."""
        return answer({"live": True})

    async def ready(self, request: Request) -> Response:
        """GET /v2/health/ready and /v2/models/NAME/ready: 503 until the model has run once, and while draining."""
        serving = self._of(request)
        body: dict[str, object] = {"name": serving.manifest.model} if "model" in request.path_params else {}
        return answer({**body, "ready": serving.ready}, 200 if serving.ready else 503)

    async def metadata(self, request: Request) -> Response:
        """GET /v2/models/NAME: what goes in and comes out."""
        return answer(describe(self._of(request).manifest))

    async def infer(self, request: Request) -> Response:
        """POST /v2/models/NAME/infer: 400 for a wrong request, 500 where the model fails on it."""
        with self._serving().metrics.request() as taken:
            serving = self._of(request)
            body = await _body(request)
            began = perf_counter()
            response, prediction = await _inferred(serving, body)
            taken.status = response.status_code
        name = request.headers.get(REQUEST_ID)
        if name and request.headers.get(COMPARE) == "1":
            milliseconds = 1000 * (perf_counter() - began)
            serving.answers.remember(name, response.status_code, prediction, milliseconds=milliseconds)
        return response

    async def compared(self, _: Request) -> Response:
        """GET /slipway/answers: the latest answers to requests marked for comparison. Never routed to clients."""
        return answer({"answers": self._serving().answers.latest()})

    async def summed(self, _: Request) -> Response:
        """GET /slipway/summary: predictions and inputs summed since the process began. Never routed to clients."""
        return answer(self._serving().summary.shown())

    def _of(self, request: Request) -> Serving:
        """Return the model that the path names; 404 for any other."""
        serving = self._serving()
        ours = {"model": serving.manifest.model, "version": serving.manifest.version}
        for key, expected in ours.items():
            seen = request.path_params.get(key, expected)
            if seen != expected:
                raise HTTPException(
                    404, f"{key}: got {seen[:160]!r}, expected {expected!r}: this service has one model"
                )
        return serving


def make_app(serving: Callable[[], Serving], revision: Callable[[], str]) -> Starlette:
    """Return the application; every answer of it names the revision and echoes the request's id."""
    routes = Routes(serving)
    paths: list[tuple[str, str, Callable[[Request], Awaitable[Response]]]] = [
        ("GET", "/v2", routes.server),
        ("GET", "/v2/health/live", routes.live),
        ("GET", "/v2/health/ready", routes.ready),
        ("GET", "/slipway/answers", routes.compared),
        ("GET", "/slipway/summary", routes.summed),
    ]
    for model in ("/v2/models/{model}", "/v2/models/{model}/versions/{version}"):
        paths.append(("GET", model, routes.metadata))
        paths.append(("GET", f"{model}/ready", routes.ready))
        paths.append(("POST", f"{model}/infer", routes.infer))
    return Starlette(
        routes=[Route(path, endpoint, methods=[method]) for method, path, endpoint in paths],
        middleware=[Middleware(RevisionHeaders, revision=revision)],
        exception_handlers={HTTPException: _refused},
    )


def describe(manifest: Manifest) -> dict[str, object]:
    """Return the protocol's model metadata."""
    kind = manifest.matrix_kind
    if kind is not None and (manifest.single_matrix or len(manifest.columns) > 1):
        names = [column.name for column in manifest.columns]
        shape = [-1, manifest.width]
        inputs = [{"name": "input", "datatype": datatype_of(kind), "shape": shape, "parameters": {"columns": names}}]
    else:
        inputs = [
            {"name": column.name, "datatype": datatype_of(column.kind), "shape": list(column.shape)}
            for column in manifest.columns
        ]
    platform = {"onnx": "onnx_onnxruntime", "pyfunc": "mlflow_pyfunc"}[manifest.runtime]
    described = {"name": manifest.model, "versions": [manifest.version], "platform": platform, "inputs": inputs}
    return {**described, "outputs": [{"name": "prediction", "shape": [-1]}]}


def answer(body: dict[str, object], status: int = 200) -> Response:
    """Return JSON; arrays in it are written as they are."""
    return Response(orjson.dumps(body, option=orjson.OPT_SERIALIZE_NUMPY), status, media_type="application/json")


async def _inferred(serving: Serving, body: bytes) -> tuple[Response, NDArray[np.generic] | None]:
    """Return the answer to a request's body, and the prediction where there is one; sum up what is answered well."""
    outputs: Outputs = {}
    try:
        parsed = parse_request(body, serving.manifest)
        outputs = await serving.runtime.predict(parsed)
        response = _predicted(serving.manifest, parsed, outputs)
        serving.summary.count(parsed, outputs["prediction"])
    except BadRequest as error:
        response = answer({"error": str(error)}, 400)
    except ModelFailed as error:
        log.warning("the model failed: %s", error)
        response = answer({"error": f"model {serving.manifest.revision} failed: {error}"}, 500)
    return response, outputs.get("prediction")


def _predicted(manifest: Manifest, request: InferenceRequest, outputs: Outputs) -> Response:
    missing = [name for name in request.outputs if name not in outputs]
    if missing:
        message = f"outputs: got {missing[0]!r}, expected one of {', '.join(outputs)}"
        raise BadRequest(message)
    wanted = request.outputs or tuple(outputs)
    body: dict[str, object] = {"model_name": manifest.model, "model_version": manifest.version}
    if request.id is not None:
        body["id"] = request.id
    return answer({**body, "outputs": [write_tensor(name, outputs[name]) for name in wanted]})


async def _body(request: Request) -> bytes:
    """Read a body, of bounded size; raise 413 beyond it."""
    parts = bytearray()
    try:
        async for part in request.stream():
            parts += part
            if len(parts) > BODY_LIMIT:
                raise HTTPException(
                    413, f"body: got more than {BODY_LIMIT} bytes, expected less; send fewer rows at a time"
                )
    except ClientDisconnect as error:
        raise HTTPException(400, "body: the connection ended before it was complete") from error
    return bytes(parts)


async def _refused(_: Request, error: Exception) -> Response:
    """Answer in the protocol's error form; Starlette passes only HTTPException here."""
    detail, status = (error.detail, error.status_code) if isinstance(error, HTTPException) else (str(error), 500)
    return answer({"error": detail}, status)
