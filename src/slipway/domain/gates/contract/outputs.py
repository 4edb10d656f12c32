"""Answers as clients read them: how many values, of which type, in which order, and which labels."""

from collections.abc import Iterator, Sequence
from math import prod

import numpy as np
from numpy.typing import NDArray

from slipway.domain.gates.contract.difference import (
    Difference,
    breaking_difference,
    compatible_difference,
    count_words,
    list_names,
)
from slipway.domain.gates.contract.kinds import WORDS, dtype_letter, plain_kind
from slipway.domain.release.version import Column

FEWEST = 20
"""Rows on which the champion is right with a label, from which the label is lost if the challenger never gives it."""
Labels = NDArray[np.generic]


def compare_outputs(before: Sequence[Column], after: Sequence[Column]) -> Iterator[Difference]:
    """Yield the differences for clients that read answers of the first."""
    shapes = [_answer_shape(side) for side in (before, after)]
    if not _same_shape(*shapes):
        said = [_shape_words(shape) for shape in shapes]
        yield breaking_difference("answers", f"an answer has {said[1]} a row instead of {said[0]}")
        return
    yield from _compare_names([column.name for column in before], [column.name for column in after])
    kinds = dict.fromkeys((plain_kind(old.kind), plain_kind(new.kind)) for old, new in zip(before, after, strict=False))
    yield from (_compare_kind(old, new) for old, new in kinds if old != new)


def _answer_shape(outputs: Sequence[Column]) -> tuple[int, ...]:
    """Return the shape of one row's answer: several plain outputs are columns."""
    inner = outputs[0].shape[1:] if len(outputs) == 1 else (len(outputs),)
    return () if inner == (1,) else inner


def _same_shape(old: tuple[int, ...], new: tuple[int, ...]) -> bool:
    """Compare shapes; -1 is any size."""
    return len(old) == len(new) and all(-1 in pair or pair[0] == pair[1] for pair in zip(old, new, strict=True))


def _shape_words(shape: tuple[int, ...]) -> str:
    return count_words(prod(shape), "value") if len(shape) < 2 else f"values of shape {list(shape)}"  # noqa: PLR2004 - a list


def _compare_names(old: list[str], new: list[str]) -> Iterator[Difference]:
    """Yield changed names of several outputs; answers have no names for them, only positions."""
    if len(old) == 1 or old == new:
        return
    if set(old) == set(new):
        yield breaking_difference(
            "answers", f"the outputs are in another order ({', '.join(new)}): clients read them by position"
        )
    else:
        yield compatible_difference(
            "answers", f"the outputs are called {', '.join(new)}: on the wire all are `prediction`"
        )


def _compare_kind(old: str, new: str) -> Difference:
    words = [WORDS.get(dtype_letter(kind), "a fractional number") for kind in (old, new)]
    if words[0] == words[1]:
        return compatible_difference(
            "answers", f"the prediction has type {new} instead of {old}; an answer's datatype says which"
        )
    return breaking_difference("answers", f"the prediction is {words[1]} ({new}) instead of {words[0]} ({old})")


def compare_labels(truth: Labels, before: Labels, after: Labels) -> tuple[Difference, ...]:
    """Return which labels the challenger never gives any more, and which it alone gives.

    truth, before, after: shape (rows,): the true labels, the champion's and the challenger's; anything else has no
    labels to compare. A label is gone if the champion is right with it on 20 rows or more and the challenger gives
    it on none; with fewer rows that can be chance.
    A new label is compatible with clients that treat labels as values; clients with a fixed list must be changed.

    >>> truth = np.array(["yes", "no"] * 20)
    >>> [one.sentence for one in compare_labels(truth, truth, np.array(["no"] * 40))]
    ["label 'yes' is gone: the champion is right with it on 20 of 40 rows, this version never gives it"]
    """
    if (
        not truth.shape == before.shape == after.shape
        or before.ndim != 1
        or "f" in before.dtype.kind + after.dtype.kind
    ):
        return ()
    was, now = ({str(label) for label in np.unique(side)} for side in (before, after))
    right = {
        label: int(count)
        for label, count in zip(*np.unique(before[before == truth].astype(str), return_counts=True), strict=True)
    }
    gone = tuple(_find_lost_label(label, right.get(label, 0), len(before)) for label in sorted(was - now))
    new = sorted(now - was)
    where = list_names("label", new)
    said = (
        f"{where} {'was' if len(new) == 1 else 'were'} never given by the champion on these rows: clients may not know"
    )
    return (*gone, *([compatible_difference(where, f"{said} {'it' if len(new) == 1 else 'them'}")] if new else []))


def _find_lost_label(label: str, right: int, rows: int) -> Difference:
    where = list_names("label", [label])
    if right >= FEWEST:
        said = f"the champion is right with it on {right} of {rows} rows, this version never gives it"
        return breaking_difference(where, f"{where} is gone: {said}")
    said = f"the champion is right with it on {right} of {rows} rows: too few to say that it is gone"
    return compatible_difference(where, f"{where} is not given on these rows; {said}")
