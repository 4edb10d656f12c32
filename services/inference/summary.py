"""What this process predicted and was asked, summed up since it began: bounded memory, whatever comes."""

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.inference.bins import InputBins
from services.inference.manifest import Manifest
from services.inference.requests import InferenceRequest

LABELS = 100
"""Distinct labels that are counted apart; further ones are counted together."""
LABEL_LENGTH = 64
"""Characters of a label that are kept."""
OTHER = "(other)"
"""The name under which further labels are counted."""
LARGEST = 1e150
"""Scores beyond it are not summed: 100 million squares up to its own still fit into a float64, which JSON needs."""


class Summary:
    """Scores or classes of the predictions, and rows per bin of the inputs; only of requests answered with 200."""

    def __init__(self, manifest: Manifest) -> None:
        """Begin with nothing."""
        self._inputs = InputBins.of(manifest)
        self._classes: Counter[str] = Counter()
        self._count, self._total, self._squares = 0, 0.0, 0.0

    def count(self, request: InferenceRequest, prediction: NDArray[np.generic]) -> None:
        """Add a request and its prediction, shape (rows,) or (rows, outputs); the first value of a row counts."""
        self._inputs.count(request)
        if prediction.size == 0:
            return
        first = prediction if prediction.ndim == 1 else prediction.reshape(len(prediction), -1)[:, 0]
        if prediction.dtype.kind == "f":
            self._add_scores(first)
        elif prediction.dtype.kind in "biuOUS":
            self._add_labels(first)

    def shown(self) -> dict[str, Any]:
        """Return the summary as JSON has it."""
        sums = {"count": self._count, "total": self._total, "squares": self._squares}
        return {
            "scores": sums if self._count else None,
            "classes": dict(self._classes),
            "inputs": self._inputs.counts(),
        }

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
