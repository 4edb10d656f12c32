"""A plan as a figure: weights over time, and the probability that canaries are found or promoted by then."""

import io
from collections.abc import Sequence
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np

from slipway.adapters.report.plots import make_style
from slipway.domain.forecast import Forecast
from slipway.domain.judge.statistics.rates import Floats

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_DRAWING = Lock()
"""Matplotlib's settings are global."""
INK, DIM, GRID, PAPER = "#1c2530", "#667180", "#dfe3e8", "#ffffff"
WEIGHT, BAND, GOOD = "#2f6fb0", "#dce8f5", "#2c8a4b"
BAD = ("#dca25c", "#e0853c", "#dd6432", "#b93a2b", "#7d1d2a")
"""From a slight regression to a canary that fails everything."""
STYLE = make_style(INK, DIM, GRID)
POINTS = 1200
APART = 6.0
"""Least distance of two labels, in percent of the axis."""
UNITS = ((1.0, "seconds"), (60.0, "minutes"), (3600.0, "hours"), (86400.0, "days"))
FEW_UNITS = 180
NARROW = 0.05
"""Share of the time axis under which a step has no room for the label of its weight."""
MOST_FOUND = 0.9
"""Share of good canaries whose promotion the figure must show."""


def plan_plot(model: str, seen: Forecast, kind: str) -> bytes:
    """Return the figure of a plan as a file: `kind` is "svg" or "png". The same plan gives the same bytes."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with _DRAWING, mpl.rc_context(STYLE):
        figure = Figure(figsize=(9.6, 6.4), layout="constrained", facecolor=PAPER)
        _draw_plan(figure, model, seen)
        buffer = io.BytesIO()
        metadata = {"Date": None, "Creator": None} if kind == "svg" else {"Software": None}
        figure.savefig(buffer, format=kind, dpi=150, metadata=metadata)
    return buffer.getvalue()


def _draw_plan(figure: "Figure", model: str, seen: Forecast) -> None:
    weights, chances = figure.subplots(2, 1, sharex=True, height_ratios=[1.0, 1.9])
    end = _find_end(seen)
    unit, name = next(one for one in UNITS if end <= FEW_UNITS * one[0] or one is UNITS[-1])
    service = seen.service
    rates = f"{service.requests_per_second:.4g} requests/s, {100 * service.error_rate:.3g} % errors"
    weights.set_title(f"{model} at {rates}", loc="left", fontsize=11, pad=16)
    _draw_band(weights, seen, end, unit)
    _draw_good_canary(weights, seen, end, unit)
    _draw_chances(chances, seen, end, unit)
    for axes in (weights, chances):
        axes.tick_params(length=0)
        axes.set_xlim(0, end / unit)
    chances.set_xlabel(f"{name} since the rollout began")
    figure.align_ylabels()


def _find_end(seen: Forecast) -> float:
    """Return the end of the time axis: the end of the steps, or of the wait if a good canary needs it."""
    plan = seen.plan
    promoted = seen.promotion.quantile(MOST_FOUND)
    if promoted is not None and promoted < plan.seconds:
        return plan.seconds
    return min(plan.seconds + plan.wait_seconds, 1.15 * promoted if promoted else np.inf)


def _draw_band(axes: "Axes", seen: Forecast, end: float, unit: float) -> None:
    """Draw the range between the earliest and the latest steps."""
    legs = seen.plan.legs
    percents = [0.0 if leg.copies else 100 * leg.share for leg in legs]
    least = [leg.seconds if leg.at_least is None or leg.copies else leg.at_least for leg in legs]
    times = np.linspace(0, end, POINTS)
    low = _find_levels(times, _sum_starts([leg.seconds for leg in legs]), percents)
    high = _find_levels(times, _sum_starts(least), percents)
    if (high > low).any():
        band = axes.fill_between(times / unit, low, high, step="post", color=BAND, linewidth=0)
        axes.legend([band], ["between the earliest and the latest steps"], loc="lower right", frameon=False,
                    fontsize=9, labelcolor=DIM, borderaxespad=0.2, handlelength=1.2)  # fmt: skip
    axes.set_ylim(0, 118)
    axes.set_yticks([0, 50, 100], ["0 %", "50 %", "100 %"])
    axes.set_ylabel("weight")


def _draw_good_canary(axes: "Axes", seen: Forecast, end: float, unit: float) -> None:
    """Draw the weight of a good canary by the mean times at which steps begin, to where half of them are promoted."""
    legs, chances = seen.plan.legs, seen.promotion
    promoted = None if chances.quantile(0.5) is None else float(chances.chance @ chances.last) / chances.ever
    begins = [end if one is None else one for one in seen.good.entered]
    over = promoted is not None and promoted < end
    last = min(promoted, end) if promoted is not None else end
    percents = [*(0.0 if leg.copies else 100 * leg.share for leg in legs), *([100.0] if over else [])]
    begins = [*begins, *([last] if over else [])]
    names = [*("shadow" if leg.copies else f"{100 * leg.share:g} %" for leg in legs), "promoted"]
    axes.step(np.array([*begins, end]) / unit, [*percents, percents[-1]], where="post", color=WEIGHT, linewidth=2)
    for begin, until, percent, name in zip(begins, [*begins[1:], end], percents, names, strict=False):
        if (until - begin) / end > NARROW * (1 if len(name) < len("shadow") else 2):
            axes.annotate(name, ((begin + until) / 2 / unit, percent), (0, 4), textcoords="offset points",
                          ha="center", color=WEIGHT, fontsize=9)  # fmt: skip


def _sum_starts(seconds: Sequence[float]) -> list[float]:
    return [0.0, *np.cumsum(seconds[:-1]).tolist()]


def _find_levels(times: Floats, starts: Sequence[float], percents: Sequence[float]) -> Floats:
    return np.asarray(percents)[np.searchsorted(starts, times, side="right") - 1]


def _draw_chances(axes: "Axes", seen: Forecast, end: float, unit: float) -> None:
    """Draw one line per canary, named at its end."""
    times = np.linspace(0, end, POINTS)
    lines = [(f"{name.removesuffix('x')} times the errors: found", one.found) for name, one in seen.bad.items()]
    lines[-1] = ("fails everything: found", lines[-1][1])
    colours = [*BAD[-len(lines) :], GOOD]
    ends = []
    for (name, chances), colour in zip([*lines, ("good: promoted", seen.promotion)], colours, strict=True):
        drawn = 100 * chances.by(times)
        axes.plot(times / unit, drawn, color=colour, linewidth=2.4 if colour == GOOD else 1.8)
        ends.append((float(drawn[-1]), name, colour))
    beside = axes.get_yaxis_transform()
    for place, (value, name, colour) in zip(_spread_labels([one[0] for one in ends]), ends, strict=True):
        axes.plot([1.003, 1.03], [value, place], transform=beside, color=colour, linewidth=0.9, clip_on=False)
        axes.text(1.035, place, name, transform=beside, color=colour, va="center", fontsize=9.5)
    axes.set_ylim(-2, 103)
    axes.set_yticks(range(0, 101, 20), [f"{tick} %" for tick in range(0, 101, 20)])
    axes.set_ylabel("chance by then")


def _spread_labels(values: Sequence[float]) -> list[float]:
    """Return the positions of labels: near their values, and apart.

    >>> [round(one) for one in _spread_labels([99.0, 100.0, 20.0])]
    [94, 100, 20]
    """
    order = sorted(range(len(values)), key=lambda place: -values[place])
    found = [0.0] * len(values)
    above = np.inf
    for place in order:
        above = found[place] = min(values[place], above - APART)
    least = 0.0
    for place in reversed(order):  # none below the axis
        found[place] = max(found[place], least)
        least = found[place] + APART
    return found
