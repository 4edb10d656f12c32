"""The plots of the page: SVG on a transparent ground, in colours that read on light and dark pages."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.decisions import line_up
from benchmarks.decisions.rules.sprt import AT_ONCE, PATIENT

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK = "#7d8590"
COLOURS = {
    "slipway": "#2f81f7",
    "slipway-no-shadow": "#79c0ff",
    "slipway-fixed-steps": "#db61a2",
    "flagger": "#d29922",
    "argo-rollouts": "#f0673e",
    "kayenta": "#a371f7",
    "naive-z": "#8b949e",
    "fixed-horizon": "#57a6a1",
    AT_ONCE: "#3fb950",
    PATIENT: "#3fb950",
}
Found = dict[str, Any]


def write(found: Found, folder: Path) -> None:
    """Write decision-benchmark-{false-rollbacks,delay,exposure}.svg."""
    import matplotlib as mpl

    mpl.use("svg")
    settings: Any = {
        "svg.hashsalt": "slipway",
        "svg.fonttype": "none",
        "font.family": "sans-serif",
        "font.size": 9,
        **dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), INK),
    }
    with mpl.rc_context(settings):
        equal = [one for one in found["scenarios"] if one["equal"]]
        worse = [one for one in found["scenarios"] if one["regression"]]
        _save(equal, folder / "decision-benchmark-false-rollbacks.svg", _false_rollbacks)
        _save(worse, folder / "decision-benchmark-delay.svg", _delay)
        _save(worse, folder / "decision-benchmark-exposure.svg", _exposure)


def shown(rule: str) -> str:
    """Return the setting under which a rule is drawn: tuned where there is one."""
    return "tuned" if rule in {one.name for one in line_up.tuned()} else "default"


def _save(scenarios: Sequence[Found], path: Path, draw: Any) -> None:  # noqa: ANN401 - one of the three below
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 0.9 + 0.28 * len(scenarios)), layout="constrained")
    axes = figure.subplots()
    for spine in ("top", "right"):
        axes.spines[spine].set_visible(False)
    axes.set_yticks(range(len(scenarios)), [f"{one['name']}  ({one['service']})" for one in scenarios])
    axes.set_ylim(len(scenarios) - 0.4, -0.6)
    axes.grid(axis="x", color=INK, alpha=0.25, linewidth=0.6)
    draw(axes, scenarios)
    figure.legend(loc="outside upper center", ncols=4, frameon=False, handletextpad=0.2, columnspacing=1.0)
    figure.savefig(path, transparent=True, metadata={"Date": None})


def _false_rollbacks(axes: "Axes", scenarios: Sequence[Found]) -> None:
    for rule, colour, offset in _lanes(scenarios, PATIENT):
        rows = [_row(one, rule)["rolled_back"] for one in scenarios]
        shares = [row["share"] for row in rows]
        reach = [[row["share"] - row["low"] for row in rows], [row["high"] - row["share"] for row in rows]]
        places = [number + offset for number in range(len(rows))]
        axes.errorbar(
            shares, places, xerr=reach, fmt="o", color=colour, markersize=3.5, elinewidth=1, label=_label(rule)
        )
    axes.axvline(0.01, color="#f85149", linewidth=1, linestyle="--")
    axes.set_xscale("symlog", linthresh=0.01)
    axes.set_xlim(left=-0.0003)
    axes.set_xticks([0, 0.005, 0.01, 0.1, 1], ["0", "0.5 %", "1 %", "10 %", "100 %"])
    axes.set_xlabel("healthy canaries rolled back (95 % interval); dashed: alpha")


def _delay(axes: "Axes", scenarios: Sequence[Found]) -> None:
    for rule, colour, offset in _lanes(scenarios, PATIENT):
        found = [
            (number + offset, row["median"], row["p95"])
            for number, one in enumerate(scenarios)
            if (row := _row(one, rule)["seconds_to_rollback"])["median"] is not None
        ]
        axes.plot(
            [m for _, m, _ in found], [y for y, _, _ in found], "o", color=colour, markersize=4, label=_label(rule)
        )
        for place, median, late in found:
            axes.plot([median, late or 3600], [place, place], color=colour, linewidth=1, alpha=0.7)
    axes.set_xscale("log")
    axes.set_xticks([10, 60, 300, 900, 2100, 3600], ["10 s", "1 min", "5 min", "15 min", "35 min", "1 h"])
    axes.minorticks_off()
    axes.set_xlabel("time to rollback, median to 95th percentile; no dot: most are never rolled back")


def _exposure(axes: "Axes", scenarios: Sequence[Found]) -> None:
    for rule, colour, offset in _lanes(scenarios, AT_ONCE):
        means = [max(_row(one, rule)["bad_requests"]["mean"], 0.1) for one in scenarios]
        places = [number + offset for number in range(len(scenarios))]
        axes.plot(means, places, "o", color=colour, markersize=4, label=_label(rule))
    axes.set_xscale("log")
    axes.set_xlabel("bad answers to canary requests within the hour, mean")


def _lanes(scenarios: Sequence[Found], without: str) -> list[tuple[str, str, float]]:
    """Return the rules that are there, each with its colour and where in a scenario's lane it is drawn."""
    rules = [rule for rule in dict.fromkeys(row["rule"] for row in scenarios[0]["rules"]) if rule != without]
    step = 0.7 / max(len(rules) - 1, 1)
    return [(rule, COLOURS.get(rule, "#1f6feb"), -0.35 + number * step) for number, rule in enumerate(rules)]


def _row(scenario: Found, rule: str) -> Found:
    found: Found = next(row for row in scenario["rules"] if (row["rule"], row["setting"]) == (rule, shown(rule)))
    return found


def _label(rule: str) -> str:
    return f"{rule} (tuned)" if shown(rule) == "tuned" else rule
