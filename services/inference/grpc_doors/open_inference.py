"""The Open Inference Protocol (v2) over gRPC, as KServe and Triton speak it.

An answer carries its values the way the request did: as bytes (tritonclient reads no others), or by type.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from services.inference.calls import Outputs
from services.inference.grpc_doors.asking import Asking, Inference, Rpc
from services.inference.grpc_doors.open_inference_tensors import offered, read_tensors, write_tensors
from services.inference.manifest import Manifest
from services.inference.messages import Message, message, parsed
from services.inference.protocols.oip import EXTENSIONS, describe
from services.inference.refusals import SHOWN, NotFound, Refused, refuse
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
    """The protocol's RPCs for one model."""

    def __init__(self, asking: Asking) -> None:
        """Answer for the model that is asked."""
        self._asking = asking
        self._model = asking.model
        self._manifest = asking.model.manifest
        self.inference = Inference("oip-grpc", self._parse, self._write)
        """A request on its own."""
        self.streamed = Inference("oip-grpc", self._parse, self._write_streamed)
        """A request in a stream."""

    def rpcs(self) -> Mapping[str, Rpc]:
        """Return what takes one message and gives one."""
        told = {
            "ServerLive": self._live,
            "ServerReady": self._ready,
            "ServerMetadata": self._server,
            "ModelReady": self._model_ready,
            "ModelMetadata": self._metadata,
        }
        rpcs = {name: self._asking.telling(tell) for name, tell in told.items()}
        return {**rpcs, "ModelInfer": self._asking.inferring(self.inference)}

    def refused(self, body: bytes, refusal: Refused) -> bytes:
        """Return a refusal as a stream's message, with the id of the request that these bytes are (if they are one)."""
        try:
            name = parsed(ModelInferRequest, body).id
        except Refused:
            name = ""
        about = ModelInferResponse(id=name)
        answer = ModelStreamInferResponse(error_message=self._asking.words(refusal), infer_response=about)
        whole: bytes = answer.SerializeToString()
        return whole

    def _live(self, _: bytes) -> Message:
        return ServerLiveResponse(live=True)

    def _ready(self, _: bytes) -> Message:
        return ServerReadyResponse(ready=self._model.ready)

    def _server(self, _: bytes) -> Message:
        return ServerMetadataResponse(name="slipway", version=self._manifest.revision, extensions=EXTENSIONS)

    def _model_ready(self, body: bytes) -> Message:
        """Say so; a model that is not here is not ready, as with Triton: clients wait for one that way."""
        request = parsed(ModelReadyRequest, body)
        here = request.name == self._manifest.model and request.version in {"", self._manifest.version}
        return ModelReadyResponse(ready=here and self._model.ready)

    def _metadata(self, body: bytes) -> Message:
        request = parsed(ModelMetadataRequest, body)
        _check(request.name, request.version, self._manifest)
        said = describe(self._manifest, self._model.outputs)
        for entry in (*said["inputs"], *said["outputs"]):  # type: ignore[misc]  # lists, as the protocol has them
            entry.pop("parameters", None)  # over HTTP only
        return ModelMetadataResponse(**said)

    def _parse(self, body: bytes) -> Asked:
        request = parsed(ModelInferRequest, body)
        _check(request.model_name, request.model_version, self._manifest)
        rows = to_rows(read_tensors(request), self._manifest)
        return Asked(rows, request.id, _outputs(request, self._manifest), bool(request.raw_input_contents))

    def _write(self, asked: Asked, outputs: Outputs) -> bytes:
        answer: bytes = self._answer(asked, outputs).SerializeToString()
        return answer

    def _write_streamed(self, asked: Asked, outputs: Outputs) -> bytes:
        answer = ModelStreamInferResponse(infer_response=self._answer(asked, outputs))
        whole: bytes = answer.SerializeToString()
        return whole

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
