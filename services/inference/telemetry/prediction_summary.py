"""Sums of this process' predictions and inputs since it started, in bounded memory."""

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.inference.manifest import Manifest
from services.inference.rows import Rows
from services.inference.telemetry.input_bins import InputBins
from slipway_interface.metrics import LABEL_LENGTH, LABEL_LIMIT, OTHER_LABEL

LARGEST_SCORE = 1e150
"""Larger scores are not summed: 100 million squares of this one still fit into a float64."""
ROWS_TOGETHER = 32
"""Rows that are counted together: one alone costs as much as six of them, and more would delay the request during
which they are counted."""


class PredictionSummary:
    """Requests answered with 200: their scores or classes, once for each request, and rows per bin of their inputs.

    The score of a request with several rows is their mean; each of its labels counts with its share of the rows.
    """

    def __init__(self, manifest: Manifest) -> None:
        """Start with no requests."""
        self._inputs = InputBins.of_manifest(manifest)
        self._classes: dict[str, float] = {}
        self._count, self._total, self._squares = 0, 0.0, 0.0
        self._kept: list[tuple[Rows, NDArray[np.generic]]] = []
        self._kept_rows = 0
        self._requests = self._rows = self._nonfinite = 0

    def count(self, rows: Rows, prediction: NDArray[np.generic]) -> None:
        """Add a request's rows and their prediction, shape (rows,) or (rows, outputs); a row's first value counts."""
        self._kept.append((rows, prediction))
        self._kept_rows += len(prediction)
        if self._kept_rows >= ROWS_TOGETHER:
            self._count_kept()

    def snapshot(self) -> dict[str, Any]:
        """Return the summary as a JSON document."""
        self._count_kept()
        sums = {"count": self._count, "total": self._total, "squares": self._squares}
        return {
            "requests": self._requests,
            "rows": self._rows,
            "nonfinite": self._nonfinite,
            "scores": sums if self._count else None,
            "classes": dict(self._classes),
            "inputs": self._inputs.read_counts(),
        }

    def _count_kept(self) -> None:
        """Count the rows that were kept."""
        kept, self._kept, rows, self._kept_rows = self._kept, [], self._kept_rows, 0
        if not kept:
            return
        self._requests += len(kept)
        self._rows += rows
        for some in _merge_rows([rows for rows, _ in kept]):
            self._inputs.count(some)
        predictions = [prediction for _, prediction in kept if prediction.size]
        if predictions and predictions[0].dtype.kind == "f":
            self._nonfinite += _count_nonfinite(predictions)
            self._add_scores([_take_first_values(one) for one in predictions])
        elif predictions and predictions[0].dtype.kind in "biuOUS":
            self._add_labels([_take_first_values(one) for one in predictions])

    def _add_scores(self, first: list[NDArray[np.generic]]) -> None:
        values = _average_rows(first)
        values = values[np.abs(values) <= LARGEST_SCORE]
        self._count += len(values)
        self._total += float(values.sum())
        self._squares += float(values @ values)

    def _add_labels(self, first: list[NDArray[np.generic]]) -> None:
        alone = [one for one in first if len(one) == 1]
        if alone:
            self._add_shares(Counter(np.concatenate(alone).tolist()), 1)
        for one in first:
            if len(one) > 1:
                self._add_shares(Counter(one.tolist()), len(one))

    def _add_shares(self, counted: Counter[Any], rows: int) -> None:
        for value, count in counted.items():
            label = str(value)[:LABEL_LENGTH]
            full = len(self._classes) - (OTHER_LABEL in self._classes) >= LABEL_LIMIT
            place = OTHER_LABEL if full and label not in self._classes else label
            self._classes[place] = self._classes.get(place, 0) + count / rows


def _take_first_values(prediction: NDArray[np.generic]) -> NDArray[np.generic]:
    """Return the first value of each row."""
    return prediction if prediction.ndim == 1 else prediction.reshape(len(prediction), -1)[:, 0]


def _average_rows(first: list[NDArray[np.generic]]) -> NDArray[np.float64]:
    """Return each request's mean.

    >>> _average_rows([np.array([1.0, 3.0]), np.array([5.0])]).tolist()
    [2.0, 5.0]
    """
    values = np.concatenate(first).astype(np.float64)
    if len(values) == len(first):
        return values
    lengths = np.array([len(one) for one in first])
    with np.errstate(over="ignore", invalid="ignore"):
        means: NDArray[np.float64] = np.add.reduceat(values, np.cumsum(lengths) - lengths) / lengths
    return means


def _count_nonfinite(predictions: list[NDArray[np.generic]]) -> int:
    """Return how many of these hold NaN or infinity; usually none, which one check of all of them shows."""
    if np.isfinite(np.concatenate([one.ravel() for one in predictions])).all():
        return 0
    return sum(not np.isfinite(one).all() for one in predictions)


def _merge_rows(kept: list[Rows]) -> list[Rows]:
    """Return the same rows as at most one matrix and one set of columns."""
    matrices = [rows.matrix for rows in kept if rows.matrix is not None]
    tables = [rows.columns for rows in kept if rows.matrix is None]
    merged = [Rows(np.concatenate(matrices), {})] if matrices else []
    if tables:
        merged.append(Rows(None, {name: np.concatenate([table[name] for table in tables]) for name in tables[0]}))
    return merged
