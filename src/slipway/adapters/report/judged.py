"""The judge's result by metric: a verdict, the strength of its evidence, and the canary compared with stable."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from slipway.adapters.report.intervals import AxisScale, Chart, Mark, draw_chart
from slipway.adapters.report.pauses import find_pauses
from slipway.adapters.report.view import read_parameter
from slipway.adapters.report.wording import format_duration, format_short
from slipway.domain.judge.checks import AFTER_PROMOTION, Check
from slipway.domain.judge.metrics import RATES
from slipway.domain.release.record import ReleaseRecord
from slipway.domain.spec.judge import JudgeSpec
from slipway.domain.verdict import Outcome, Verdict

SPECS: dict[str, str] = {Check.COPIES: "judge.errors", **{one.check: one.spec_path for one in RATES}}
"""The spec's keys of a ratio's limits, by check."""
SHARES: dict[str, tuple[str, str]] = {
    Check.CLASSES: ("distance", "judge.classes.tolerance"),
    Check.DISAGREEMENT: ("rate", "rollout.shadow.disagreement_limit"),
}
"""Shares between 0 and 1: the number's name, and the spec's limit."""
MILLION = 1e6
LEAST = 0.001
"""Evidence under it is shown as "under" it: the exact value decides nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One metric, ready for the template."""

    verdict: Verdict
    remark: str
    """A remark on what it can't decide; empty: none."""
    evidence: str
    """The strength of the evidence, in words; empty if there is none."""
    chart: Chart | None
    """None: no interval is known, or it is no comparison."""


def list_judged(record: ReleaseRecord) -> list[Judged]:
    """Return the metrics in the judge's order; ratios are drawn on one axis, so that rows compare."""
    axis = _find_axis(record)
    return [
        Judged(
            verdict=verdict,
            remark=_describe_role(verdict, record),
            evidence=_describe_evidence(verdict, read_parameter(record, "judge.beta", JudgeSpec().beta)),
            chart=_draw_chart(verdict, record, axis),
        )
        for verdict in record.judged
    ]


def list_remarks(record: ReleaseRecord) -> list[str]:
    """Return when and why the weights were held for a reason other than the canary."""
    return [
        f"{format_duration(pause.begins - record.started_at)} after the release began, "
        f"for {format_duration(pause.ends - pause.begins)}: {pause.reason}"
        for pause in find_pauses(record)
    ]


def _describe_role(verdict: Verdict, record: ReleaseRecord) -> str:
    if verdict.check != Check.DRIFT:  # a failing metric rolls back, required or not: no remark
        return "" if verdict.blocking or verdict.outcome is Outcome.FAIL else "not waited for"
    drift = (record.parameters.get("judge") or {}).get("drift") or {}
    return "holds the weights" if drift.get("action") == "guard" else "warns only"


def _describe_evidence(verdict: Verdict, beta: float) -> str:
    """Describe how far a metric's evidence is from its bound."""
    numbers = verdict.numbers
    if verdict.outcome is Outcome.NO_DATA or not {"evidence_against", "alpha"} <= numbers.keys():
        return ""
    told = f"evidence against {_format_evidence(numbers['evidence_against'])} of {1 / numbers['alpha']:,.0f}"
    favour = numbers.get("evidence_for", 1.0)
    return told if favour == 1.0 else f"{told}; for {_format_evidence(favour)} of {1 / beta:,.0f}"


def _format_evidence(value: float) -> str:
    """Return an e-value as text.

    >>> _format_evidence(3.14159), _format_evidence(1e-9), _format_evidence(1e300)
    ('3.14', 'under 0.001', 'over a million')
    """
    if value > MILLION:
        return "over a million"
    return format_short(value) if value >= LEAST else f"under {LEAST}"


def _draw_chart(verdict: Verdict, record: ReleaseRecord, axis: AxisScale) -> Chart | None:
    numbers, metric = verdict.numbers, _name_metric(verdict)
    if metric == Check.SCORES:
        return _draw_difference(verdict, record)
    if metric in SHARES:
        name, path = SHARES[metric]
        marks = _list_marks(record, ("limit", path))
        top = 1.2 * max([numbers.get(f"{name}_high", 0.0), *(mark.at for mark in marks), 1e-6])
        percent = AxisScale(low=0.0, high=top, tell=lambda share: f"{format_short(100 * share)} %")
        return draw_chart(numbers, name, percent, marks)
    return draw_chart(numbers, "ratio", axis, _list_ratio_marks(verdict, record))


def _name_metric(verdict: Verdict) -> str:
    """Return the subject of a verdict, before promotion or after."""
    return verdict.check.removeprefix(AFTER_PROMOTION)


def _draw_difference(verdict: Verdict, record: ReleaseRecord) -> Chart | None:
    spec = (record.parameters.get("judge") or {}).get("scores") or {}
    lower = _list_marks(record, ("tolerance", "judge.scores.tolerance")) if spec.get("worse") != "higher" else ()
    upper = _list_marks(record, ("tolerance", "judge.scores.tolerance")) if spec.get("worse") != "lower" else ()
    marks = (
        *(Mark(at=-mark.at, kind=mark.kind) for mark in lower),
        Mark(at=0.0, kind="margin"),
        *upper,
    )
    known = [abs(verdict.numbers.get(f"difference_{end}", 0.0)) for end in ("low", "high")]
    top = 1.3 * max([*known, *(abs(mark.at) for mark in marks), 1e-9])
    return draw_chart(verdict.numbers, "difference", AxisScale(low=-top, high=top, tell=format_short), marks)


def _list_ratio_marks(verdict: Verdict, record: ReleaseRecord) -> tuple[Mark, ...]:
    if _name_metric(verdict) == Check.SLOWDOWN:
        limit = verdict.numbers.get("limit") or read_parameter(record, "rollout.shadow.slowdown_limit", math.nan)
        return (Mark(at=limit, kind="limit"),) if math.isfinite(limit) else ()
    path = SPECS.get(_name_metric(verdict))
    if path is None:
        return ()
    return _list_marks(record, ("margin", f"{path}.margin"), ("tolerance", f"{path}.tolerance"))


def _list_marks(record: ReleaseRecord, *named: tuple[str, str]) -> tuple[Mark, ...]:
    """Return the limits in the record's spec."""
    known = ((kind, read_parameter(record, path, math.nan)) for kind, path in named)
    return tuple(Mark(at=at, kind=kind) for kind, at in known if math.isfinite(at))


def _find_axis(record: ReleaseRecord) -> AxisScale:
    """Return the axis of all ratios: whole doublings around everything to be drawn, 1/32 to 32 at most."""
    drawn = list(_list_drawn(record.judged, record))
    low = max(2.0 ** math.floor(math.log2(min([0.5, *drawn]) / 1.1)), 1 / 32)
    high = min(2.0 ** math.ceil(math.log2(max([4.0, *drawn]) * 1.1)), 32.0)
    return AxisScale(low=low, high=high, log=True, tell=_times)


def _list_drawn(verdicts: Sequence[Verdict], record: ReleaseRecord) -> Iterator[float]:
    for verdict in verdicts:
        ends = (verdict.numbers.get(name, 0.0) for name in ("ratio_low", "ratio", "ratio_high"))
        marks = (mark.at for mark in _list_ratio_marks(verdict, record))
        yield from (value for value in (*ends, *marks) if value > 0 and math.isfinite(value))


_times = partial("{:.3g}x".format)
