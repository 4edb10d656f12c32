"""The rollout as a figure: weights, evidence and error rates over one time axis, as inline SVG.

Colours are written as the page's CSS variables, so that one figure works in light and dark.
"""

import io
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from threading import Lock
from typing import TYPE_CHECKING, Any

from slipway.adapters.report.pauses import find_pauses
from slipway.adapters.report.view import find_rollout_span, read_parameter, was_compared
from slipway.domain.judge.counters import Counters
from slipway.domain.release.record import ReleaseRecord
from slipway.domain.rollout.status import Moment, Phase
from slipway.domain.spec.judge import JudgeSpec

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_DRAWING = Lock()
"""Matplotlib's settings are global."""
INK, DIM, GRID = "#000101", "#000102", "#000103"
CANARY, STABLE, AGAINST, FAVOUR, BAND = "#000104", "#000105", "#000106", "#000107", "#000108"
VARIABLES = {
    INK: "ink",
    DIM: "dim",
    GRID: "line",
    CANARY: "canary",
    STABLE: "stable",
    AGAINST: "bad",
    FAVOUR: "good",
    BAND: "band",
}
"""Placeholder colours for matplotlib, and the CSS variables that replace them."""
LOWEST, HIGHEST = 1e-3, 1e6
"""The evidence axis: beyond, only the direction matters."""
NARROW = 0.055
"""Share of the time axis under which a phase has no room for its name."""


def make_style(ink: str, dim: str, grid: str) -> dict[Any, object]:
    """Return matplotlib's settings for a figure in these colours."""
    return {
        "svg.fonttype": "none",
        "svg.hashsalt": "slipway",
        "font.size": 10,
        "text.parse_math": False,
        "axes.edgecolor": grid,
        "axes.labelcolor": dim,
        "text.color": ink,
        "xtick.color": dim,
        "ytick.color": dim,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.grid.axis": "y",
        "grid.color": grid,
        "grid.linewidth": 0.6,
        "legend.frameon": False,
    }


STYLE = make_style(INK, DIM, GRID)


def draw_rollout(record: ReleaseRecord) -> str | None:
    """Return the rollout's figure as SVG for a page; None if there is too little to draw."""
    moments = _drop_bake_window(record) if was_compared(record) else []
    if len(moments) < 2 or moments[-1].at <= moments[0].at:  # noqa: PLR2004 - a line has two ends
        return None
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with _DRAWING, mpl.rc_context(STYLE):
        figure = Figure(figsize=(10.4, 7.0), layout="constrained")
        _draw_rollout(figure, record, moments)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return _prepare_for_page(buffer.getvalue())


def _drop_bake_window(record: ReleaseRecord) -> list[Moment]:
    """Leave out most of the bake window: it is long, and its result is in the last sentence."""
    span = find_rollout_span(record)
    if span is None:
        return []
    shown = span[1] + max(2.0, 0.12 * (span[1] - span[0]))
    moments = [one for one in record.timeline if one.phase is not Phase.PENDING and one.at <= shown]
    return [*moments, replace(moments[-1], at=shown)] if moments and moments[-1].phase is Phase.BAKING else moments


def _draw_rollout(figure: "Figure", record: ReleaseRecord, moments: Sequence[Moment]) -> None:
    weights, evidence, errors = figure.subplots(3, 1, sharex=True, height_ratios=[1.0, 1.35, 1.0])
    times = [one.at - moments[0].at for one in moments]
    _draw_weights(weights, times, moments)
    _draw_evidence(evidence, times, moments, record)
    _draw_errors(errors, times, moments)
    for axes in (weights, evidence, errors):
        axes.tick_params(length=0)
        axes.margins(x=0.005)
    _draw_pauses((weights, evidence, errors), record, moments)
    for begins in _list_phase_starts(times, moments)[1:]:
        for axes in (weights, evidence, errors):
            axes.axvline(begins[0], color=GRID, linewidth=0.8, linestyle=(0, (2, 3)))
    errors.set_xlabel("seconds since the rollout began")
    figure.align_ylabels()


def _draw_pauses(panels: "Sequence[Axes]", record: ReleaseRecord, moments: Sequence[Moment]) -> None:
    """Shade pauses, where the weights were held for a reason other than the canary; label them if there is room."""
    begins, whole = moments[0].at, moments[-1].at - moments[0].at
    for pause in find_pauses(record):
        start, end = pause.begins - begins, min(pause.ends - begins, whole)
        for axes in panels:
            axes.axvspan(start, end, color=DIM, alpha=0.13, linewidth=0)
        if end - start > NARROW * whole:
            panels[0].text((start + end) / 2, 101, pause.name, ha="center", va="top", color=DIM, fontsize=9)


