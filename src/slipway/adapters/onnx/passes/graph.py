"""`graph`: ONNX Runtime's own optimized graph, saved once in place of made at every start."""

from collections.abc import Sequence
from pathlib import Path

from slipway.adapters.onnx.optimizer_pass import Pass


def save_optimized(plain: Path, final: Path, providers: Sequence[str]) -> None:
    """Save ONNX Runtime's optimized graph, at the extended level: beyond it, layouts depend on the machine."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(final)
    options.log_severity_level = 3
    ort.InferenceSession(plain, options, providers=list(providers))


PASS = Pass(build=save_optimized, runtime_optimizes=False)
