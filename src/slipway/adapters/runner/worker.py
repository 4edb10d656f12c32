"""The process that loads a model and runs it: `python -m slipway.adapters.runner.worker ORDER`.

ORDER is a JSON file: the model's folder, a list of jobs, and the file for their outcomes. The outcome of every job is
written as soon as it is known, so that a crash in one job does not lose the others. Predictions are written as `.npy`
without pickles: what leaves this process is data.
"""

import json
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from slipway.artifacts import mlmodel
from slipway.artifacts.rows import make_matrix, read_rows
from slipway.domain.release.version import Signature
from slipway.errors import SlipwayError

if TYPE_CHECKING:
    import pandas as pd

Predict = Callable[[Any], Any]


def main(order: Path) -> None:
    """Do the order's jobs and write their outcomes: a list with one mapping per job done, in order."""
    content = json.loads(order.read_text())
    model, out = Path(content["model"]), Path(content["outcomes"])
    outcomes: list[dict[str, Any]] = []
    try:
        predict = _load_model(model)
    except Exception as error:  # noqa: BLE001 - whatever a model file raises is an answer: it can't be loaded
        outcomes = [_describe_failure("can't be loaded", error)] * len(content["jobs"])
    else:
        for job in content["jobs"]:
            outcomes.append(_attempt_job(predict, model, job))
            _write_outcomes(out, outcomes)
    _write_outcomes(out, outcomes)


def _write_outcomes(out: Path, outcomes: Sequence[Mapping[str, Any]]) -> None:
    partial = out.with_suffix(".partial")
    partial.write_text(json.dumps(outcomes))
    partial.replace(out)


def _attempt_job(predict: Predict, model: Path, job: Mapping[str, Any]) -> dict[str, Any]:
    try:
        if job["kind"] == "example":
            return _run_example(predict, model)
        return _run_rows(predict, model, job)
    except SlipwayError as error:
        return {"raise": type(error).__name__, "parts": [error.what, error.seen, error.expected, error.do]}


def _load_model(model: Path) -> Predict:
    import mlflow.pyfunc

    return mlflow.pyfunc.load_model(str(model), suppress_warnings=True).predict  # type: ignore[no-any-return] # untyped library


def _run_example(predict: Predict, model: Path) -> dict[str, Any]:
    from mlflow.models import Model

    try:
        example = Model.load(str(model)).load_input_example(str(model))
        if example is None:
            return {"failed": "brings no input example", "error": "none was logged"}
        convert_to_array(predict(example))
    except Exception as error:  # noqa: BLE001 - whatever a model raises is an answer: it does not work
        return _describe_failure("fails on its own input example", error)
    return {}


def _run_rows(predict: Predict, model: Path, job: Mapping[str, Any]) -> dict[str, Any]:
    signature = mlmodel.read_signature(model, mlmodel.read_description(model))
    frame = read_rows(Path(job["rows"]), job["columns"])

    def predict_part(part: "pd.DataFrame") -> NDArray[np.generic]:
        return convert_to_array(predict(convert_to_input(part, signature)))

    try:
        predictions = predict_part(frame)
    except Exception as error:  # noqa: BLE001 - whatever a model raises is an answer: it fails on these rows
        row = find_failing_row(predict_part, frame)
        where = "" if row is None else f", the first in row {row + 1}"
        return _describe_failure(f"fails on {len(frame)} rows{where}", error)
    if len(predictions) != len(frame):
        return {"failed": f"gives {len(predictions)} predictions for {len(frame)} rows", "error": ""}
    np.save(Path(job["out"]), predictions, allow_pickle=False)
    return {}


def convert_to_input(frame: "pd.DataFrame", signature: Signature) -> "pd.DataFrame | NDArray[np.generic]":
    """Return rows as the signature wants them: one array for a single tensor, else typed columns.

    A CSV file knows no types: whole numbers may stand for floating point, and text for a date. Values never change.
    """
    first = signature.inputs[0]
    if len(signature.inputs) == 1 and len(first.shape) > 1:
        return make_matrix(frame).astype(first.kind).reshape(-1, *first.shape[1:])
    kinds = {column.name: np.dtype(column.kind) for column in signature.inputs if column.name in frame.columns}
    if len(signature.inputs) == 1 and not kinds:  # one nameless column, or a tensor of one value per row
        return np.asarray(frame.iloc[:, 0]).astype(first.kind)
    wanted = {name: kind for name, kind in kinds.items() if _may_stand_for(frame[name], kind)}
    return frame.astype(wanted)


def _may_stand_for(column: "pd.Series[Any]", kind: np.dtype[Any]) -> bool:
    """Whether values of a column may be read as another type without changing their meaning."""
    if kind.kind == "f":
        return column.dtype.kind in "iuf"
    if kind.kind in "iu":
        return column.dtype.kind in "iuf" and bool((column == column.round()).all())
    return kind.kind == "M"


def find_failing_row(run: Callable[["pd.DataFrame"], object], frame: "pd.DataFrame") -> int | None:
    """Return the position of the first row that fails alone, by halving; None where only rows together fail."""
    low, high = 0, len(frame)
    while high - low > 1:
        middle = (low + high) // 2
        if _fails_on(run, frame.iloc[low:middle]):
            high = middle
        elif _fails_on(run, frame.iloc[middle:high]):
            low = middle
        else:
            return None
    return low


def _fails_on(run: Callable[["pd.DataFrame"], object], part: "pd.DataFrame") -> bool:
    try:
        run(part)
    except Exception:  # noqa: BLE001 - any error is what is looked for
        return True
    return False


def convert_to_array(predictions: object) -> NDArray[np.generic]:
    """Return predictions as one array, shape (rows,) or (rows, outputs); of outputs of several kinds the first."""
    import pandas as pd

    if isinstance(predictions, Mapping):
        predictions = next(iter(predictions.values()))
    if isinstance(predictions, pd.DataFrame) and any(kind.kind not in "biuf" for kind in predictions.dtypes):
        predictions = predictions.iloc[:, 0]
    array = np.asarray(predictions)
    if array.dtype.kind == "O":  # text, or a list of rows
        array = np.array(array.tolist())
    if array.ndim == 0 or array.dtype.kind not in "biufU":
        message = (
            f"predictions of type {type(predictions).__name__} ({array.dtype.name}) are neither numbers nor labels"
        )
        raise TypeError(message)
    return array[:, 0] if array.ndim > 1 and array.shape[1:] == (1,) else array


def _describe_failure(what: str, error: Exception) -> dict[str, Any]:
    traceback.print_exception(error)
    return {"failed": what, "error": f"{type(error).__name__}: {error}"}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
