"""The Open Inference Protocol (v2) over HTTP, as KServe and Triton speak it: JSON and the binary tensor extension."""

from collections.abc import Mapping

import orjson

from services.inference.manifest import Manifest
from services.inference.model import Model, TensorType
from services.inference.protocols import oip_json
from services.inference.refusals import Refused, ResourceNotFound, reject
from services.inference.request import Handler, InferenceCodec, Outputs, Request, Response, Route, RouteTable
from services.inference.tensors import get_datatype
from slipway_interface.pages import MODEL_READY

HEADER_LENGTH_HEADER = b"inference-header-content-length"
BINARY_MEDIA_TYPE = b"application/octet-stream"
EXTENSIONS = ("binary_tensor_data",)


class OpenInferenceHttp:
    """The protocol's paths for one model."""

    name = "oip"

    def __init__(self, model: Model) -> None:
        """Handle requests for a model, also while it is being loaded."""
        self._model = model
        self._manifest = model.manifest

    def build_routes(self) -> RouteTable:
        """Return the paths under `/v2`."""
        exact = {
            "/v2": self._make_get_route(self._answer_server),
            "/v2/health/live": self._make_get_route(self._answer_live),
            MODEL_READY: self._make_get_route(self._answer_ready),
        }
        named = f"/v2/models/{self._manifest.model}"
        for model in (named, f"{named}/versions/{self._manifest.version}"):
            exact[model] = self._make_get_route(self._answer_metadata)
            exact[f"{model}/ready"] = self._make_get_route(self._answer_model_ready)
            exact[f"{model}/infer"] = Route(protocol=self, codec=InferenceCodec(self._parse, self._write))
        return RouteTable(exact=exact, prefixes=("/v2/",))

    def write_refusal(self, refusal: Refused) -> Response:
        """Return `{"error": ...}`."""
        return Response(refusal.status, orjson.dumps({"error": str(refusal)}))

    def explain_missing(self, path: str) -> ResourceNotFound:
        """Return the 404 for an unknown path under `/v2`."""
        parts = path.split("/")
        manifest = self._manifest
        if len(parts) > NAMED and parts[2] == "models":
            if parts[3] != manifest.model:
                return ResourceNotFound(
                    f"model: got {parts[3][:160]!r}, expected {manifest.model!r}: this service has one model"
                )
            if len(parts) > VERSIONED and parts[4] == "versions" and parts[5] != manifest.version:
                seen = parts[5][:160]
                return ResourceNotFound(
                    f"version: got {seen!r}, expected {manifest.version!r}: this service has one model"
                )
        return ResourceNotFound(
            f"path: got {path[:160]!r}, expected /v2/models/{manifest.model}/infer or another of the protocol"
        )

    def _make_get_route(self, handler: Handler) -> Route:
        return Route(handlers={"GET": handler, "HEAD": handler}, protocol=self)

    async def _answer_server(self, _: Request) -> Response:
        about = {"name": "slipway", "version": self._manifest.revision, "extensions": list(EXTENSIONS)}
        return Response(200, orjson.dumps(about))

    async def _answer_live(self, _: Request) -> Response:
        return Response(200, b'{"live":true}')

    async def _answer_ready(self, _: Request) -> Response:
        ready = self._model.ready
        return Response(200 if ready else 503, orjson.dumps({"ready": ready}))

    async def _answer_model_ready(self, _: Request) -> Response:
        ready = self._model.ready
        return Response(200 if ready else 503, orjson.dumps({"name": self._manifest.model, "ready": ready}))

    async def _answer_metadata(self, _: Request) -> Response:
        return Response(200, orjson.dumps(describe_model(self._manifest, self._model.outputs)))

    def _parse(self, call: Request) -> oip_json.InferRequest:
        said = call.headers.get(HEADER_LENGTH_HEADER)
        head = None if said is None else _parse_header_length(said, len(call.body))
        return oip_json.parse_request(call.body, head, self._manifest)

    def _write(self, asked: oip_json.InferRequest, outputs: Outputs) -> Response:
        body, head = oip_json.write_response(asked, outputs, self._manifest)
        if head is None:
            return Response(200, body)
        return Response(200, body, BINARY_MEDIA_TYPE, ((HEADER_LENGTH_HEADER, b"%d" % head),))


NAMED, VERSIONED = 3, 5
"""Parts of a path that goes beyond `/v2/models/`, and beyond `/v2/models/NAME/versions/`."""


def _parse_header_length(said: bytes, body: int) -> int:
    if not said.isdigit() or len(said) > len(str(body)) or int(said) > body:
        shown = said[:40].decode("latin-1")
        reject("Inference-Header-Content-Length", shown, f"a number of bytes up to the body's {body}")
    return int(said)


def describe_model(manifest: Manifest, outputs: Mapping[str, TensorType]) -> dict[str, object]:
    """Return the protocol's model metadata."""
    kind = manifest.matrix_kind
    if kind is not None and (manifest.single_matrix or len(manifest.columns) > 1):
        names = [column.name for column in manifest.columns]
        shape = [-1, manifest.width]
        inputs = [{"name": "input", "datatype": get_datatype(kind), "shape": shape, "parameters": {"columns": names}}]
    else:
        inputs = [
            {"name": column.name, "datatype": get_datatype(column.kind), "shape": list(column.shape)}
            for column in manifest.columns
        ]
    platform = {"onnx": "onnx_onnxruntime", "pyfunc": "mlflow_pyfunc"}[manifest.runtime]
    described = {"name": manifest.model, "versions": [manifest.version], "platform": platform, "inputs": inputs}
    return {**described, "outputs": [_describe_output(name, outputs.get(name)) for name in manifest.output_names]}


def _describe_output(name: str, kind: TensorType | None) -> dict[str, object]:
    """Describe an output; the type of one that was never seen is unknown."""
    if kind is None:
        return {"name": name, "shape": [-1]}
    return {"name": name, "datatype": kind.datatype, "shape": list(kind.shape)}
