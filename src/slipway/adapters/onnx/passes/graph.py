"""Building faster forms of an ONNX file."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

QUANTIZED = {"MatMulInteger", "ConvInteger", "DynamicQuantizeLinear", "DynamicQuantizeLSTM", "QAttention", "QGemm"}
"""Operators that dynamic quantization leaves behind where it found something to do."""


class NotBuilt(Exception):
    """There is no such variant of this graph; the message says why."""


def build(name: str, plain: Path, final: Path, providers: Sequence[str]) -> None:
    """Write the variant `name` of a plain ONNX file; raise NotBuilt."""
    if name == "graph":
        _save_optimized(plain, final, providers)
    else:
        _quantize(plain, final)


def _save_optimized(plain: Path, final: Path, providers: Sequence[str]) -> None:
    """Save ONNX Runtime's optimized graph, at the extended level: beyond it, layouts depend on the machine."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(final)
    options.log_severity_level = 3
    ort.InferenceSession(plain, options, providers=list(providers))


def _quantize(plain: Path, final: Path) -> None:
    """Quantize weights to signed eight bits; activations are quantized on the fly: no calibration rows are needed."""
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    nothing = "not built: no operator of this graph can be quantized"
    with TemporaryDirectory(dir=final.parent) as folder:
        # the quantizer writes intermediate files beside its input
        source = Path(folder) / plain.name
        source.write_bytes(plain.read_bytes())
        quantize_dynamic(source, final, weight_type=QuantType.QInt8)
    if not QUANTIZED.intersection(node.op_type for node in onnx.load(final).graph.node):
        final.unlink()
        raise NotBuilt(nothing)
