"""TensorFlow Serving's PredictionService: Predict and GetModelMetadata, for TensorFlow's own clients."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from google.protobuf import json_format  # type: ignore[import-untyped]

from services.inference.grpc.methods import GrpcMethod, make_unary_methods, write_message
from services.inference.grpc.statuses import make_refusal
from services.inference.grpc.tensorflow_tensors import read_tensor_proto, write_tensor_proto
from services.inference.manifest import Manifest
from services.inference.messages import Message, get_message_class, parse_message
from services.inference.model import Model
from services.inference.protocols.tensorflow_rows import RowReader
from services.inference.protocols.tensorflow_signature import SIGNATURE, describe_signature
from services.inference.refusals import SHOWN, Refused, ResourceNotFound, reject
from services.inference.request import InferenceCodec, Outputs, Request, Response
from services.inference.rows import Rows, to_rows

SERVICE = "tensorflow.serving.PredictionService"
SIGNATURE_FIELD = "signature_def"
"""The only field of metadata."""
ModelSpec = get_message_class("tensorflow.serving.ModelSpec")
PredictRequest = get_message_class("tensorflow.serving.PredictRequest")
PredictResponse = get_message_class("tensorflow.serving.PredictResponse")
GetModelMetadataRequest = get_message_class("tensorflow.serving.GetModelMetadataRequest")
GetModelMetadataResponse = get_message_class("tensorflow.serving.GetModelMetadataResponse")
SignatureDefMap = get_message_class("tensorflow.serving.SignatureDefMap")


@dataclass(slots=True)
class GrpcPredictRequest:
    """A request of Predict."""

    rows: Rows
    outputs: tuple[str, ...]


class PredictionService:
    """The service's methods for one model."""

    name = "tensorflow-grpc"

    def __init__(self, model: Model, labels: Sequence[str]) -> None:
        """Handle requests for a model, by its name, its version and these labels."""
        self._model = model
        self._manifest = model.manifest
        self._labels = tuple(labels)
        self._spec = _make_model_spec(self._manifest)

    def list_methods(self) -> Mapping[str, GrpcMethod]:
        """Return the methods that take one message and return one."""
        predict = InferenceCodec(self._parse, self._write)
        return make_unary_methods(self, {"GetModelMetadata": self._answer_metadata}, {"Predict": predict})

    def write_refusal(self, refusal: Refused) -> Response:
        """Return a refusal's message."""
        return make_refusal(refusal)

    def _check_model_spec(self, spec: Message) -> None:
        """Raise NotFound for another model, version, label or signature."""
        manifest = self._manifest
        asked: list[tuple[str, str, tuple[str, ...]]] = [("model", spec.name, (manifest.model,))]
        if spec.HasField("version"):
            asked.append(("version", str(spec.version.value), (manifest.version,)))
        if spec.HasField("version_label"):
            asked.append(("version_label", spec.version_label, self._labels))
        if spec.signature_name:
            asked.append(("signature_name", spec.signature_name, (SIGNATURE,)))
        for what, seen, there in asked:
            if seen not in there:
                expected = " or ".join(there) or "none"
                raise ResourceNotFound(f"{what}: got {seen[:SHOWN]!r}, expected {expected}: this service has one model")

    def _parse(self, call: Request) -> GrpcPredictRequest:
        request = parse_message(PredictRequest, call.body)
        self._check_model_spec(request.model_spec)
        if not request.inputs:
            reject("inputs", "none", "at least one tensor")
        tensors = {name: read_tensor_proto(tensor, f"input {name!r}") for name, tensor in request.inputs.items()}
        rows = to_rows(tensors, self._manifest)
        return GrpcPredictRequest(rows, _parse_outputs(request.output_filter, self._manifest))

    def _write(self, asked: GrpcPredictRequest, outputs: Outputs) -> Response:
        answer = PredictResponse(model_spec=self._spec)
        for name in asked.outputs:
            write_tensor_proto(answer.outputs[name], outputs[name])
        return write_message(answer)

    def _answer_metadata(self, body: bytes) -> Response:
        request = parse_message(GetModelMetadataRequest, body)
        self._check_model_spec(request.model_spec)
        fields = list(request.metadata_field)
        wrong = next((field for field in fields if field != SIGNATURE_FIELD), None)
        if wrong is not None or not fields:
            reject("metadata_field", "none" if wrong is None else wrong, SIGNATURE_FIELD)
        answer = GetModelMetadataResponse(model_spec=self._spec)
        answer.metadata[SIGNATURE_FIELD].Pack(self._make_signatures())
        return write_message(answer)

    def _make_signatures(self) -> Message:
        described = describe_signature(self._manifest, RowReader(self._manifest).input_name, self._model.outputs)
        return json_format.ParseDict({"signature_def": {SIGNATURE: described}}, SignatureDefMap())


def _make_model_spec(manifest: Manifest) -> Message:
    spec = ModelSpec(name=manifest.model, signature_name=SIGNATURE)
    if manifest.version.isdecimal():
        spec.version.value = int(manifest.version)
    return spec


def _parse_outputs(wanted: Message, manifest: Manifest) -> tuple[str, ...]:
    """Return the requested outputs; without any: all."""
    there = manifest.output_names
    wrong = next((name for name in wanted if name not in there), None)
    if wrong is not None:
        reject("output_filter", wrong, f"one of {', '.join(there)}")
    return tuple(wanted) or there
