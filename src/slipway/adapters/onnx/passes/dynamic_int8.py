"""How far a variant may be from the plain ONNX model; how far that one may be from the original, the spec says."""

from collections.abc import Callable

import numpy as np

from slipway.domain.parity import LABEL_KINDS, Answers
from slipway.domain.spec import ConversionSpec

Limits = Callable[[Answers], ConversionSpec]
"""Limits may depend on what the plain model answers."""
PROBABILITY_SHIFT = 0.05
"""Eight bits: a probability may move by this much, but no label may change. The quality gate judges the rest."""
NUMBER_SHIFT = 0.01
"""Eight bits: a predicted number may move by this share of the range of all predictions, or of itself."""


def same_numbers(_: Answers) -> ConversionSpec:
    """Return the limits for a form that computes the same in another order: the spec's defaults."""
    return ConversionSpec()


def eight_bits(plain: Answers) -> ConversionSpec:
    """Return the limits for a quantized form.

    >>> eight_bits(Answers(predictions=np.array([10.0, 30.0]))).absolute_tolerance
    0.2
    """
    if plain.probabilities is not None or plain.predictions.dtype.kind in LABEL_KINDS:
        return ConversionSpec(absolute_tolerance=PROBABILITY_SHIFT, relative_tolerance=0.0, margin=0.0)
    numbers = plain.predictions[np.isfinite(plain.predictions)].astype(np.float64)
    reach = float(np.ptp(numbers)) if numbers.size else 0.0
    return ConversionSpec(absolute_tolerance=NUMBER_SHIFT * reach, relative_tolerance=NUMBER_SHIFT, margin=0.0)


LIMITS: dict[str, Limits] = {"graph": same_numbers, "dynamic-int8": eight_bits}
"""By variant."""
