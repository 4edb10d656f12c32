# ruff: noqa: E501 - a table: one line each
"""What the figures at the top of the results are held to, in plain words, and why one can't be reached."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Unit(StrEnum):
    """How a figure is written."""

    SHARE = "share"
    SECONDS = "s"
    MILLISECONDS = "ms"
    COUNT = "count"
    RATIO = "ratio"


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """A figure, and where it is to be."""

    name: str
    """Its key in `results.json`."""
    says: str
    unit: Unit = Unit.SHARE
    most: float | None = None
    """It is to be at most so large."""
    least: float | None = None
    """It is to be at least so large; neither: shown beside the others."""
    limit: str = ""
    """Why it isn't reached, or none is named."""

    def reached(self, value: float | None) -> bool | None:
        """Return whether it is; None where no goal is named."""
        if self.most is None and self.least is None:
            return None
        if value is None:
            return False
        return value <= self.most if self.most is not None else value >= (self.least or 0.0)

    def written(self, value: float | None) -> str:
        """Return a value of it for people.

        >>> Goal(name="a", says="", most=0.01).written(0.0036), Goal(name="a", says="", unit=Unit.SECONDS).written(340.0)
        ('0.36 %', '340 s')
        """
        if value is None:
            return "never"
        match self.unit:
            case Unit.SHARE:
                return f"{100 * value:.3g} %"
            case Unit.SECONDS:
                return f"{value:,.0f} s"
            case Unit.MILLISECONDS:
                return f"{value:.3g} ms"
            case Unit.COUNT | Unit.RATIO:
                return f"{value:.3g}"


GOALS: tuple[Goal, ...] = tuple(Goal(**row) for row in (
    {"name": "false_rollback_max", "says": "healthy canaries rolled back, worst scenario that other tools are tuned on", "most": 0.01},
    {"name": "false_rollback_cold_replicas", "says": "the same, replicas 2 or 3 times as slow for 20 s after each rise", "most": 0.01},
    {"name": "false_rollback_clusters", "says": "the same, one client sends a failed request 3 or 8 times", "most": 0.01},
    {"name": "false_rollback_batches", "says": "the same, ten rows that are alike in a request: scores, class mix", "most": 0.01},
    {"name": "false_rollback_first_release", "says": "the same, stable was watched for eleven minutes only (bursts of CV 1, no shadow)", "most": 0.01},
    {"name": "false_rollback_second_release", "says": "the same, stable is watched from the shadow on: a model's second release by default", "most": 0.01},
    {"name": "false_rollback_never_watched", "says": "the same, stable was never watched", "limit": "errors that come in gusts look like the canary's doing until stable's were seen: a minute's gust is all that is known. A shadow or ten minutes of any rollout show them"},
    {"name": "false_rollback_gusts_any_time", "says": "the same, gusts (CV 1) that begin at any second; stable known for an hour, for eleven minutes, or from the shadow on", "most": 0.01},
    {"name": "false_rollback_gusts_unknown_length", "says": "the same, gusts of two minutes, and gusts whose lengths are Pareto distributed", "most": 0.03, "limit": "a gust of ten minutes that hits the canary alone, in a service whose hour before had hardly any, is a fault like any other ([0019](decisions/0019-witnesses-that-depend.md)). Only time tells them apart"},
    {"name": "held_by_scrape_times", "says": "rollouts held because pods are scraped at different times (15 s, 30 s apart)", "unit": Unit.COUNT, "most": 0},
    {"name": "promoted_1_5x", "says": "canaries with 1.5 times the errors that are promoted", "most": 0.12},
    {"name": "promoted_1_5x_without_shadow", "says": "the same without a shadow"},
    {"name": "found_in_shadow_2x", "says": "canaries with twice the errors found before any live request, where copies show it", "least": 0.99},
    {"name": "equal_leaves_shadow_seconds", "says": "when an equal canary leaves the shadow (median)", "unit": Unit.SECONDS, "most": 200},
    {"name": "late_fault_found", "says": "5 times the errors from 9 or 30 minutes after promotion: found", "least": 1.0},
    {"name": "late_fault_seconds", "says": "the same: after how long (median)", "unit": Unit.SECONDS, "most": 360},
    {"name": "late_fault_slowest_seconds", "says": "the same: the slowest", "unit": Unit.SECONDS},
    {"name": "late_fault_false_rollback", "says": "equal canaries taken back within half an hour after promotion", "most": 0.01},
    {"name": "promoted_cv1_within_hour", "says": "equal canaries promoted within an hour of live requests, bursts of CV 1 (no shadow)", "least": 0.65},
    {"name": "promoted_cv1_within_hour_with_shadow", "says": "the same with the default shadow, which takes up to 15 minutes of the hour"},
    {"name": "promoted_cv1_2x", "says": "canaries with twice the errors promoted within the hour, bursts of CV 1, also while the error rate moves or halves", "most": 0.05},
    {"name": "refusing_canary_promoted", "says": "canaries that refuse every request (400) and are promoted", "most": 0.0},
    {"name": "shedding_canary_promoted", "says": "canaries that shed a third of their requests (429) and are promoted", "most": 0.0},
    {"name": "exposure_ratio_vs_floor_median", "says": "bad answers over those of the test that knows the truth, median scenario", "unit": Unit.RATIO, "most": 1.5},
    {"name": "equal_promotion_seconds", "says": "an equal canary promoted at 20/s, steps of 10 to 50 % a minute each, after a shadow of a minute, its time included (median)", "unit": Unit.SECONDS, "most": 528},
    {"name": "equal_promotion_seconds_without_shadow", "says": "the same without a shadow", "unit": Unit.SECONDS},
    {"name": "look_milliseconds", "says": "one look at 20 metrics", "unit": Unit.MILLISECONDS, "most": 1.0},
))  # fmt: skip
"""In the order of the page."""


def rows(found: dict[str, Any]) -> list[str]:
    """Return the lines of the page's table."""
    lines = ["| figure | here | goal |  |", "|---|---|---|---|"]
    for goal in GOALS:
        value = found.get(goal.name)
        bound = goal.most if goal.most is not None else goal.least
        sign = "" if bound is None else f"{'at most' if goal.most is not None else 'at least'} {goal.written(bound)}"
        reached = {True: "reached", False: "not reached", None: ""}[goal.reached(value)]
        lines.append(f"| {goal.says} | {goal.written(value)} | {sign} | {reached} |")
    open_ones = [goal for goal in GOALS if goal.limit and goal.reached(found.get(goal.name)) is not True]
    return [*lines, "", *(f"- `{goal.name}`: {goal.limit}." for goal in open_ones), ""]
