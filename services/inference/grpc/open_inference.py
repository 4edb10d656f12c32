"""The Open Inference Protocol (v2) over gRPC, as KServe and Triton speak it.

An answer carries its values the way the request did: as bytes (tritonclient reads no others), or by type.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from services.inference.grpc.methods import Method, unary, written
from services.inference.grpc.open_inference_tensors import offered, read_tensors, write_tensors
from services.inference.grpc.statuses import answer_of
from services.inference.manifest import Manifest
from services.inference.messages import Message, message, parsed
from services.inference.model import Model
from services.inference.protocols.oip import EXTENSIONS, describe
from services.inference.refusals import SHOWN, NotFound, Refused, refuse
from services.inference.request import Answer, Call, Inference, Outputs
from services.inference.rows import Rows, to_rows

SERVICE = "inference.GRPCInferenceService"
ServerLiveResponse = message("inference.ServerLiveResponse")
ServerReadyResponse = message("inference.ServerReadyResponse")
ServerMetadataResponse = message("inference.ServerMetadataResponse")
ModelReadyRequest = message("inference.ModelReadyRequest")
ModelReadyResponse = message("inference.ModelReadyResponse")
ModelMetadataRequest = message("inference.ModelMetadataRequest")
ModelMetadataResponse = message("inference.ModelMetadataResponse")
ModelInferRequest = message("inference.ModelInferRequest")
ModelInferResponse = message("inference.ModelInferResponse")
ModelStreamInferResponse = message("inference.ModelStreamInferResponse")


@dataclass(slots=True)
class Asked:
    """An inference request."""

    rows: Rows
    id: str
    """The client's own, perhaps empty; echoed."""
    outputs: tuple[str, ...]
    raw: bool
    """Values came as bytes, and go back so."""


class OpenInference:
    """The protocol's methods for one model."""

    name = "oip-grpc"

    def __init__(self, model: Model) -> None:
        """Answer for a model."""
        self._model = model
        self._manifest = model.manifest
        self.streamed = Inference(self._parse, self._write_streamed)
        """A request in a stream."""

    def methods(self) -> Mapping[str, Method]:
        """Return what takes one message and gives one."""
        told = {
            "ServerLive": self._live,
            "ServerReady": self._ready,
            "ServerMetadata": self._server,
            "ModelReady": self._model_ready,
            "ModelMetadata": self._metadata,
        }
        return unary(self, told, {"ModelInfer": Inference(self._parse, self._write)})

    def refused(self, refusal: Refused) -> Answer:
        """Return a refusal's message."""
        return answer_of(refusal)

    def refused_in_stream(self, body: bytes, words: str) -> bytes:
        """Return a refusal as a stream's message, with the id of the request that these bytes are (if they are one)."""
        try:
            name = parsed(ModelInferRequest, body).id
        except Refused:
            name = ""
        answer = ModelStreamInferResponse(error_message=words, infer_response=ModelInferResponse(id=name))
        whole: bytes = answer.SerializeToString()
        return whole

    def _live(self, _: bytes) -> Answer:
        return written(ServerLiveResponse(live=True))

    def _ready(self, _: bytes) -> Answer:
        return written(ServerReadyResponse(ready=self._model.ready))

    def _server(self, _: bytes) -> Answer:
        answer = ServerMetadataResponse(name="slipway", version=self._manifest.revision, extensions=EXTENSIONS)
        return written(answer)

    def _model_ready(self, body: bytes) -> Answer:
        """Say so; a model that is not here is not ready, as with Triton: clients wait for one that way."""
        request = parsed(ModelReadyRequest, body)
        here = request.name == self._manifest.model and request.version in {"", self._manifest.version}
        return written(ModelReadyResponse(ready=here and self._model.ready))

    def _metadata(self, body: bytes) -> Answer:
        request = parsed(ModelMetadataRequest, body)
        _check(request.name, request.version, self._manifest)
        said = describe(self._manifest, self._model.outputs)
        for entry in (*said["inputs"], *said["outputs"]):  # type: ignore[misc]  # lists, as the protocol has them
            entry.pop("parameters", None)  # over HTTP only
        return written(ModelMetadataResponse(**said))

    def _parse(self, call: Call) -> Asked:
        request = parsed(ModelInferRequest, call.body)
        _check(request.model_name, request.model_version, self._manifest)
        rows = to_rows(read_tensors(request), self._manifest)
        return Asked(rows, request.id, _outputs(request, self._manifest), bool(request.raw_input_contents))

    def _write(self, asked: Asked, outputs: Outputs) -> Answer:
        return written(self._answer(asked, outputs))

    def _write_streamed(self, asked: Asked, outputs: Outputs) -> Answer:
        return written(ModelStreamInferResponse(infer_response=self._answer(asked, outputs)))

    def _answer(self, asked: Asked, outputs: Outputs) -> Message:
        manifest = self._manifest
        answer = ModelInferResponse(model_name=manifest.model, model_version=manifest.version, id=asked.id)
        write_tensors(answer, {name: outputs[name] for name in asked.outputs}, raw=asked.raw)
        return answer


def _check(name: str, version: str, manifest: Manifest) -> None:
    if name != manifest.model:
        raise NotFound(f"model: got {name[:SHOWN]!r}, expected {manifest.model!r}: this service has one model")
    if version not in {"", manifest.version}:
        seen, expected = version[:SHOWN], manifest.version
        raise NotFound(f"version: got {seen!r}, expected {expected!r} or none: this service has one model")


def _outputs(request: Message, manifest: Manifest) -> tuple[str, ...]:
    """Return the outputs that are asked for; none named: all."""
    there = manifest.answers
    wanted: dict[str, None] = {}
    for entry in request.outputs:
        if entry.name not in there:
            refuse("outputs", entry.name, f"one of {', '.join(there)}")
        offered(entry, f"output {entry.name!r}")
        wanted[entry.name] = None
    return tuple(wanted) or there
