"""Whether an answer to a row depends on the other rows of its batch: only if it does not may requests be batched."""

import numpy as np
from numpy.typing import NDArray

from slipway.domain.gates.parity import Answers

RELATIVE, ABSOLUTE = 1e-4, 1e-6
"""Tolerance: far over the difference of float32 sums when a matrix product is split differently, and far under the
effect of a model that uses the whole batch (for example to scale by it)."""


def rows_independent(together: Answers, alone: Answers) -> bool:
    """Return whether the same rows, in the same order, got the same answers in one batch and each by itself.

    >>> one = Answers(predictions=np.array([1, 0]), probabilities=np.array([[0.2, 0.8], [0.9, 0.1]]))
    >>> rows_independent(one, one)
    True
    >>> rows_independent(one, Answers(predictions=np.array([1, 0]), probabilities=np.array([[0.3, 0.7], [0.9, 0.1]])))
    False
    """
    pairs = [(together.predictions, alone.predictions)]
    if together.probabilities is not None and alone.probabilities is not None:
        pairs.append((together.probabilities, alone.probabilities))
    return all(_same_answer(one, other) for one, other in pairs)


def _same_answer(one: NDArray[np.generic], other: NDArray[np.generic]) -> bool:
    if one.shape != other.shape or one.dtype.kind != other.dtype.kind:
        return False
    if one.dtype.kind == "f":
        return bool(np.allclose(one, other, rtol=RELATIVE, atol=ABSOLUTE, equal_nan=True))
    return bool(np.array_equal(one, other))
