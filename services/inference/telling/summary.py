"""What this process predicted and was asked, summed up since it began: bounded memory, whatever comes."""

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.inference.manifest import Manifest
from services.inference.rows import Rows
from services.inference.telling.bins import InputBins

LABELS = 100
"""Distinct labels that are counted apart; further ones are counted together."""
LABEL_LENGTH = 64
"""Characters of a label that are kept."""
OTHER = "(other)"
"""The name under which further labels are counted."""
LARGEST = 1e150
"""Scores beyond it are not summed: 100 million squares up to its own still fit into a float64, which JSON needs."""
TOGETHER = 32
"""Rows that are kept to be counted together: one alone costs as much as six of them, and more would be felt by whoever
asks while they are counted."""


class Summary:
    """Scores or classes of the predictions, and rows per bin of the inputs; only of requests answered with 200."""

    def __init__(self, manifest: Manifest) -> None:
        """Begin with nothing."""
        self._inputs = InputBins.of(manifest)
        self._classes: Counter[str] = Counter()
        self._count, self._total, self._squares = 0, 0.0, 0.0
        self._kept: list[tuple[Rows, NDArray[np.generic]]] = []
        self._rows = 0

    def count(self, rows: Rows, prediction: NDArray[np.generic]) -> None:
        """Add a request's rows and their prediction, shape (rows,) or (rows, outputs); a row's first value counts."""
        self._kept.append((rows, prediction))
        self._rows += len(prediction)
        if self._rows >= TOGETHER:
            self._settle()

    def shown(self) -> dict[str, Any]:
        """Return the summary as JSON has it."""
        self._settle()
        sums = {"count": self._count, "total": self._total, "squares": self._squares}
        return {
            "scores": sums if self._count else None,
            "classes": dict(self._classes),
            "inputs": self._inputs.counts(),
        }

    def _settle(self) -> None:
        """Count what was kept."""
        kept, self._kept, self._rows = self._kept, [], 0
        if not kept:
            return
        for rows in _merged([rows for rows, _ in kept]):
            self._inputs.count(rows)
        first = [_first(prediction) for _, prediction in kept if prediction.size]
        if first and first[0].dtype.kind == "f":
            self._add_scores(np.concatenate(first))
        elif first and first[0].dtype.kind in "biuOUS":
            self._add_labels(np.concatenate(first))

    def _add_scores(self, first: NDArray[np.generic]) -> None:
        values = first.astype(np.float64)
        values = values[np.abs(values) <= LARGEST]
        self._count += len(values)
        self._total += float(values.sum())
        self._squares += float(values @ values)

    def _add_labels(self, first: NDArray[np.generic]) -> None:
        for value, rows in Counter(first.tolist()).items():
            label = str(value)[:LABEL_LENGTH]
            full = len(self._classes) - (OTHER in self._classes) >= LABELS
            self._classes[OTHER if full and label not in self._classes else label] += rows


def _first(prediction: NDArray[np.generic]) -> NDArray[np.generic]:
    """Return the first value of each row."""
    return prediction if prediction.ndim == 1 else prediction.reshape(len(prediction), -1)[:, 0]


def _merged(kept: list[Rows]) -> list[Rows]:
    """Return the same rows in as few pieces as there are forms of them: matrices, columns."""
    matrices = [rows.matrix for rows in kept if rows.matrix is not None]
    tables = [rows.columns for rows in kept if rows.matrix is None]
    merged = [Rows(np.concatenate(matrices), {})] if matrices else []
    if tables:
        merged.append(Rows(None, {name: np.concatenate([table[name] for table in tables]) for name in tables[0]}))
    return merged
