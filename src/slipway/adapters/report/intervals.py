"""An interval as a small chart: positions in percent of its width, so that the template only draws."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

ROOM = 22.0
"""Percent of the width that a mark's text takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A decision limit."""

    at: float
    kind: str
    """`margin`: healthy up to here; `tolerance` or `limit`: worse from here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AxisScale:
    """An axis."""

    low: float
    high: float
    log: bool = False
    tell: Callable[[float], str]
    """Formats a value."""

    def find_place(self, value: float) -> float:
        """Return a value's position, in percent of the width; beyond an end, that end.

        >>> AxisScale(low=0.25, high=4, log=True, tell=str).find_place(1)
        50.0
        """
        if self.log:
            share = math.log(max(value, self.low) / self.low) / math.log(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return 100 * min(max(share, 0.0), 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A mark with its position."""

    place: float
    text: str
    kind: str
    anchor: str
    """Anchor of its text (SVG's `middle`, `end`, `start`): texts of two close marks must not overlap."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """One interval; positions in percent of the width."""

    low: float
    high: float
    likeliest: float | None
    """None: there is no likeliest value (it is infinite)."""
    open_low: bool
    """It extends beyond the left end of the chart."""
    open_high: bool
    lines: tuple[Line, ...]
    said: str
    """The same in words: `1.06x (0.43x to 2.4x)`."""


def draw_chart(numbers: Mapping[str, float], name: str, scale: AxisScale, marks: tuple[Mark, ...]) -> Chart | None:
    """Return the chart of `name`, `name_low` and `name_high`; None if no end of the interval is known.

    A missing end is infinite; on a logarithmic axis 0 is infinitely far too.
    """
    likeliest = numbers.get(name)
    low, high = numbers.get(f"{name}_low"), numbers.get(f"{name}_high")
    endless = low is None or (scale.log and low <= 0)
    if endless and high is None:
        return None
    return Chart(
        low=0.0 if endless or low is None else scale.find_place(low),
        high=100.0 if high is None else scale.find_place(high),
        likeliest=None if likeliest is None or (scale.log and likeliest <= 0) else scale.find_place(likeliest),
        open_low=low is None or (scale.log and low < scale.low),
        open_high=high is None or high > scale.high,
        lines=_place_lines(scale, marks),
        said=_describe_interval(scale, likeliest, low, high),
    )


def _place_lines(scale: AxisScale, marks: tuple[Mark, ...]) -> tuple[Line, ...]:
    placed = sorted(((scale.find_place(mark.at), mark) for mark in marks), key=lambda one: one[0])
    places = [-100.0, *(place for place, _ in placed), 200.0]
    return tuple(
        Line(
            place=place, text=scale.tell(mark.at), kind=mark.kind, anchor=_choose_anchor(place - before, after - place)
        )
        for before, (place, mark), after in zip(places, placed, places[2:], strict=False)
    )


def _choose_anchor(before: float, after: float) -> str:
    """Return the anchor of a text, given the distance to its neighbours."""
    if min(before, after) >= ROOM:
        return "middle"
    return "start" if before < after else "end"


def _describe_interval(scale: AxisScale, likeliest: float | None, low: float | None, high: float | None) -> str:
    if low is None:
        within = f"at most {scale.tell(high)}" if high is not None else ""
    else:
        within = f"{scale.tell(low)} to {scale.tell(high)}" if high is not None else f"{scale.tell(low)} or more"
    return within if likeliest is None else f"{scale.tell(likeliest)} ({within})"
