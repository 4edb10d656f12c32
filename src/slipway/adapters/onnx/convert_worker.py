"""The worker that converts: loads the original, converts it, and asks both forms about the same rows."""

import warnings
from functools import partial
from pathlib import Path
from typing import Any

from slipway.adapters.onnx import answering, converter, graph, original, session, worker
from slipway.adapters.onnx.edges import edge_rows
from slipway.domain.parity import Answers
from slipway.rows import read_rows

MODEL_FILE, ANSWERS_FILE = "model.onnx", "answers.npz"


def main(request: dict[str, Any]) -> dict[str, Any]:
    """Write the ONNX file and both forms' answers into the working directory.

    Request: model (folder), rows (file), kinds (by column, in order). Response: names of inputs and outputs, whether it
    takes one matrix, and how many edge rows were left out or not answered (None: none could be compared).
    """
    kinds: dict[str, str] = request["kinds"]
    frame = original.typed(read_rows(Path(request["rows"]), list(kinds)), kinds)
    model = original.load(Path(request["model"]))
    if not hasattr(model, "predict"):
        raise converter.refused(f"conversion of {type(model).__name__}", "it has no predict method")
    theirs = original.ask_about_rows(model, frame)
    single = _write_onnx(model, kinds, theirs)
    opened = session.open_session(Path(MODEL_FILE))
    form = partial(_ask_onnx, opened, single)
    try:
        ours = form(frame)
    except Exception as error:  # ONNX Runtime's errors have no common type
        raise converter.refused("converted graph", f"ONNX Runtime fails on it: {worker.one_line(error)}") from error
    edges = answering.at_edges(partial(original.ask, model), form, edge_rows(frame))
    named = {"original": theirs, "converted": ours}
    if edges:
        named |= {"edges_original": edges.original, "edges_converted": edges.converted}
    answering.save_answers(Path(ANSWERS_FILE), **named)
    return {
        "inputs": [put.name for put in opened.get_inputs()],
        "outputs": [put.name for put in opened.get_outputs()],
        "single_matrix": single,
        "edges": {"left_out": edges.left_out, "unanswered": edges.unanswered} if edges else None,
    }


def _write_onnx(model: Any, kinds: dict[str, str], theirs: Answers) -> bool:  # noqa: ANN401 - any estimator
    converted, single = converter.convert(model, kinds)
    graph.tidy(
        converted, list(kinds), probabilities=theirs.probabilities is not None, flat=theirs.predictions.ndim == 1
    )
    converter.check(converted)
    Path(MODEL_FILE).write_bytes(converted.SerializeToString(deterministic=True))
    return single


def _ask_onnx(opened: Any, single: bool, frame: Any) -> Answers:  # noqa: ANN401, FBT001 - bound by partial
    return session.answers(opened, session.feed(opened, frame, single_matrix=single))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    worker.serve(main)
