"""Triton through PyTriton: its server, with a Python function behind it that runs ONNX Runtime on batches."""

import argparse
from pathlib import Path

import numpy as np
from loaded import ANSWERS, Loaded
from pytriton.decorators import batch
from pytriton.model_config import ModelConfig, Tensor
from pytriton.triton import Triton, TritonConfig

MOST = 128
"""Most rows of a batch, as in our service."""


def bound(triton: Triton, model: Loaded) -> None:
    """Bind the model."""
    texts = {name for name, kind in model.kinds.items() if kind.hasobject}

    @batch
    def infer(**tensors: np.ndarray) -> dict[str, np.ndarray]:  # type: ignore[type-arg]
        for name in texts:
            tensors[name] = np.char.decode(tensors[name].astype(bytes), "utf-8").astype(object)
        answers = model.run(tensors)
        return answers | {ANSWERS[0]: answers[ANSWERS[0]].reshape(-1, 1)}

    inputs = [
        Tensor(name=name, dtype=bytes if name in texts else kind.type, shape=model.shapes[name])
        for name, kind in model.kinds.items()
    ]
    outputs = [
        Tensor(name=ANSWERS[0], dtype=np.int64, shape=(1,)),
        Tensor(name=ANSWERS[1], dtype=np.float32, shape=(-1,)),
    ]
    triton.bind(
        model_name=model.name,
        infer_func=infer,
        inputs=inputs,
        outputs=outputs,
        config=ModelConfig(max_batch_size=MOST),
        strict=False,
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", type=Path, required=True)
    for one in ("--port", "--grpc-port", "--metrics-port"):
        parser.add_argument(one, type=int, required=True)
    asked = parser.parse_args()
    config = TritonConfig(
        http_port=asked.port,
        grpc_port=asked.grpc_port,
        metrics_port=asked.metrics_port,
        http_address="127.0.0.1",
        log_verbose=0,
    )
    with Triton(config=config) as triton:
        bound(triton, Loaded(asked.model))
        triton.serve()
