"""What a converter is: how models of one MLflow flavor are loaded, asked and turned into ONNX.

A converter is one file of `adapters/onnx/converters`. It runs in a worker, as loading a model may run its code; client
libraries are imported inside its functions.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slipway.domain.gates.parity import Answers
from slipway.errors import ConversionRefused

if TYPE_CHECKING:
    import pandas as pd
    from onnx import ModelProto

OPSET = {"": 21, "ai.onnx.ml": 3}
"""Fixed, so that an upgrade of a converter changes no model's bytes. Every ONNX Runtime since 1.18 knows opset 21, and
skl2onnx 1.20 is tested up to 22; 3 is the newest version of ai.onnx.ml whose trees skl2onnx writes."""


class NotConverted(Exception):
    """There is no ONNX form of a model: `what` was done, and the reason that it failed."""

    def __init__(self, what: str, reason: str) -> None:
        """Keep both apart."""
        super().__init__(f"{what}: {reason}")
        self.what, self.reason = what, reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Converter:
    """Models of one flavor."""

    expected: str
    """What it converts, for errors: `a scikit-learn model that skl2onnx converts`."""
    load: Callable[[Path], Any]
    """From an MLflow model folder to the framework's own model; raises ArtifactBroken."""
    ask: "Callable[[Any, pd.DataFrame], Answers]"
    """From a model and rows in the signature's types to its answers; any error is the model's, but for NotConverted."""
    convert: Callable[[Any, dict[str, str]], "tuple[ModelProto, bool]"]
    """From a model and the types of its input columns, in order, to a graph and whether that takes one matrix.

    Types are numpy's names. A matrix is float32 of shape (rows, columns); else each column is an input of its own, of
    shape (rows, 1). The first output is the prediction, the second the probabilities where `ask` gives some. Raises
    NotConverted.
    """


def make_refusal(what: str, reason: str, expected: str) -> ConversionRefused:
    """Return the error for a model without an ONNX form; the release continues without one."""
    return ConversionRefused(
        what,
        seen=reason,
        expected=expected,
        do="nothing: it is served as it is (pyfunc); to have ONNX, replace the step that can't be converted",
    )
