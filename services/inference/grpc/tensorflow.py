"""TensorFlow Serving's PredictionService: Predict and GetModelMetadata, for TensorFlow's own clients."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from google.protobuf import json_format  # type: ignore[import-untyped]

from services.inference.grpc.methods import Method, unary, written
from services.inference.grpc.statuses import answer_of
from services.inference.grpc.tensorflow_tensors import read_tensor, write_tensor
from services.inference.manifest import Manifest
from services.inference.messages import Message, message, parsed
from services.inference.model import Model
from services.inference.protocols.tensorflow_rows import RowReader
from services.inference.protocols.tensorflow_signature import SIGNATURE, signature
from services.inference.refusals import SHOWN, NotFound, Refused, refuse
from services.inference.request import Answer, Call, Inference, Outputs
from services.inference.rows import Rows, to_rows

SERVICE = "tensorflow.serving.PredictionService"
SIGNATURE_FIELD = "signature_def"
"""The one field of metadata that there is."""
ModelSpec = message("tensorflow.serving.ModelSpec")
PredictRequest = message("tensorflow.serving.PredictRequest")
PredictResponse = message("tensorflow.serving.PredictResponse")
GetModelMetadataRequest = message("tensorflow.serving.GetModelMetadataRequest")
GetModelMetadataResponse = message("tensorflow.serving.GetModelMetadataResponse")
SignatureDefMap = message("tensorflow.serving.SignatureDefMap")


@dataclass(slots=True)
class Asked:
    """A request of Predict."""

    rows: Rows
    outputs: tuple[str, ...]


class PredictionService:
    """The service's methods for one model."""

    name = "tensorflow-grpc"

    def __init__(self, model: Model, labels: Sequence[str]) -> None:
        """Answer for a model, by its name, its version and these labels."""
        self._model = model
        self._manifest = model.manifest
        self._labels = tuple(labels)
        self._spec = _spec(self._manifest)

    def methods(self) -> Mapping[str, Method]:
        """Return what takes one message and gives one."""
        predict = Inference(self._parse, self._write)
        return unary(self, {"GetModelMetadata": self._metadata}, {"Predict": predict})

    def refused(self, refusal: Refused) -> Answer:
        """Return a refusal's message."""
        return answer_of(refusal)

    def _check(self, spec: Message) -> None:
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
                raise NotFound(f"{what}: got {seen[:SHOWN]!r}, expected {expected}: this service has one model")

    def _parse(self, call: Call) -> Asked:
        request = parsed(PredictRequest, call.body)
        self._check(request.model_spec)
        if not request.inputs:
            refuse("inputs", "none", "at least one tensor")
        tensors = {name: read_tensor(tensor, f"input {name!r}") for name, tensor in request.inputs.items()}
        rows = to_rows(tensors, self._manifest)
        return Asked(rows, _outputs(request.output_filter, self._manifest))

    def _write(self, asked: Asked, outputs: Outputs) -> Answer:
        answer = PredictResponse(model_spec=self._spec)
        for name in asked.outputs:
            write_tensor(answer.outputs[name], outputs[name])
        return written(answer)

    def _metadata(self, body: bytes) -> Answer:
        request = parsed(GetModelMetadataRequest, body)
        self._check(request.model_spec)
        fields = list(request.metadata_field)
        wrong = next((field for field in fields if field != SIGNATURE_FIELD), None)
        if wrong is not None or not fields:
            refuse("metadata_field", "none" if wrong is None else wrong, SIGNATURE_FIELD)
        answer = GetModelMetadataResponse(model_spec=self._spec)
        answer.metadata[SIGNATURE_FIELD].Pack(self._signatures())
        return written(answer)

    def _signatures(self) -> Message:
        described = signature(self._manifest, RowReader(self._manifest).input, self._model.outputs)
        return json_format.ParseDict({"signature_def": {SIGNATURE: described}}, SignatureDefMap())


def _spec(manifest: Manifest) -> Message:
    spec = ModelSpec(name=manifest.model, signature_name=SIGNATURE)
    if manifest.version.isdecimal():
        spec.version.value = int(manifest.version)
    return spec


def _outputs(wanted: Message, manifest: Manifest) -> tuple[str, ...]:
    """Return the outputs that are asked for; none named: all."""
    there = manifest.answers
    wrong = next((name for name in wanted if name not in there), None)
    if wrong is not None:
        refuse("output_filter", wrong, f"one of {', '.join(there)}")
    return tuple(wanted) or there
