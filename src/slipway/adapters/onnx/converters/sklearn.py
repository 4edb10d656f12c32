"""scikit-learn to ONNX by skl2onnx."""

from typing import TYPE_CHECKING, Any

from slipway.adapters.onnx.worker import one_line
from slipway.errors import ConversionRefused

if TYPE_CHECKING:
    from onnx import ModelProto

OPSET = {"": 21, "ai.onnx.ml": 3}
"""Fixed, so that an upgrade of a converter changes no model's bytes. Every ONNX Runtime since 1.18 knows opset 21, and
skl2onnx 1.20 is tested up to 22; 3 is the newest version of ai.onnx.ml whose trees skl2onnx writes."""
WHOLE = "input"
"""Name of the one input of a model that takes a matrix."""


def refused(what: str, reason: str) -> ConversionRefused:
    """Make the error that says why there is no ONNX form, and that the release goes on without one."""
    return ConversionRefused(
        what,
        seen=reason,
        expected="a scikit-learn model that skl2onnx converts",
        do="nothing: it is served as it is (pyfunc); to have ONNX, replace the step that can't be converted",
    )


def convert(model: Any, kinds: dict[str, str]) -> tuple["ModelProto", bool]:  # noqa: ANN401 - any estimator
    """Convert an estimator whose input columns have these kinds; return the graph and whether it takes one matrix.

    Columns of numbers alone become one float32 matrix (float64 is narrowed: the parity gate tells what that costs).
    Where the pipeline picks columns by name, or some hold text, each column is an input of its own, of shape (rows, 1).
    Raises ConversionRefused.
    """
    # anything that converters raise is their way to refuse a model: there is no common type
    if all(kind != "str" for kind in kinds.values()):
        try:
            return _convert(model, _one_matrix(len(kinds))), True
        except Exception as error:  # see above
            if "column name" not in str(error):  # the pipeline picks by position or not at all
                raise refused(f"conversion of {type(model).__name__}", one_line(error)) from error
    try:
        return _convert(model, _one_by_one(kinds)), False
    except ConversionRefused:
        raise
    except Exception as error:  # see above
        raise refused(f"conversion of {type(model).__name__}", one_line(error)) from error


def _convert(model: Any, inputs: list[tuple[str, Any]]) -> "ModelProto":  # noqa: ANN401 - any estimator
    import skl2onnx

    converted: ModelProto
    try:
        # zipmap would wrap the probabilities into a dictionary per row
        options = {"zipmap": False}
        converted = skl2onnx.convert_sklearn(model, initial_types=inputs, options=options, target_opset=OPSET)
    except NameError as error:  # what has no probabilities has no such option
        if "zipmap" not in str(error):
            raise
        converted = skl2onnx.convert_sklearn(model, initial_types=inputs, target_opset=OPSET)
    return converted


def _one_matrix(width: int) -> list[tuple[str, Any]]:
    from skl2onnx.common.data_types import FloatTensorType

    return [(WHOLE, FloatTensorType([None, width]))]


def _one_by_one(kinds: dict[str, str]) -> list[tuple[str, Any]]:
    from skl2onnx.common import data_types

    types = {
        "str": data_types.StringTensorType,
        "bool": data_types.BooleanTensorType,
        "float": data_types.FloatTensorType,
        "int": data_types.Int64TensorType,
        "uint": data_types.Int64TensorType,
    }
    unknown = {name: kind for name, kind in kinds.items() if kind.rstrip("0123456789") not in types}
    if unknown:
        name, kind = next(iter(unknown.items()))
        raise refused("conversion", f"column {name!r} is {kind}, which has no ONNX input type")
    return [(name, types[kind.rstrip("0123456789")]([None, 1])) for name, kind in kinds.items()]


def check(model: "ModelProto") -> None:
    """Refuse a graph that ONNX's checker refuses, with operators of others, or with data outside of the file."""
    import onnx

    strange = {node.domain for node in model.graph.node} - {"", "ai.onnx", "ai.onnx.ml"}
    if strange or model.functions:
        raise refused("converted graph", f"it needs operators that are not ONNX's own ({', '.join(sorted(strange))})")
    if any(tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in model.graph.initializer):
        raise refused("converted graph", "it keeps data outside of its file")
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError, ValueError) as error:
        raise refused("converted graph", f"it is not valid ONNX: {one_line(error)}") from error
