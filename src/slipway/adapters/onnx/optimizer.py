"""The Optimizer port: each step in a worker of its own, verdicts and choices made here by the domain."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slipway.adapters.onnx import answering, build_worker, convert_worker, measure_worker, worker
from slipway.adapters.onnx.converter import make_refusal
from slipway.adapters.onnx.converters import describe_convertible, find_converter, list_flavors
from slipway.adapters.onnx.optimizer_pass import Limits
from slipway.adapters.onnx.passes import find_pass
from slipway.adapters.onnx.session import CPU
from slipway.artifacts import mlmodel
from slipway.artifacts.store import compute_file_digest
from slipway.domain.gates.parity import EdgeAnswers, judge_parity
from slipway.domain.optimize.conversion import Converted, Optimized, Variant
from slipway.domain.optimize.speed import choose_variant, paired_speedup
from slipway.domain.release.version import Signature
from slipway.domain.spec.release import ConversionSpec, OptimizationSpec
from slipway.domain.verdict import Outcome, Verdict
from slipway.errors import ArtifactBroken

SEED = 4
"""Of the bootstrap: the same measurements give the same interval. Any number does."""
Seconds = NDArray[np.float64]


class OnnxOptimizer:
    """Converts models by their flavor, builds variants, and measures them."""

    def __init__(self, timeout_seconds: float = 180, providers: Sequence[str] = CPU) -> None:
        """Give each worker this long; run variants on these ONNX Runtime execution providers."""
        self._timeout = timeout_seconds
        self._providers = tuple(providers)

    def convert(self, model: Path, signature: Signature, rows: Path, spec: ConversionSpec, out: Path) -> Converted:
        """Write `out/model.onnx` and compare it with the original on the rows and on edge rows.

        `signature` names the columns (see `spelled_out` for one of a matrix). Raises ConversionRefused with the
        converter's reason, ArtifactBroken when the original can't be loaded or fails on the rows, DataBroken for rows
        that can't be read or lack columns.
        """
        flavor = _find_convertible_flavor(model)
        expected = find_converter(flavor).expected
        kinds = _list_kinds(signature, expected)
        with _make_workplace(out) as folder:
            request = {"flavor": flavor, "model": str(model.absolute()), "rows": str(rows.absolute()), "kinds": kinds}
            try:
                response = worker.call_worker(convert_worker.__name__, request, folder, self._timeout)
                parity = _judge_answers(folder / convert_worker.ANSWERS_FILE, lambda _: spec, response["edges"])
            except worker.WorkerDied as error:
                raise make_refusal(f"conversion of model folder {model.name}", str(error), expected) from error
            path = (folder / convert_worker.MODEL_FILE).replace(out / convert_worker.MODEL_FILE)
        return Converted(
            path=path,
            digest=compute_file_digest(path),
            parity=parity,
            inputs=tuple(response["inputs"]),
            outputs=tuple(response["outputs"]),
            single_matrix=bool(response["single_matrix"]),
            rows_independent=bool(response["rows_independent"]),
        )

    def optimize(self, converted: Converted, rows: Path, spec: OptimizationSpec, out: Path) -> Optimized:
        """Build the variants under `out`, compare each with the plain model, measure those that agree, and choose.

        A variant that can't be built, or whose answers differ, stays in the table with a note and without a time.
        Raises ArtifactBroken when the plain file itself can't be run, DataBroken for rows that can't be read, SpecError
        for a variant that no pass builds.
        """
        with _make_workplace(out) as folder:
            try:
                table = self._build_variants(converted, rows, spec, folder)
                seconds = self._measure_variants(table, spec, folder)
            except worker.WorkerDied as error:
                raise ArtifactBroken(
                    f"ONNX file {converted.path.name}",
                    seen=str(error),
                    expected="a file that ONNX Runtime runs on these rows",
                    do="convert the model again",
                ) from error
            kept = [_move_file(row, converted.path, out) for row in table]
        return choose_variant([_add_times(row, seconds, spec) for row in kept], confidence=spec.confidence)

    def _build_variants(self, converted: Converted, rows: Path, spec: OptimizationSpec, folder: Path) -> list[Variant]:
        """Return the table without times; variants that were built lie in `folder`. Raises SpecError."""
        variants = list(dict.fromkeys(spec.variants))
        for name in variants:
            find_pass(name)  # an unknown one is refused before anything is started
        request = {
            "plain": str(converted.path.absolute()),
            "rows": str(rows.absolute()),
            "single_matrix": converted.single_matrix,
            "variants": variants,
            "batch_rows": spec.batch_rows,
            "providers": self._providers,
        }
        response = worker.call_worker(build_worker.__name__, request, folder, self._timeout)
        plain = _make_row("plain", converted.path, converted.parity, note="")
        plain = replace(plain, rows_independent=converted.rows_independent)
        return [plain, *(_make_built_row(name, said, folder) for name, said in response["variants"].items())]

    def _measure_variants(self, table: Sequence[Variant], spec: OptimizationSpec, folder: Path) -> dict[str, Seconds]:
        """Return seconds per call by variant, shape (rounds,), of those that agree with the plain model."""
        fit = {row.name: row.path for row in table if row.path and (row.name == "plain" or _agrees_with_plain(row))}
        request = {
            "sessions": [{"path": str(path.absolute()), "optimize": _is_optimized(name)} for name, path in fit.items()],
            "rounds": spec.rounds,
            "batch_rows": spec.batch_rows,
            "providers": self._providers,
        }
        response = worker.call_worker(measure_worker.__name__, request, folder, self._timeout)
        return {name: np.array(each) for name, each in zip(fit, response["seconds"], strict=True)}


def _find_convertible_flavor(model: Path) -> str:
    """Return the first of the model's flavors that has a converter; raise ConversionRefused and start no process."""
    names = [name for name in _list_flavors(model) if name != "python_function"]
    found = next((name for name in names if name in list_flavors()), None)
    if found is None:
        kind = " and ".join(names) or "plain python_function"
        raise make_refusal(f"conversion of model folder {model.name}", f"it is a {kind} model", describe_convertible())
    return found


