"""The quality gate: a challenger must be good enough, and not worse than the champion by more than the tolerance.

Both answer the same labelled rows, so they are compared row by row: rows that are hard for both carry no information on
the difference. Two questions, the worse answer counts:

* compared with the champion (non-inferiority): PASS when the difference is above minus the tolerance with the spec's
  confidence, FAIL when it is below with the same confidence, INCONCLUSIVE otherwise. Each end of the interval holds
  alone with that confidence: a one-sided test in either direction. So a challenger that is surely worse, but by less
  than the tolerance, passes, and the sentence states that.
* against the spec's floor (for errors: ceiling): FAIL when surely beyond it, INCONCLUSIVE when the measured value is
  beyond it but chance can explain that, PASS otherwise.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import special

from slipway.domain.judge.checks import Check
from slipway.domain.spec.release import QualitySpec
from slipway.domain.verdict import Outcome, Verdict

Predictions = NDArray[np.generic]
Losses = NDArray[np.float64]

NUMBERS = "biuf"
"""Kinds of numpy types that are numbers."""
BISECTIONS = 52
"""Halvings after which a float between -1 and 1 is exact."""


def judge_quality(
    truth: Predictions, challenger: Predictions, champion: Predictions | None, spec: QualitySpec
) -> Verdict:
    """Compare two models' predictions for the same rows with the truth, and with each other.

    truth, challenger, champion: shape (rows,), labels or numbers. A challenger's NaN is a wrong row (accuracy) or fails
    the gate (errors). Rows that the champion did not answer with a number are left out of a comparison of errors.

    >>> truth = np.arange(100) % 10
    >>> judge_quality(truth, truth, None, QualitySpec()).reason
    'right on 100 of 100 rows (100.0 %); no champion to compare with'
    """
    if len(truth) == 0:
        return Verdict(check=Check.QUALITY, outcome=Outcome.NO_DATA, reason="no labelled rows to judge with")
    problem = _find_mismatch(truth, challenger, spec)
    if problem:
        return Verdict(check=Check.QUALITY, outcome=Outcome.FAIL, reason=f"the model {problem}")
    aside = _find_mismatch(truth, champion, spec) if champion is not None else ""
    peer = None if aside else champion
    judge = _judge_accuracy if spec.metric == "accuracy" else _judge_errors
    judged = judge(truth, challenger, peer, spec)
    if aside:
        judged = judged.beside(_Finding(Outcome.INCONCLUSIVE, f"no comparison, for the champion {aside}"))
    elif peer is None:
        judged = judged.beside(_Finding(Outcome.PASS, "no champion to compare with"))
    return Verdict(check=Check.QUALITY, outcome=judged.outcome, reason=judged.reason, numbers=judged.numbers)


def paired_interval(only_first: int, only_second: int, rows: int, confidence: float) -> tuple[float, float]:
    """Return the score interval of a difference of paired proportions, second minus first.

    only_first, only_second: rows that only the first or only the second got right; rows: all of them, at least one.
    Each end holds alone with `confidence` (0.975 gives the usual two-sided 95 % interval).

    Source: T. Tango, Equivalence test and confidence interval for the difference in proportions for the paired-sample
    design, Statistics in Medicine 17 (1998) 891-908. Recommended by Fagerland, Lydersen and Laake, Statistics in
    Medicine 33 (2014) 2850-2875, whose example (1 and 7 discordant of 21) this is:

    >>> low, high = paired_interval(7, 1, 21, 0.975)
    >>> round(low, 3), round(high, 3)
    (-0.517, -0.026)
    """
    quantile = float(special.ndtri(confidence))
    estimate = (only_second - only_first) / rows

    def inside(delta: float) -> bool:
        """Whether the score test accepts this difference."""
        a, c = 2 * rows, -only_first * delta * (1 - delta)
        b = -only_second - only_first + (2 * rows - only_second + only_first) * delta
        constrained = (math.sqrt(max(b * b - 4 * a * c, 0.0)) - b) / (2 * a)
        variance = rows * max(2 * constrained + delta * (1 - delta), 0.0)
        return abs(only_second - only_first - rows * delta) <= quantile * math.sqrt(variance)

    return _find_edge(inside, estimate, -1.0), _find_edge(inside, estimate, 1.0)


def proportion_upper(right: int, rows: int, confidence: float) -> float:
    """Return the exact one-sided upper bound of a proportion.

    Source: C. J. Clopper and E. S. Pearson, Biometrika 26 (1934) 404-413.

    >>> round(proportion_upper(0, 10, 0.95), 4)
    0.2589
    """
    return 1.0 if right == rows else float(special.betaincinv(right + 1, rows - right, confidence))


def mean_interval(values: Losses, confidence: float) -> tuple[float, float]:
    """Return Student's interval of a mean; each end holds alone with `confidence`. Unbounded for a single value.

    Exact for normal values, otherwise approximate: reliable from about 30 rows.

    >>> [round(end, 3) for end in mean_interval(np.array([1.0, 2.0, 3.0, 4.0]), 0.975)]
    [0.446, 4.554]
    """
    if len(values) < 2:  # noqa: PLR2004 - one value has no spread
        return -math.inf, math.inf
    mean = float(values.mean())
    half = float(special.stdtrit(len(values) - 1, confidence)) * float(values.std(ddof=1)) / math.sqrt(len(values))
    return mean - half, mean + half


@dataclass(frozen=True, slots=True)
class _Finding:
    """An outcome with its words and numbers, before it becomes a verdict."""

    outcome: Outcome
    reason: str
    numbers: dict[str, float] = field(default_factory=dict)

    def beside(self, other: "_Finding") -> "_Finding":
        """Return both as one: the worse outcome, both sentences."""
        worse = max(self.outcome, other.outcome, key=(Outcome.PASS, Outcome.INCONCLUSIVE, Outcome.FAIL).index)
        return _Finding(worse, f"{self.reason}; {other.reason}", self.numbers | other.numbers)

    def then(self, other: "_Finding") -> "_Finding":
        """Return both as one sentence: this part introduces the other."""
        both = self.beside(other)
        joint = ", " if other.reason.startswith("the champion") else ": "
        return _Finding(both.outcome, f"{self.reason}{joint}{other.reason}", both.numbers)


def _judge_accuracy(
    truth: Predictions, challenger: Predictions, champion: Predictions | None, spec: QualitySpec
) -> _Finding:
    ours, rows = np.asarray(challenger == truth), len(truth)
    right = int(ours.sum())
    said = f"right on {right} of {rows} rows ({_format_percent(right / rows)})"
    numbers: dict[str, float] = {"rows": rows, "accuracy": right / rows, "confidence": spec.confidence}
    found = _Finding(Outcome.PASS, said, numbers)
    if champion is not None:
        theirs = np.asarray(champion == truth)
        lost, won = int((theirs & ~ours).sum()), int((ours & ~theirs).sum())
        interval = paired_interval(lost, won, rows, spec.confidence)
        numbers |= {
            "champion_accuracy": float(theirs.mean()),
            "only_champion_right": lost,
            "only_challenger_right": won,
        }
        said = f"{said}, the champion on {theirs.sum()} ({_format_percent(float(theirs.mean()))})"
        found = _Finding(Outcome.PASS, said, numbers).then(_judge_difference((won - lost) / rows, interval, spec))
    if spec.minimum is None or right / rows >= spec.minimum:
        return found
    bound = proportion_upper(right, rows, spec.confidence)
    words = f"the floor is {_format_percent(spec.minimum)}, and the model is at {_format_percent(bound)} at most"
    return found.beside(_finding_beyond(words, spec, surely=bound < spec.minimum))


def _judge_errors(
    truth: Predictions, challenger: Predictions, champion: Predictions | None, spec: QualitySpec
) -> _Finding:
    ours, name = _compute_losses(truth, challenger, spec), spec.metric.replace("_", " ")
    numbers: dict[str, float] = {"rows": len(ours), "confidence": spec.confidence}
    if not np.isfinite(ours).all():
        bad = int((~np.isfinite(ours)).sum())
        return _Finding(Outcome.FAIL, f"no finite number for {bad} of {len(ours)} rows", numbers | {"not_finite": bad})
    numbers[spec.metric] = float(ours.mean())
    found = _Finding(Outcome.PASS, f"{name} {ours.mean():.4g} over {len(ours)} rows", numbers)
    if champion is not None:
        found = found.then(_beside_champion(ours, _compute_losses(truth, champion, spec), spec))
    if spec.minimum is None or ours.mean() <= spec.minimum:
        return found
    bound = mean_interval(ours, spec.confidence)[0]
    words = f"the ceiling is {spec.minimum:.4g}, and the model is at {bound:.4g} at least"
    return found.beside(_finding_beyond(words, spec, surely=bound > spec.minimum))


def _beside_champion(ours: Losses, theirs: Losses, spec: QualitySpec) -> _Finding:
    answered = np.isfinite(theirs)
    rows = int(answered.sum())
    if rows == 0:
        return _Finding(Outcome.INCONCLUSIVE, "the champion has no finite number for any row")
    gained = theirs[answered] - ours[answered]
    compared = _judge_difference(float(gained.mean()), mean_interval(gained, spec.confidence), spec)
    numbers = {f"champion_{spec.metric}": float(theirs[answered].mean()), "rows_compared": float(rows)}
    left_out = f" over the {rows} rows it has a finite number for" if rows < len(ours) else ""
    said = f"the champion {theirs[answered].mean():.4g}{left_out}"
    return _Finding(Outcome.PASS, said, numbers).then(compared)


def _judge_difference(gained: float, interval: tuple[float, float], spec: QualitySpec) -> _Finding:
    """Judge a difference, positive when the challenger is better, by its interval and the tolerance."""
    low, high = interval
    ends = f"{_format_interval(low, high, spec)}, each end with {_format_percent(spec.confidence, 3)} confidence"
    words = f"{_format_gain(gained, spec)} ({ends})"
    allowed = _format_gain(-spec.tolerance, spec) if spec.tolerance else "not worse at all"
    numbers = {"difference": gained, "difference_low": low, "difference_high": high, "tolerance": spec.tolerance}
    if high < -spec.tolerance:
        return _Finding(Outcome.FAIL, f"{words}; allowed: {allowed}", numbers)
    if low <= -spec.tolerance:
        return _Finding(
            Outcome.INCONCLUSIVE, f"{words}; these rows do not show whether it keeps to the allowed: {allowed}", numbers
        )
    if high < 0:
        return _Finding(Outcome.PASS, f"{words}; surely worse, by less than allowed: {allowed}", numbers)
    return _Finding(Outcome.PASS, f"{words}; allowed: {allowed}", numbers)


def _finding_beyond(words: str, spec: QualitySpec, *, surely: bool) -> _Finding:
    outcome = Outcome.FAIL if surely else Outcome.INCONCLUSIVE
    return _Finding(outcome, f"{words}, with {_format_percent(spec.confidence, 3)} confidence")


def _format_gain(gained: float, spec: QualitySpec) -> str:
    """Format a difference: in points for accuracy, in the metric's unit for errors.

    >>> _format_gain(0.0333, QualitySpec()), _format_gain(-0.2, QualitySpec(metric="mean_absolute_error"))
    ('3.3 points better', '0.2 worse')
    """
    unit = " points" if spec.metric == "accuracy" else ""
    return f"{_format_amount(gained, spec)}{unit} {'better' if gained >= 0 else 'worse'}"


def _format_interval(low: float, high: float, spec: QualitySpec) -> str:
    """Format an interval, with directions only if its ends differ in them.

    >>> [_format_interval(*ends, QualitySpec()) for ends in ((0.012, 0.056), (-0.031, -0.01), (-0.01, 0.02))]
    ['1.2 to 5.6', '1.0 to 3.1', '1.0 worse to 2.0 better']
    """
    if low < 0 <= high:
        return f"{_format_amount(low, spec)} worse to {_format_amount(high, spec)} better"
    first, second = sorted((low, high), key=abs)
    return f"{_format_amount(first, spec)} to {_format_amount(second, spec)}"


def _format_amount(gained: float, spec: QualitySpec) -> str:
    return f"{abs(gained) * 100:.1f}" if spec.metric == "accuracy" else f"{abs(gained):.4g}"


def _format_percent(share: float, digits: int | None = None) -> str:
    """Format a share, with one decimal or with this many significant digits.

    >>> _format_percent(0.97777), _format_percent(0.95, 3)
    ('97.8 %', '95 %')
    """
    return f"{share * 100:.1f} %" if digits is None else f"{share * 100:.{digits}g} %"


def _compute_losses(truth: Predictions, predictions: Predictions, spec: QualitySpec) -> Losses:
    with np.errstate(over="ignore", invalid="ignore"):
        distances = np.abs(predictions.astype(np.float64) - truth.astype(np.float64))
        return distances if spec.metric == "mean_absolute_error" else distances**2


def _find_mismatch(truth: Predictions, predictions: Predictions, spec: QualitySpec) -> str:
    """Return why predictions can't be compared with the truth, in words; empty if they can."""
    if predictions.shape != truth.shape:
        shapes = [" x ".join(map(str, array.shape)) for array in (predictions, truth)]
        return f"gives {shapes[0]} values where the labels are {shapes[1]}: one value per row is compared"
    if spec.metric != "accuracy" and predictions.dtype.kind not in NUMBERS:
        return f"gives text, and {spec.metric.replace('_', ' ')} needs numbers"
    if (predictions.dtype.kind in NUMBERS) != (truth.dtype.kind in NUMBERS):
        kinds = ["numbers" if array.dtype.kind in NUMBERS else "text" for array in (predictions, truth)]
        return f"gives {kinds[0]} where the labels are {kinds[1]}"
    return ""


def _find_edge(inside: Callable[[float], bool], start: float, end: float) -> float:
    """Return the end, between `start` and `end`, of an interval that holds `start`, by bisection (to about 1e-15)."""
    if inside(end):
        return end
    for _ in range(BISECTIONS):
        middle = (start + end) / 2
        start, end = (middle, end) if inside(middle) else (start, middle)
    return start
