"""The Open Inference Protocol (v2) over gRPC, as KServe and Triton speak it.

A response has its values in the form of the request's: as bytes (tritonclient reads no others), or by type.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from services.inference.grpc.methods import GrpcMethod, make_unary_methods, write_message
from services.inference.grpc.open_inference_tensors import check_parameters, read_oip_tensors, write_oip_tensors
from services.inference.grpc.statuses import make_refusal
from services.inference.manifest import Manifest
from services.inference.messages import Message, get_message_class, parse_message
from services.inference.model import Model
from services.inference.protocols.oip import EXTENSIONS, describe_model
from services.inference.refusals import SHOWN, Refused, ResourceNotFound, reject
from services.inference.request import InferenceCodec, Outputs, Request, Response
from services.inference.rows import Rows, to_rows

SERVICE = "inference.GRPCInferenceService"
ServerLiveResponse = get_message_class("inference.ServerLiveResponse")
ServerReadyResponse = get_message_class("inference.ServerReadyResponse")
ServerMetadataResponse = get_message_class("inference.ServerMetadataResponse")
ModelReadyRequest = get_message_class("inference.ModelReadyRequest")
ModelReadyResponse = get_message_class("inference.ModelReadyResponse")
ModelMetadataRequest = get_message_class("inference.ModelMetadataRequest")
ModelMetadataResponse = get_message_class("inference.ModelMetadataResponse")
ModelInferRequest = get_message_class("inference.ModelInferRequest")
ModelInferResponse = get_message_class("inference.ModelInferResponse")
ModelStreamInferResponse = get_message_class("inference.ModelStreamInferResponse")


@dataclass(slots=True)
class GrpcInferRequest:
    """An inference request."""

    rows: Rows
    id: str
    """The client's own id, which may be empty; echoed."""
    outputs: tuple[str, ...]
    raw: bool
    """Values are bytes, in the request and in the response."""


class OpenInferenceGrpc:
    """The protocol's methods for one model."""

    name = "oip-grpc"

    def __init__(self, model: Model) -> None:
        """Handle requests for a model."""
        self._model = model
        self._manifest = model.manifest
        self.stream_codec = InferenceCodec(self._parse, self._write_streamed)
        """For requests in a stream."""

    def list_methods(self) -> Mapping[str, GrpcMethod]:
        """Return the methods that take one message and return one."""
        told = {
            "ServerLive": self._answer_live,
            "ServerReady": self._answer_ready,
            "ServerMetadata": self._answer_server,
            "ModelReady": self._answer_model_ready,
            "ModelMetadata": self._answer_metadata,
        }
        return make_unary_methods(self, told, {"ModelInfer": InferenceCodec(self._parse, self._write)})

    def write_refusal(self, refusal: Refused) -> Response:
        """Return a refusal's message."""
        return make_refusal(refusal)

    def write_stream_refusal(self, body: bytes, words: str) -> bytes:
        """Return a refusal as a stream's message, with the request's id if its bytes can be read."""
        try:
            name = parse_message(ModelInferRequest, body).id
        except Refused:
            name = ""
        answer = ModelStreamInferResponse(error_message=words, infer_response=ModelInferResponse(id=name))
        whole: bytes = answer.SerializeToString()
        return whole

    def _answer_live(self, _: bytes) -> Response:
        return write_message(ServerLiveResponse(live=True))

    def _answer_ready(self, _: bytes) -> Response:
        return write_message(ServerReadyResponse(ready=self._model.ready))

    def _answer_server(self, _: bytes) -> Response:
        answer = ServerMetadataResponse(name="slipway", version=self._manifest.revision, extensions=EXTENSIONS)
        return write_message(answer)

    def _answer_model_ready(self, body: bytes) -> Response:
        """Return whether the model is ready; an unknown one is not ready, as in Triton, because clients wait for it."""
        request = parse_message(ModelReadyRequest, body)
        here = request.name == self._manifest.model and request.version in {"", self._manifest.version}
        return write_message(ModelReadyResponse(ready=here and self._model.ready))

    def _answer_metadata(self, body: bytes) -> Response:
        request = parse_message(ModelMetadataRequest, body)
        _check_model(request.name, request.version, self._manifest)
        said = describe_model(self._manifest, self._model.outputs)
        for entry in (*said["inputs"], *said["outputs"]):  # type: ignore[misc]  # lists, as the protocol has them
            entry.pop("parameters", None)  # over HTTP only
        return write_message(ModelMetadataResponse(**said))

    def _parse(self, call: Request) -> GrpcInferRequest:
        request = parse_message(ModelInferRequest, call.body)
        _check_model(request.model_name, request.model_version, self._manifest)
        rows = to_rows(read_oip_tensors(request), self._manifest)
        return GrpcInferRequest(
            rows, request.id, _parse_outputs(request, self._manifest), bool(request.raw_input_contents)
        )

    def _write(self, asked: GrpcInferRequest, outputs: Outputs) -> Response:
        return write_message(self._make_response(asked, outputs))

    def _write_streamed(self, asked: GrpcInferRequest, outputs: Outputs) -> Response:
        return write_message(ModelStreamInferResponse(infer_response=self._make_response(asked, outputs)))

    def _make_response(self, asked: GrpcInferRequest, outputs: Outputs) -> Message:
        manifest = self._manifest
        answer = ModelInferResponse(model_name=manifest.model, model_version=manifest.version, id=asked.id)
        write_oip_tensors(answer, {name: outputs[name] for name in asked.outputs}, raw=asked.raw)
        return answer


def _check_model(name: str, version: str, manifest: Manifest) -> None:
    if name != manifest.model:
        raise ResourceNotFound(f"model: got {name[:SHOWN]!r}, expected {manifest.model!r}: this service has one model")
    if version not in {"", manifest.version}:
        seen, expected = version[:SHOWN], manifest.version
        raise ResourceNotFound(f"version: got {seen!r}, expected {expected!r} or none: this service has one model")


def _parse_outputs(request: Message, manifest: Manifest) -> tuple[str, ...]:
    """Return the requested outputs; without any: all."""
    there = manifest.output_names
    wanted: dict[str, None] = {}
    for entry in request.outputs:
        if entry.name not in there:
            reject("outputs", entry.name, f"one of {', '.join(there)}")
        check_parameters(entry, f"output {entry.name!r}")
        wanted[entry.name] = None
    return tuple(wanted) or there
