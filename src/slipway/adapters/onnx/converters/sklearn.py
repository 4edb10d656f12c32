"""scikit-learn: loaded by MLflow, asked as MLflow's pyfunc would ask it, converted by skl2onnx.

Where nulls go in trees scikit-learn learns for each split, and skl2onnx 1.20 forgets it (its issue 1253). That is put
back for a tree or a forest, alone or at the end of a pipeline; elsewhere the parity gate sees the difference.
"""

from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from slipway.adapters.onnx.converter import OPSET, Converter, NotConverted
from slipway.adapters.onnx.session import convert_labels
from slipway.adapters.onnx.worker import describe_in_one_line
from slipway.domain.gates.parity import Answers
from slipway.errors import ArtifactBroken

if TYPE_CHECKING:
    import pandas as pd
    from onnx import AttributeProto, GraphProto, ModelProto

WHOLE_INPUT = "input"
"""Name of the one input of a model that takes a matrix."""
ROUTES = "nodes_missing_value_tracks_true"
"""The attribute of a tree on where nulls go."""


def load_estimator(model: Path) -> Any:  # noqa: ANN401 - any scikit-learn estimator
    """Load the estimator; skops files load only the types that are safe or trusted by the model's MLmodel."""
    import mlflow.sklearn

    try:
        return mlflow.sklearn.load_model(str(model))
    except Exception as error:  # loaders raise anything: unpickling runs foreign code
        raise ArtifactBroken(
            f"model folder {model.name}",
            seen=f"it can't be loaded: {describe_in_one_line(error)}",
            expected="a scikit-learn model that this environment can load",
            do="check its requirements.txt against this environment, and `skops_trusted_types` in its MLmodel",
        ) from error


def ask_estimator(model: Any, frame: "pd.DataFrame") -> Answers:  # noqa: ANN401 - any scikit-learn estimator
    """Return the estimator's predictions, and its probabilities where it has them as one table.

    Raises NotConverted for what does not predict.
    """
    if not hasattr(model, "predict"):
        raise NotConverted(f"conversion of {type(model).__name__}", "it has no predict method")
    # an estimator that was fitted on an array has no names, and would warn about ours
    rows = frame if hasattr(model, "feature_names_in_") else frame.to_numpy()
    probabilities = model.predict_proba(rows) if hasattr(model, "predict_proba") else None
    if not (isinstance(probabilities, np.ndarray) and probabilities.ndim == 2):  # noqa: PLR2004 - a table
        probabilities = None
    return Answers(predictions=convert_labels(model.predict(rows)), probabilities=probabilities)


def convert_estimator(model: Any, kinds: dict[str, str]) -> tuple["ModelProto", bool]:  # noqa: ANN401 - any estimator
    """Convert an estimator whose input columns have these kinds; return the graph and whether it takes one matrix.

    Columns of numbers alone become one float32 matrix (float64 is narrowed: the parity gate shows what that costs).
    Where the pipeline picks columns by name, or some hold text, each column is an input of its own, of shape (rows, 1).
    Nulls take the branches that scikit-learn's trees send them to. Raises NotConverted.
    """
    converted, single = _convert_by_columns(model, kinds)
    restore_routes(converted.graph, model)
    return converted, single


def _convert_by_columns(model: Any, kinds: dict[str, str]) -> tuple["ModelProto", bool]:  # noqa: ANN401 - any estimator
    # anything that converters raise is their way to refuse a model: there is no common type
    if all(kind != "str" for kind in kinds.values()):
        try:
            return _run_skl2onnx(model, _declare_matrix(len(kinds))), True
        except Exception as error:  # see above
            if "column name" not in str(error):  # the pipeline picks by position or not at all
                raise NotConverted(f"conversion of {type(model).__name__}", describe_in_one_line(error)) from error
    try:
        return _run_skl2onnx(model, _declare_columns(kinds)), False
    except NotConverted:
        raise
    except Exception as error:  # see above
        raise NotConverted(f"conversion of {type(model).__name__}", describe_in_one_line(error)) from error


def _run_skl2onnx(model: Any, inputs: list[tuple[str, Any]]) -> "ModelProto":  # noqa: ANN401 - any estimator
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


def _declare_matrix(width: int) -> list[tuple[str, Any]]:
    from skl2onnx.common.data_types import FloatTensorType

    return [(WHOLE_INPUT, FloatTensorType([None, width]))]


def _declare_columns(kinds: dict[str, str]) -> list[tuple[str, Any]]:
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
        raise NotConverted("conversion", f"column {name!r} is {kind}, which has no ONNX input type")
    return [(name, types[kind.rstrip("0123456789")]([None, 1])) for name, kind in kinds.items()]


def restore_routes(graph: "GraphProto", model: Any) -> None:  # noqa: ANN401 - any estimator
    """Change a converted graph in place, so that nulls take the branches that the original's splits send them to."""
    ensembles = [node for node in graph.node if node.op_type.startswith("TreeEnsemble")]
    trees = _find_trees(model)
    if len(ensembles) != 1 or not trees:
        return
    attributes = {attribute.name: attribute for attribute in ensembles[0].attribute}
    if _list_places(attributes) != list(chain.from_iterable(_list_expected_places(trees))) or ROUTES not in attributes:
        return
    left = chain.from_iterable(tree.missing_go_to_left for tree in trees)
    modes = attributes["nodes_modes"].strings
    attributes[ROUTES].ints[:] = [int(goes and mode != b"LEAF") for goes, mode in zip(left, modes, strict=True)]


def _find_trees(model: Any) -> list[Any]:  # noqa: ANN401 - any estimator
    """Return the trees of the estimator that answers, in its order; none where it is made of other things."""
    last = model.steps[-1][1] if hasattr(model, "steps") else model
    if hasattr(last, "tree_"):
        return [last.tree_]
    parts = getattr(last, "estimators_", [])
    if not isinstance(parts, list) or not all(hasattr(part, "tree_") for part in parts):
        return []
    return [part.tree_ for part in parts]


def _list_expected_places(trees: list[Any]) -> list[list[tuple[int, int]]]:
    return [[(number, node) for node in range(tree.node_count)] for number, tree in enumerate(trees)]


def _list_places(attributes: "dict[str, AttributeProto]") -> list[tuple[int, int]]:
    return list(zip(attributes["nodes_treeids"].ints, attributes["nodes_nodeids"].ints, strict=True))


CONVERTER = Converter(
    expected="a scikit-learn model that skl2onnx converts",
    load=load_estimator,
    ask=ask_estimator,
    convert=convert_estimator,
)
