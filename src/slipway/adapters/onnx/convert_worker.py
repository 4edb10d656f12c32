"""The worker that converts: loads the original, converts it, and asks both forms about the same rows."""

import warnings
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slipway.adapters.onnx import answering, graph, nulls, original, session, worker
from slipway.adapters.onnx.converters import sklearn as converter
from slipway.adapters.onnx.edges import edge_rows
from slipway.artifacts.rows import read_rows
from slipway.domain.parity import Answers

if TYPE_CHECKING:
    import pandas as pd

MODEL_FILE, ANSWERS_FILE = "model.onnx", "answers.npz"


def main(request: dict[str, Any]) -> dict[str, Any]:
    """Write the ONNX file and both forms' answers into the working directory.

    Request: model (folder), rows (file), kinds (by column, in order). Response: names of inputs and outputs, whether it
    takes one matrix, whether rows are independent of one another, and how many edge rows were left out or not answered
    (None: none could be compared).
    """
    kinds: dict[str, str] = request["kinds"]
    frame = original.typed(read_rows(Path(request["rows"]), list(kinds)), kinds)
    return compare(original.load(Path(request["model"])), frame, kinds, Path())


def compare(model: Any, frame: "pd.DataFrame", kinds: dict[str, str], folder: Path) -> dict[str, Any]:  # noqa: ANN401
    """Write an estimator's ONNX file, and both forms' answers to a frame of rows, into a folder; return the response.

    Raises ConversionRefused, and ArtifactBroken when the estimator fails on the rows.
    """
    if not hasattr(model, "predict"):
        raise converter.refused(f"conversion of {type(model).__name__}", "it has no predict method")
    theirs = original.ask_about_rows(model, frame)
    single = _write_onnx(model, kinds, theirs, folder / MODEL_FILE)
    try:
        opened = session.open_session(folder / MODEL_FILE)
        form = partial(_ask_onnx, opened, single)
        ours = form(frame)
    except Exception as error:  # ONNX Runtime's errors have no common type
        raise converter.refused("converted graph", f"ONNX Runtime fails on it: {worker.one_line(error)}") from error
    edges = answering.at_edges(partial(original.ask, model), form, edge_rows(frame))
    named = {"original": theirs, "converted": ours}
    if edges:
        named |= {"edges_original": edges.original, "edges_converted": edges.converted}
    answering.save_answers(folder / ANSWERS_FILE, **named)
    return {
        "inputs": [put.name for put in opened.get_inputs()],
        "outputs": [put.name for put in opened.get_outputs()],
        "single_matrix": single,
        "rows_independent": answering.independent(form, frame),
        "edges": {"left_out": edges.left_out, "unanswered": edges.unanswered} if edges else None,
    }


def _write_onnx(model: Any, kinds: dict[str, str], theirs: Answers, path: Path) -> bool:  # noqa: ANN401 - any estimator
    converted, single = converter.convert(model, kinds)
    nulls.restore_routes(converted.graph, model)
    flat = theirs.predictions.ndim == 1
    graph.tidy(converted, list(kinds), probabilities=theirs.probabilities is not None, flat=flat)
    converter.check(converted)
    path.write_bytes(converted.SerializeToString(deterministic=True))
    return single


def _ask_onnx(opened: Any, single: bool, frame: Any) -> Answers:  # noqa: ANN401, FBT001 - bound by partial
    return session.answers(opened, session.feed(opened, frame, single_matrix=single))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    worker.serve(main)
