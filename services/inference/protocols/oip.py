"""The Open Inference Protocol (v2) over HTTP, as KServe and Triton speak it: JSON and the binary tensor extension."""

from collections.abc import Mapping

import orjson

from services.inference.manifest import Manifest
from services.inference.model import Model, TensorKind
from services.inference.protocols import oip_json
from services.inference.refusals import NotFound, Refused, refuse
from services.inference.request import Answer, Call, Handler, Inference, Outputs, Paths, Route
from services.inference.tensors import datatype_of

HEADER_LENGTH = b"inference-header-content-length"
BINARY = b"application/octet-stream"
EXTENSIONS = ("binary_tensor_data",)


class OpenInference:
    """The protocol's paths for one model."""

    name = "oip"

    def __init__(self, model: Model) -> None:
        """Answer for a model, also while it is being loaded."""
        self._model = model
        self._manifest = model.manifest

    def paths(self) -> Paths:
        """Return `/v2` and what is below it."""
        exact = {
            "/v2": self._get(self._server),
            "/v2/health/live": self._get(self._live),
            "/v2/health/ready": self._get(self._ready),
        }
        named = f"/v2/models/{self._manifest.model}"
        for model in (named, f"{named}/versions/{self._manifest.version}"):
            exact[model] = self._get(self._metadata)
            exact[f"{model}/ready"] = self._get(self._model_ready)
            exact[f"{model}/infer"] = Route(door=self, inference=Inference(self._parse, self._write))
        return Paths(exact=exact, prefixes=("/v2/",))

    def refused(self, refusal: Refused) -> Answer:
        """Return `{"error": ...}`."""
        return Answer(refusal.status, orjson.dumps({"error": str(refusal)}))

    def missing(self, path: str) -> NotFound:
        """Say what there is instead of a path below `/v2`."""
        parts = path.split("/")
        manifest = self._manifest
        if len(parts) > NAMED and parts[2] == "models":
            if parts[3] != manifest.model:
                return NotFound(
                    f"model: got {parts[3][:160]!r}, expected {manifest.model!r}: this service has one model"
                )
            if len(parts) > VERSIONED and parts[4] == "versions" and parts[5] != manifest.version:
                seen = parts[5][:160]
                return NotFound(f"version: got {seen!r}, expected {manifest.version!r}: this service has one model")
        return NotFound(
            f"path: got {path[:160]!r}, expected /v2/models/{manifest.model}/infer or another of the protocol"
        )

    def _get(self, handler: Handler) -> Route:
        return Route(handlers={"GET": handler, "HEAD": handler}, door=self)

    async def _server(self, _: Call) -> Answer:
        about = {"name": "slipway", "version": self._manifest.revision, "extensions": list(EXTENSIONS)}
        return Answer(200, orjson.dumps(about))

    async def _live(self, _: Call) -> Answer:
        return Answer(200, b'{"live":true}')

    async def _ready(self, _: Call) -> Answer:
        ready = self._model.ready
        return Answer(200 if ready else 503, orjson.dumps({"ready": ready}))

    async def _model_ready(self, _: Call) -> Answer:
        ready = self._model.ready
        return Answer(200 if ready else 503, orjson.dumps({"name": self._manifest.model, "ready": ready}))

    async def _metadata(self, _: Call) -> Answer:
        return Answer(200, orjson.dumps(describe(self._manifest, self._model.outputs)))

    def _parse(self, call: Call) -> oip_json.Asked:
        said = call.headers.get(HEADER_LENGTH)
        head = None if said is None else _header_length(said, len(call.body))
        return oip_json.parse(call.body, head, self._manifest)

    def _write(self, asked: oip_json.Asked, outputs: Outputs) -> Answer:
        body, head = oip_json.write(asked, outputs, self._manifest)
        if head is None:
            return Answer(200, body)
        return Answer(200, body, BINARY, ((HEADER_LENGTH, b"%d" % head),))


NAMED, VERSIONED = 3, 5
"""Parts of a path that goes beyond `/v2/models/`, and beyond `/v2/models/NAME/versions/`."""


def _header_length(said: bytes, body: int) -> int:
    if not said.isdigit() or len(said) > len(str(body)) or int(said) > body:
        shown = said[:40].decode("latin-1")
        refuse("Inference-Header-Content-Length", shown, f"a number of bytes up to the body's {body}")
    return int(said)


def describe(manifest: Manifest, outputs: Mapping[str, TensorKind]) -> dict[str, object]:
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
    return {**described, "outputs": [_output(name, outputs.get(name)) for name in manifest.answers]}


def _output(name: str, kind: TensorKind | None) -> dict[str, object]:
    """Describe an output; one that was never seen has no type that could be said."""
    if kind is None:
        return {"name": name, "shape": [-1]}
    return {"name": name, "datatype": kind.datatype, "shape": list(kind.shape)}
