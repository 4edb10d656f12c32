"""Whether two forms of a model give the same answers: the gate between an original and its conversion.

Labels must agree, except on rows where the original's margin is small. Numbers must agree within a tolerance; NaN
equals NaN. Edge rows (zeros, extremes, nulls) are judged by the same rules and counted separately.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from slipway.domain.spec.release import ConversionSpec
from slipway.domain.verdict import Outcome, Verdict

LABEL_KINDS = "biuUSO"
"""numpy dtype kinds whose predictions are labels; the others (`f`) are numbers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """Answers of one form of a model to some rows."""

    predictions: NDArray[np.generic]
    """Shape (rows,) or (rows, outputs)."""
    probabilities: NDArray[np.floating] | None = None
    """Shape (rows, classes); None: the model has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeAnswers:
    """Both forms' answers to edge rows, in the same order."""

    original: Answers
    converted: Answers
    left_out: int = 0
    """Edge rows that the original itself refuses: nothing to compare with."""
    unanswered: int = 0
    """Edge rows that the original takes and the converted form refuses: they do not agree."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tally:
    """Counts over some rows."""

    rows: int
    close_calls: int
    """Rows whose labels differ where the original's margin is under the bound."""
    wrong: int
    """Rows whose labels differ although the original's margin is over the bound, or whose numbers are too far apart."""
    far: int
    """Rows whose probabilities are too far apart."""
    bad: int
    """Rows with either."""
    difference: float
    """Largest absolute difference of predicted numbers or probabilities."""


def judge_parity(
    original: Answers, converted: Answers, spec: ConversionSpec, edges: EdgeAnswers | None = None
) -> Verdict:
    """Compare two forms of a model on the same rows.

    PASS: every row and every edge row agrees; FAIL: one does not, or the shapes differ; NO_DATA: no rows.

    >>> same = Answers(predictions=np.array([1, 0]), probabilities=np.array([[0.2, 0.8], [0.9, 0.1]]))
    >>> judge_parity(same, same, ConversionSpec()).reason
    '2 of 2 labels agree, largest probability difference 0'
    """
    mismatch = _shape_mismatch(original, converted)
    if mismatch:
        return Verdict(check="parity", outcome=Outcome.FAIL, reason=mismatch)
    if len(original.predictions) == 0:
        return Verdict(check="parity", outcome=Outcome.NO_DATA, reason="no rows to compare both forms on")
    rows = _tally_rows(original, converted, spec)
    at_edges = _tally_edges(edges, spec)
    parts = [_rows_sentence(rows, original, spec), _edges_sentence(at_edges, edges)]
    bad = rows.bad + (at_edges.bad if at_edges else 0)
    return Verdict(
        check="parity",
        outcome=Outcome.FAIL if bad else Outcome.PASS,
        reason=", ".join(part for part in parts if part),
        numbers=_collect_numbers(rows, at_edges, edges),
    )


def _shape_mismatch(original: Answers, converted: Answers) -> str:
    if original.predictions.shape != converted.predictions.shape:
        return f"predictions have shape {converted.predictions.shape}, the original's {original.predictions.shape}"
    theirs, ours = original.probabilities, converted.probabilities
    if (theirs is None) != (ours is None):
        return (
            f"probabilities: the original gives {_format_presence(theirs)}, the converted form {_format_presence(ours)}"
        )
    if theirs is not None and ours is not None and theirs.shape != ours.shape:
        return f"probabilities have shape {ours.shape}, the original's {theirs.shape}"
    return ""


def _format_presence(probabilities: NDArray[np.floating] | None) -> str:
    return "none" if probabilities is None else "some"


def _are_labels(answers: Answers) -> bool:
    return answers.probabilities is not None or answers.predictions.dtype.kind in LABEL_KINDS


def _tally_rows(original: Answers, converted: Answers, spec: ConversionSpec) -> _Tally:
    none = np.zeros(len(original.predictions), dtype=np.bool_)
    far, difference = none, 0.0
    if original.probabilities is not None and converted.probabilities is not None:
        far, difference = _find_distances(original.probabilities, converted.probabilities, spec)
    if _are_labels(original):
        differ = _labels_differ(original.predictions, converted.predictions)
        close_calls = differ & (_label_margins(original) < spec.margin)
        wrong = differ & ~close_calls
    else:
        close_calls = none
        wrong, difference = _find_distances(original.predictions, converted.predictions, spec)
    return _Tally(
        rows=len(none),
        close_calls=int(close_calls.sum()),
        wrong=int(wrong.sum()),
        far=int(far.sum()),
        bad=int((wrong | far).sum()),
        difference=difference,
    )


