"""Collecting what two forms of a model answer, for the parity gate; arrays cross processes as .npz without pickles."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from slipway.domain.gates.independence import rows_independent
from slipway.domain.gates.parity import Answers, EdgeAnswers

if TYPE_CHECKING:
    import pandas as pd

ALONE = 32
"""Rows that are asked about one by one, to see whether they depend on one another."""
LARGEST_BYTES = 4 << 30
"""Of answers, unpacked."""
Form = Callable[["pd.DataFrame"], Answers]
"""One form of a model: a frame of rows in, answers out; raises on rows that it does not take."""


def ask_edge_rows(original: Form, converted: Form, rows: "pd.DataFrame") -> EdgeAnswers | None:
    """Ask both forms for each edge row by itself; None when the original takes none of them, or the other form none."""
    pairs: list[tuple[Answers, Answers]] = []
    left_out = unanswered = 0
    for number in range(len(rows)):
        row = rows.iloc[[number]]
        ours = _try_row(original, row)
        theirs = _try_row(converted, row) if ours else None
        left_out += ours is None
        unanswered += ours is not None and theirs is None
        if ours and theirs:
            pairs.append((ours, theirs))
    if not pairs and not unanswered:
        return None
    return EdgeAnswers(
        original=_join_answers([ours for ours, _ in pairs]),
        converted=_join_answers([theirs for _, theirs in pairs]),
        left_out=left_out,
        unanswered=unanswered,
    )


def are_rows_independent(form: Form, rows: "pd.DataFrame") -> bool:
    """Return whether a model answers some rows in one batch as it answers each of them alone."""
    some = rows.head(ALONE)
    alone = [_try_row(form, some.iloc[[number]]) for number in range(len(some))]
    answered = [answers for answers in alone if answers is not None]
    return len(answered) == len(alone) and rows_independent(form(some), _join_answers(answered))


def _try_row(form: Form, row: "pd.DataFrame") -> Answers | None:
    try:
        return form(row)
    except Exception:  # noqa: BLE001 - models refuse odd rows with errors of any type, and that is an answer
        return None


def _join_answers(parts: list[Answers]) -> Answers:
    if not parts:
        return Answers(predictions=np.empty(0))
    probabilities = [part.probabilities for part in parts if part.probabilities is not None]
    return Answers(
        predictions=np.concatenate([part.predictions for part in parts]),
        probabilities=np.concatenate(probabilities) if probabilities else None,
    )


def save_answers(path: Path, **answers: Answers) -> None:
    """Write answers by name."""
    arrays: dict[str, Any] = {}
    for name, answer in answers.items():
        arrays[f"{name}.predictions"] = answer.predictions
        if answer.probabilities is not None:
            arrays[f"{name}.probabilities"] = answer.probabilities
    np.savez(path, allow_pickle=False, **arrays)


def load_answers(path: Path) -> dict[str, Answers]:
    """Read answers by name; raise OSError, or ValueError for a file that `save_answers` did not write."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return _index_by_name(arrays)
    except OSError:
        raise
    except Exception as error:  # a model's code may have written anything there
        message = f"no answers ({type(error).__name__})"
        raise ValueError(message) from error


def _index_by_name(arrays: Any) -> dict[str, Answers]:  # noqa: ANN401 - numpy's own open file
    size = sum(entry.file_size for entry in arrays.zip.infolist())
    if size > LARGEST_BYTES:
        message = f"{size:,} bytes, over the {LARGEST_BYTES:,} allowed"
        raise ValueError(message)
    names = {key.rsplit(".", 1)[0] for key in arrays.files}
    return {
        name: Answers(
            predictions=arrays[f"{name}.predictions"],
            probabilities=arrays[f"{name}.probabilities"] if f"{name}.probabilities" in arrays.files else None,
        )
        for name in names
    }
