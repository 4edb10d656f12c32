"""KServe's Python server with a model class of one's own, as its documentation shows it."""

import argparse
import logging
from pathlib import Path

import numpy as np
from kserve import InferOutput, InferRequest, InferResponse, Model, ModelServer
from kserve.utils.utils import generate_uuid
from loaded import DATATYPES, Loaded


class OnnxModel(Model):
    """Runs ONNX Runtime."""

    def __init__(self, folder: Path) -> None:
        """Open the model."""
        self._model = Loaded(folder)
        super().__init__(self._model.name)
        self.ready = True

    async def predict(
        self,
        payload: InferRequest,
        headers: dict[str, str] | None = None,
        response_headers: dict[str, str] | None = None,  # noqa: ARG002 - KServe's signature
    ) -> InferResponse:
        """Return the answers."""
        tensors = {entry.name: _texts(entry.as_numpy()) for entry in payload.inputs}
        outputs = []
        for name, values in self._model.run(tensors).items():
            output = InferOutput(name=name, shape=list(values.shape), datatype=DATATYPES[values.dtype.name])
            output.set_data_from_numpy(values, binary_data=payload.from_grpc or BINARY in (headers or {}))
            outputs.append(output)
        return InferResponse(generate_uuid(), self.name, outputs)


BINARY = "inference-header-content-length"


def _texts(values: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
    """Return BYTES as the texts that ONNX Runtime takes."""
    if values.dtype != object:
        return values
    return np.array([one.decode() if isinstance(one, bytes) else one for one in values.ravel()], dtype=object)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--grpc-port", type=int, default=0, help="0: no gRPC")
    asked = parser.parse_args()
    over_grpc = {"enable_grpc": asked.grpc_port > 0, "grpc_port": asked.grpc_port}
    server = ModelServer(http_port=asked.port, workers=1, access_log_format=None, **over_grpc)
    for name in ("kserve", "kserve.trace", "uvicorn.access"):
        logging.getLogger(name).setLevel(logging.WARNING)
    server.start([OnnxModel(asked.model)])