def _draw_weights(axes: "Axes", times: Sequence[float], moments: Sequence[Moment]) -> None:
    weights = [one.weight_percent for one in moments]
    axes.fill_between(times, weights, step="post", color=BAND, linewidth=0)
    axes.step(times, weights, where="post", color=CANARY, linewidth=2)
    axes.set_ylim(0, 108)
    axes.set_yticks([0, 50, 100], ["0 %", "50 %", "100 %"])
    axes.set_ylabel("canary's weight")
    starts = [*_list_phase_starts(times, moments), (times[-1], "")]
    for (begins, name), (ends, _) in pairwise(starts):
        if (ends - begins) / (times[-1] or 1) > NARROW:
            axes.text((begins + ends) / 2, 112, name, ha="center", va="bottom", color=DIM, fontsize=9)


def _draw_evidence(axes: "Axes", times: Sequence[float], moments: Sequence[Moment], record: ReleaseRecord) -> None:
    judge = JudgeSpec()
    against = 1 / read_parameter(record, "judge.alpha", judge.alpha)
    favour = 1 / read_parameter(record, "judge.beta", judge.beta)
    lines: tuple[tuple[str, str, Callable[[Moment], float], float, str], ...] = (
        ("against the canary", AGAINST, lambda one: one.evidence_against, against, "roll back at"),
        ("for the canary", FAVOUR, lambda one: one.evidence_for, favour, "may be promoted at"),
    )
    for name, colour, value, threshold, what in lines:
        drawn = [min(max(value(one), LOWEST), HIGHEST) for one in moments]
        axes.plot(times, drawn, color=colour, linewidth=2, label=name)
        axes.axhline(threshold, color=colour, linewidth=1.2, linestyle="--")
        label = f"{what} {threshold:,.0f}"
        axes.annotate(label, (times[0], threshold), (4, 4), textcoords="offset points", color=colour, fontsize=9)
    axes.set_yscale("log")
    highest = max([against, favour, *(max(one.evidence_against, one.evidence_for) for one in moments)])
    lowest = min(0.1, *(min(one.evidence_against, one.evidence_for) for one in moments))
    axes.set_ylim(max(lowest / 1.5, LOWEST / 1.5), min(highest * 6, HIGHEST * 2))
    axes.minorticks_off()
    axes.yaxis.set_major_formatter(lambda tick, _: f"{tick:,.0f}" if tick >= 1 else f"{tick:g}")
    axes.set_ylabel("evidence")
    _draw_legend(axes)


def _draw_errors(axes: "Axes", times: Sequence[float], moments: Sequence[Moment]) -> None:
    arms: tuple[tuple[str, str, Callable[[Moment], Counters]], ...] = (
        ("stable", STABLE, lambda one: one.stable),
        ("canary", CANARY, lambda one: one.canary),
    )
    top = 0.0
    for name, colour, arm in arms:
        points = [
            (at, _compute_error_percent(arm(one))) for at, one in zip(times, moments, strict=True) if arm(one).requests
        ]
        axes.plot([at for at, _ in points], [share for _, share in points], color=colour, linewidth=2, label=name)
        top = max([top, *(share for _, share in points)])
    axes.set_ylim(-0.04 * (top or 1), 1.2 * (top or 1))
    axes.yaxis.set_major_formatter(lambda tick, _: f"{tick:g} %")
    axes.set_ylabel("errors so far")
    _draw_legend(axes)


def _draw_legend(axes: "Axes") -> None:
    """Place it above the axes, where no line crosses it."""
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), borderaxespad=0, borderpad=0.2, ncols=2, fontsize=9)


def _list_phase_starts(times: Sequence[float], moments: Sequence[Moment]) -> list[tuple[float, str]]:
    starts: list[tuple[float, str]] = []
    for at, one in zip(times, moments, strict=True):
        name = f"{one.weight_percent} %" if one.phase is Phase.SHIFTING else one.phase.value
        if not starts or starts[-1][1] != name:
            starts.append((at, name))
    return starts


def _compute_error_percent(counters: Counters) -> float:
    return 100 * counters.errors / counters.requests


def _prepare_for_page(svg: str) -> str:
    """Remove the file's header, and leave colours, font and size to the page's CSS."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'<svg [^>]*?viewBox="([^"]*)"[^>]*>', r'<svg viewBox="\1" role="img" aria-label="The rollout">', svg)
    svg = re.sub(r"font:\s*([\d.]+)px[^;\"]*", r"font-size: \1px", svg)
    svg = svg.replace("xlink:href", "href")
    for colour, name in VARIABLES.items():
        svg = svg.replace(colour, f"var(--{name})")
    return svg