def _labels_differ(ours: NDArray[np.generic], theirs: NDArray[np.generic]) -> NDArray[np.bool_]:
    """Per row, shape (rows,). Text and numbers are compared as text: a converter may change the type of a label."""
    texts = {ours.dtype.kind in "USO", theirs.dtype.kind in "USO"}
    differ = np.asarray(ours.astype(str) != theirs.astype(str) if True in texts else ours != theirs)
    return np.asarray(differ.reshape(len(ours), -1).any(axis=1))


def _label_margins(answers: Answers) -> NDArray[np.floating]:
    """Distance of the two best probabilities by row; infinite if there are none, so that every label counts."""
    if answers.probabilities is None or answers.probabilities.shape[1] < 2:  # noqa: PLR2004 - a margin needs two
        return np.full(len(answers.predictions), np.inf)
    best = np.sort(answers.probabilities, axis=1)
    return np.asarray(best[:, -1] - best[:, -2])


def _find_distances(
    ours: NDArray[np.generic], theirs: NDArray[np.generic], spec: ConversionSpec
) -> tuple[NDArray[np.bool_], float]:
    """Return which rows are too far apart, and the largest absolute difference (infinite: NaN in only one of them)."""
    first, second = ours.astype(np.float64), theirs.astype(np.float64)
    close = np.isclose(second, first, rtol=spec.relative_tolerance, atol=spec.absolute_tolerance, equal_nan=True)
    with np.errstate(invalid="ignore"):  # infinity minus infinity: equal, hence no difference
        gaps = np.abs(first - second)
    gaps[(first == second) | (np.isnan(first) & np.isnan(second))] = 0.0
    gaps[np.isnan(gaps)] = np.inf
    return np.asarray(~close.reshape(len(first), -1).all(axis=1)), float(gaps.max(initial=0.0))


def _tally_edges(edges: EdgeAnswers | None, spec: ConversionSpec) -> _Tally | None:
    if edges is None:
        return None
    tally = _tally_rows(edges.original, edges.converted, spec)
    return _Tally(
        rows=tally.rows + edges.unanswered,
        close_calls=tally.close_calls,
        wrong=tally.wrong + edges.unanswered,
        far=tally.far,
        bad=tally.bad + edges.unanswered,
        difference=tally.difference,
    )


def _rows_sentence(tally: _Tally, original: Answers, spec: ConversionSpec) -> str:
    if not _are_labels(original):
        agree = f"{tally.rows - tally.wrong} of {tally.rows} predictions agree"
        return f"{agree}, largest difference {tally.difference:.2g}{_describe_allowed(tally.wrong, spec)}"
    parts = [f"{tally.rows - tally.wrong - tally.close_calls} of {tally.rows} labels agree"]
    if tally.close_calls:
        parts.append(f"{tally.close_calls} differ where the original's own margin is under {spec.margin:g}")
    if tally.wrong:
        parts.append(
            f"{tally.wrong} differ{' where the original is sure' * (tally.close_calls > 0 or spec.margin > 0)}"
        )
    if original.probabilities is not None:
        parts.append(f"largest probability difference {tally.difference:.2g}{_describe_allowed(tally.far, spec)}")
    return ", ".join(parts)


def _describe_allowed(count: int, spec: ConversionSpec) -> str:
    if not count:
        return ""
    allowed = f"{spec.absolute_tolerance:g} + {spec.relative_tolerance:g} x value"
    return f" ({count} row{'s' * (count > 1)} over the allowed {allowed})"


def _edges_sentence(tally: _Tally | None, edges: EdgeAnswers | None) -> str:
    if tally is None or edges is None:
        return ""
    share = f"{tally.rows - tally.bad} of {tally.rows}" if tally.bad else f"{tally.rows}"
    said = f"{share} edge row{'s' * (tally.rows != 1)} agree{'s' * (tally.rows == 1)}"
    return f"{said}, {edges.left_out} left out because the original refuses them" if edges.left_out else said


def _collect_numbers(rows: _Tally, at_edges: _Tally | None, edges: EdgeAnswers | None) -> dict[str, float]:
    numbers = {
        "rows": rows.rows,
        "rows_agreeing": rows.rows - rows.bad,
        "labels_within_margin": rows.close_calls,
        "largest_difference": rows.difference,
    }
    if at_edges is not None and edges is not None:
        numbers["edge_rows"] = at_edges.rows
        numbers["edge_rows_agreeing"] = at_edges.rows - at_edges.bad
        numbers["edge_rows_left_out"] = edges.left_out
    return numbers
