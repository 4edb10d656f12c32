"""`basic`: constants folded and nodes that do nothing removed, by ONNX Runtime."""

from collections.abc import Sequence
from pathlib import Path

from slipway.adapters.onnx.optimizer_pass import Pass


def save_basic(plain: Path, final: Path, providers: Sequence[str]) -> None:
    """Save the graph as ONNX Runtime's basic level leaves it."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(final)
    ort.InferenceSession(plain, options, providers=list(providers))


PASS = Pass(build=save_basic)
