"""MLServer's way to a model of one's own: a runtime class, named in `model-settings.json`."""

from pathlib import Path

from loaded import DATATYPES, Loaded
from mlserver import MLModel
from mlserver.codecs import NumpyCodec, StringCodec
from mlserver.types import InferenceRequest, InferenceResponse, ResponseOutput


class OnnxModel(MLModel):
    """Runs ONNX Runtime."""

    async def load(self) -> bool:
        """Open the model."""
        self._model = Loaded(Path(self.settings.parameters.uri))
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Return the answers."""
        tensors = {}
        for entry in payload.inputs:
            codec = StringCodec if entry.datatype == "BYTES" else NumpyCodec
            tensors[entry.name] = codec.decode_input(entry)
        outputs = [
            ResponseOutput(
                name=name, shape=list(values.shape), datatype=DATATYPES[values.dtype.name], data=values.ravel().tolist()
            )
            for name, values in self._model.run(tensors).items()
        ]
        return InferenceResponse(model_name=self.name, model_version="1", outputs=outputs)
