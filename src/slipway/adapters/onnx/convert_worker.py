"""The worker that converts: loads the original, converts it, and asks both forms about the same rows.

Which converter does it, the request says by the model's flavor.
"""

import warnings
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slipway.adapters.onnx import answering, graph, original, session, worker
from slipway.adapters.onnx.converter import Converter, NotConverted, make_refusal
from slipway.adapters.onnx.converters import find_converter
from slipway.adapters.onnx.edges import make_edge_rows
from slipway.artifacts.rows import read_rows
from slipway.domain.gates.parity import Answers

if TYPE_CHECKING:
    import onnxruntime as ort
    import pandas as pd
    from onnx import ModelProto

MODEL_FILE, ANSWERS_FILE = "model.onnx", "answers.npz"


def main(request: dict[str, Any]) -> dict[str, Any]:
    """Write the ONNX file and both forms' answers into the working directory.

    Request: flavor, model (folder), rows (file), kinds (by column, in order). Response: names of inputs and outputs,
    whether it takes one matrix, whether rows are independent of one another, and how many edge rows were left out or
    not answered (None: none could be compared).
    """
    kinds: dict[str, str] = request["kinds"]
    converter = find_converter(request["flavor"])
    frame = original.convert_types(read_rows(Path(request["rows"]), list(kinds)), kinds)
    return compare_forms(converter, converter.load(Path(request["model"])), frame, kinds, Path())


def compare_forms(
    converter: Converter,
    model: Any,  # noqa: ANN401 - any framework's model
    frame: "pd.DataFrame",
    kinds: dict[str, str],
    folder: Path,
) -> dict[str, Any]:
    """Write a model's ONNX file, and both forms' answers to a frame of rows, into a folder; return the response.

    Raises ConversionRefused, and ArtifactBroken when the model fails on the rows.
    """
    try:
        theirs = original.ask_about_rows(converter, model, frame)
        single = _write_onnx(converter.convert(model, kinds), kinds, theirs, folder / MODEL_FILE)
        opened, form, ours = _ask_converted(folder / MODEL_FILE, single, frame)
    except NotConverted as error:
        raise make_refusal(error.what, error.reason, converter.expected) from error
    edges = answering.ask_edge_rows(partial(converter.ask, model), form, make_edge_rows(frame))
    named = {"original": theirs, "converted": ours}
    if edges:
        named |= {"edges_original": edges.original, "edges_converted": edges.converted}
    answering.save_answers(folder / ANSWERS_FILE, **named)
    return {
        "inputs": [put.name for put in opened.get_inputs()],
        "outputs": [put.name for put in opened.get_outputs()],
        "single_matrix": single,
        "rows_independent": answering.are_rows_independent(form, frame),
        "edges": {"left_out": edges.left_out, "unanswered": edges.unanswered} if edges else None,
    }


def _write_onnx(made: "tuple[ModelProto, bool]", kinds: dict[str, str], theirs: Answers, path: Path) -> bool:
    converted, single = made
    flat = theirs.predictions.ndim == 1
    graph.tidy_graph(converted, list(kinds), probabilities=theirs.probabilities is not None, flat=flat)
    graph.check_graph(converted)
    path.write_bytes(converted.SerializeToString(deterministic=True))
    return single


def _ask_converted(
    path: Path,
    single: bool,  # noqa: FBT001 - as the graph says
    frame: "pd.DataFrame",
) -> "tuple[ort.InferenceSession, answering.Form, Answers]":
    """Return the open file, how it is asked, and its answers to the rows; raise NotConverted when it can't be run."""
    try:
        opened = session.open_session(path)
        form = partial(_ask_onnx, opened, single)
        return opened, form, form(frame)
    except Exception as error:  # ONNX Runtime's errors have no common type
        raise NotConverted(
            "converted graph", f"ONNX Runtime fails on it: {worker.describe_in_one_line(error)}"
        ) from error


def _ask_onnx(opened: Any, single: bool, frame: Any) -> Answers:  # noqa: ANN401, FBT001 - bound by partial
    return session.run_session(opened, session.make_feed(opened, frame, single_matrix=single))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    worker.serve_request(main)
