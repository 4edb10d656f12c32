"""`dynamic-int8`: weights of eight bits; activations are quantized on the fly, so no calibration rows are needed."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from slipway.adapters.onnx.optimizer_pass import NotBuilt, Pass
from slipway.domain.gates.parity import LABEL_KINDS, Answers
from slipway.domain.spec.release import ConversionSpec

QUANTIZED = {"MatMulInteger", "ConvInteger", "DynamicQuantizeLinear", "DynamicQuantizeLSTM", "QAttention", "QGemm"}
"""Operators that dynamic quantization leaves behind where it found something to do."""
PROBABILITY_SHIFT = 0.05
"""Eight bits: a probability may move by this much, but no label may change. The quality gate judges the rest."""
NUMBER_SHIFT = 0.01
"""Eight bits: a predicted number may move by this share of the range of all predictions, or of itself."""


def quantize_weights(plain: Path, final: Path, _providers: Sequence[str]) -> None:
    """Quantize weights to signed eight bits; raise NotBuilt where there is nothing to quantize."""
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with TemporaryDirectory(dir=final.parent) as folder:
        # the quantizer writes intermediate files beside its input
        source = Path(folder) / plain.name
        source.write_bytes(plain.read_bytes())
        quantize_dynamic(source, final, weight_type=QuantType.QInt8)
    if not QUANTIZED.intersection(node.op_type for node in onnx.load(final).graph.node):
        final.unlink()
        message = "not built: no operator of this graph can be quantized"
        raise NotBuilt(message)


def limit_eight_bits(plain: Answers) -> ConversionSpec:
    """Return the limits for a quantized form.

    >>> limit_eight_bits(Answers(predictions=np.array([10.0, 30.0]))).absolute_tolerance
    0.2
    """
    if plain.probabilities is not None or plain.predictions.dtype.kind in LABEL_KINDS:
        return ConversionSpec(absolute_tolerance=PROBABILITY_SHIFT, relative_tolerance=0.0, margin=0.0)
    numbers = plain.predictions[np.isfinite(plain.predictions)].astype(np.float64)
    reach = float(np.ptp(numbers)) if numbers.size else 0.0
    return ConversionSpec(absolute_tolerance=NUMBER_SHIFT * reach, relative_tolerance=NUMBER_SHIFT, margin=0.0)


PASS = Pass(build=quantize_weights, limits=limit_eight_bits)