def _list_flavors(model: Path) -> list[str]:
    try:
        return list(mlmodel.read_description(model)["flavors"])
    except ArtifactBroken as error:
        raise ArtifactBroken(
            f"model folder {model.name}",
            seen=f"its MLmodel file can't be read: {error.seen}",
            expected=error.expected,
            do="log and register the model again with MLflow",
        ) from error


def _list_kinds(signature: Signature, expected: str) -> dict[str, str]:
    if any(len(column.shape) > 1 for column in signature.inputs):
        raise make_refusal("conversion", "its signature is one matrix, whose columns have no names", expected)
    return {column.name: column.kind for column in signature.inputs}


@contextmanager
def _make_workplace(out: Path) -> Iterator[Path]:
    """Give a folder inside `out`, so that results are moved, not copied; it is gone at the end."""
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".part-", dir=out.absolute()) as folder:
        yield Path(folder)


def _judge_answers(path: Path, limits: Limits, counts: dict[str, int] | None) -> Verdict:
    """Judge what a worker collected; `counts`: its edge rows that were left out or not answered."""
    try:
        found = answering.load_answers(path)
        edges = None
        if counts is not None:
            edges = EdgeAnswers(original=found["edges_original"], converted=found["edges_converted"], **counts)
        return judge_parity(found["original"], found["converted"], limits(found["original"]), edges)
    except (OSError, KeyError, ValueError) as error:
        message = f"its answers can't be read: {worker.describe_in_one_line(error)}"
        raise worker.WorkerDied(message) from error


def _make_row(name: str, path: Path | None, parity: Verdict | None, *, note: str) -> Variant:
    """Return a row without a time: all zeros."""
    return Variant(
        name=name,
        path=path,
        size_bytes=path.stat().st_size if path else 0,
        median_microseconds=0.0,
        speedup=0.0,
        speedup_low=0.0,
        speedup_high=0.0,
        parity=parity,
        note=note,
    )


def _make_built_row(name: str, said: dict[str, Any], folder: Path) -> Variant:
    if said["note"]:
        return _make_row(name, None, None, note=said["note"])
    parity = _judge_answers(folder / build_worker.name_answers_file(name), find_pass(name).limits, said["edges"])
    row = _make_row(name, folder / build_worker.name_variant_file(name), parity, note="")
    row = replace(row, rows_independent=bool(said["rows_independent"]))
    return row if _agrees_with_plain(row) else replace(row, note=f"not chosen: {parity.reason}")


def _agrees_with_plain(row: Variant) -> bool:
    return row.parity is not None and row.parity.outcome is Outcome.PASS


def _is_optimized(name: str) -> bool:
    """Return whether ONNX Runtime optimizes a file of the table as it loads it."""
    return name == "plain" or find_pass(name).runtime_optimizes


def _move_file(row: Variant, plain: Path, out: Path) -> Variant:
    if row.path is None or row.path == plain:
        return row
    return replace(row, path=row.path.replace(out / row.path.name))


def _add_times(row: Variant, seconds: dict[str, Seconds], spec: OptimizationSpec) -> Variant:
    if row.name not in seconds:
        return row
    ratio, low, high = paired_speedup(seconds["plain"], seconds[row.name], confidence=spec.confidence, seed=SEED)
    return replace(
        row,
        median_microseconds=float(np.median(seconds[row.name])) * 1e6,
        speedup=ratio,
        speedup_low=low,
        speedup_high=high,
    )
