"""Runs a model in a process of its own, and reads what that left."""

import json
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slipway.artifacts import foreign_code, mlmodel, sandbox
from slipway.domain.release.version import Signature
from slipway.errors import ArtifactBroken, DataBroken

WORKER = "slipway.adapters.runner.worker"
"""The module that runs in the model's process."""

SETTINGS = {
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "true",  # the policy about pickles was applied before
    "PYTHONUTF8": "1",
}

LOG_LINES = 6
"""How many of the last lines that a process wrote go into an error."""

LONGEST = 600
"""Characters of such a message that are shown."""

Outcome = Mapping[str, Any]


class SubprocessModelRunner:
    """Reads model folders here, and runs them in a process of their own.

    Starting a process and loading a model costs seconds, running it milliseconds. So `predict` tries the input example
    too, and `check_example` right after it answers from that: two calls, one process. A failing example never fails
    `predict`.
    """

    def __init__(self, timeout_seconds: float = 120) -> None:
        """Limit each process to so many seconds, from its start to its end."""
        self._timeout_seconds = timeout_seconds
        self._examples: dict[Path, Outcome | None] = {}

    def read_signature(self, model: Path, *, allow_pickle: bool) -> Signature:
        """Return the signature from the MLmodel file; nothing of the model is loaded or run.

        Raises ArtifactBroken without a signature or an input example, and, unless `allow_pickle`, for a model whose
        loading runs code that came with it.
        """
        description = mlmodel.read_description(model)
        if not allow_pickle:
            foreign_code.refuse_code(model, description)
        signature = mlmodel.read_signature(model, description)
        mlmodel.require_example(model, description)
        return signature

    def predict(self, model: Path, rows: Path, columns: Sequence[str]) -> NDArray[np.generic]:
        """Return the model's predictions for a rows file, shape (rows,) or (rows, outputs).

        Raises ArtifactBroken when the model can't be loaded, fails on the rows or takes too long; DataBroken for the
        rows file.
        """
        with tempfile.TemporaryDirectory(prefix="slipway-model-", ignore_cleanup_errors=True) as name:
            out = Path(name) / "predictions.npy"
            job = {"kind": "predict", "rows": str(rows.absolute()), "columns": list(columns), "out": str(out)}
            predicted, example = self._run_jobs(model, [job, {"kind": "example"}], out.parent)
            _raise_failure(model, predicted)
            if "died" not in example:  # a death may have come before the example was tried
                self._examples[model.absolute()] = example
            return _read_predictions(model, out)

    def check_example(self, model: Path) -> None:
        """Run the model on its own input example; raise ArtifactBroken when it fails."""
        outcome = self._examples.pop(model.absolute(), None)
        if outcome is None:
            with tempfile.TemporaryDirectory(prefix="slipway-model-", ignore_cleanup_errors=True) as name:
                (outcome,) = self._run_jobs(model, [{"kind": "example"}], Path(name))
        _raise_failure(model, outcome)

    def _run_jobs(self, model: Path, jobs: Sequence[Outcome], folder: Path) -> list[Outcome]:
        """Return one outcome per job; a job that the process did not get to has its death as outcome."""
        mlmodel.read_description(model)  # MLflow reads the same file in that process, without a bound
        order, out = folder / "order.json", folder / "outcomes.json"
        order.write_text(json.dumps({"model": str(model.absolute()), "jobs": list(jobs), "outcomes": str(out)}))
        ending = sandbox.run_module(WORKER, [str(order)], folder, self._timeout_seconds, SETTINGS)
        outcomes = _read_outcomes(out)[: len(jobs)]
        return [*outcomes, *[_describe_death(ending)] * (len(jobs) - len(outcomes))]


def _read_outcomes(path: Path) -> list[Outcome]:
    """Return what the process wrote of its jobs; nothing where that is no list of mappings."""
    with suppress(OSError, ValueError):
        written = sandbox.read_json(path)
        if isinstance(written, list) and all(isinstance(outcome, dict) for outcome in written):
            return written
    return []


def _describe_death(ending: sandbox.Ending) -> Outcome:
    last = ending.lines[-LOG_LINES:]
    return {"failed": f"its process {ending.words}", "error": " | ".join(last), "died": True}


def _raise_failure(model: Path, outcome: Outcome) -> None:
    if outcome.get("raise") == DataBroken.__name__:
        what, seen, expected, do = outcome["parts"]
        raise DataBroken(what, seen=seen, expected=expected, do=do)
    if "raise" in outcome or "failed" in outcome:
        said = _shorten_message(model, str(outcome.get("error") or outcome.get("parts") or ""))
        raise ArtifactBroken(
            f"model {model.name}",
            seen=f"{outcome.get('failed', 'is broken')}{': ' if said else ''}{said}",
            expected="a model that loads and predicts in this environment",
            do="compare the model's requirements.txt with what is installed here; log it again once it works",
        )


def _shorten_message(model: Path, text: str) -> str:
    """Take folders of this machine out of a message, and all but its beginning and end."""
    for folder, word in ((model.absolute(), "MODEL"), (Path(tempfile.gettempdir()), "TMP"), (Path.home(), "~")):
        if folder != Path("/"):
            text = text.replace(str(folder), word)
    text = " ".join(text.split())
    return text if len(text) <= LONGEST else f"{text[: LONGEST // 3]} ... {text[-LONGEST * 2 // 3 :]}"


def _read_predictions(model: Path, path: Path) -> NDArray[np.generic]:
    try:
        with path.open("rb") as file:  # not by np.load, which reads other formats too
            return np.lib.format.read_array(file, allow_pickle=False)
    except (OSError, ValueError, MemoryError) as error:  # MemoryError: its header may say any size
        raise ArtifactBroken(
            f"model {model.name}",
            seen="its process reported predictions, and left no readable ones",
            expected="one prediction per row",
            do="run the model by hand on these rows; see what it does to its working folder",
        ) from error
