"""The worker that builds variants, and asks each and the plain model about the same rows."""

import warnings
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from slipway.adapters.onnx import answering, session, worker
from slipway.adapters.onnx.edges import make_edge_rows
from slipway.adapters.onnx.optimizer_pass import NotBuilt
from slipway.adapters.onnx.passes import find_pass
from slipway.artifacts.rows import read_rows
from slipway.domain.gates.parity import Answers

if TYPE_CHECKING:
    import onnxruntime as ort
    import pandas as pd

FEEDS_FILE = "feeds.npz"
MOST_ROWS = 65536
"""Rows prepared for measuring, at most (or one batch)."""
BATCHES = 16
"""Different batches to measure with: the time of a tree depends on the row."""


def name_variant_file(name: str) -> str:
    """Return the name of a variant's file."""
    return f"{name}.onnx"


def name_answers_file(name: str) -> str:
    """Return the name of the file with a variant's answers beside the plain model's."""
    return f"{name}.npz"


def main(request: dict[str, Any]) -> dict[str, Any]:
    """Write each variant, its answers, and the rows to measure with into the working directory.

    Response: per variant a note (why it was not built, or empty) whether rows are
    independent of one another, and counts of edge rows.
    """
    plain = Path(request["plain"])
    opened = session.open_session(plain, providers=request["providers"])
    frame = read_rows(Path(request["rows"]), session.read_columns(opened))
    inputs = session.make_feed(opened, frame, single_matrix=request["single_matrix"])
    _save_feeds(inputs, request["batch_rows"])
    say = partial(_ask_session, opened, request["single_matrix"])
    return {"variants": {name: _try_variant(name, plain, say, frame, request) for name in request["variants"]}}


def _try_variant(
    name: str, plain: Path, say: answering.Form, frame: "pd.DataFrame", request: dict[str, Any]
) -> dict[str, Any]:
    final = Path(name_variant_file(name))
    try:
        found = find_pass(name)
        found.build(plain, final.absolute(), request["providers"])
        opened = session.open_session(final, providers=request["providers"], optimize=found.runtime_optimizes)
        form = partial(_ask_session, opened, request["single_matrix"])
        ours = form(frame)
    except NotBuilt as error:
        return {"note": str(error)}
    except Exception as error:  # noqa: BLE001 - optimizers raise errors of any type; plain still ships
        return {"note": f"not built: {worker.describe_in_one_line(error)}"}
    edges = answering.ask_edge_rows(say, form, make_edge_rows(frame))
    named = {"original": say(frame), "converted": ours}
    if edges:
        named |= {"edges_original": edges.original, "edges_converted": edges.converted}
    answering.save_answers(Path(name_answers_file(name)), **named)
    return {
        "note": "",
        "rows_independent": answering.are_rows_independent(form, frame),
        "edges": {"left_out": edges.left_out, "unanswered": edges.unanswered} if edges else None,
    }


def _ask_session(opened: "ort.InferenceSession", single: bool, frame: "pd.DataFrame") -> Answers:  # noqa: FBT001 - by partial
    return session.run_session(opened, session.make_feed(opened, frame, single_matrix=single))


def _save_feeds(inputs: session.Feed, batch_rows: int) -> None:
    """Write rows to measure with, taken cyclically; shape of each (batches, batch_rows, ...)."""
    batches = max(1, min(BATCHES, MOST_ROWS // batch_rows))
    arrays: dict[str, Any] = {}
    for name, values in inputs.items():
        picked = np.take(session.convert_labels(values), range(batches * batch_rows), axis=0, mode="wrap")
        arrays[name] = picked.reshape(batches, batch_rows, *values.shape[1:])
    np.savez(FEEDS_FILE, allow_pickle=False, **arrays)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    worker.serve_request(main)
