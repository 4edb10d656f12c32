"""The figures of docs/how-it-decides.md: rollouts that the real judge decides, with simulated requests.

`python -m docs.figures` prints what the page and its plot say; `make docs` writes the plot.
"""

import sys
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from slipway.domain.judge import judge
from slipway.domain.judge.checks import Check
from slipway.domain.judge.counters import ZERO, Counters
from slipway.domain.judge.evidence import NO_EVIDENCE, Evidence
from slipway.domain.judge.readings import collect_readings
from slipway.domain.judge.statistics import counts
from slipway.domain.rollout.actions import Observation, wanted_traffic
from slipway.domain.rollout.machine import advance, begin_traffic
from slipway.domain.rollout.revision import Health, Package, Revision, RevisionState
from slipway.domain.rollout.status import Phase, RolloutStatus
from slipway.domain.spec.release import ReleaseSpec

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ROOT = Path(__file__).resolve().parents[1]
PLOT = ROOT / "docs" / "how-it-decides-evidence.svg"
SEED = 7
REQUESTS_PER_SECOND, ERROR_SHARE, LOOK_SECONDS = 50, 0.005, 10
LONGEST_SECONDS = 3600
RATIOS = (1.0, 1.5, 2.0)
INK = "#7d8590"
COLOURS = {1.0: "#3fb950", 1.5: "#d29922", 2.0: "#f0673e"}
"""They read on light and on dark pages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """One simulated rollout, look by look."""

    ratio: float
    """Errors per request, canary's over stable's."""
    seconds: tuple[float, ...]
    weights: tuple[int, ...]
    """Percent."""
    against: tuple[float, ...]
    """Evidence against the canary; it is rolled back at 1/alpha."""
    favour: tuple[float, ...]
    """Evidence for it; it may be promoted at 1/beta."""
    phase: Phase
    """How it ended."""
    sentence: str
    canary: Counters

    @property
    def ended(self) -> str:
        """Say how it ended, and when."""
        how = {Phase.PROMOTING: "promoted", Phase.ROLLING_BACK: "rolled back"}.get(self.phase, "undecided")
        return f"{how} after {self.seconds[-1]:,.0f} s"


def spec_of() -> ReleaseSpec:
    """Return the default spec without shadow and latency: errors alone decide."""
    document: dict[str, Any] = {"model": "m", "data": {"path": "rows.csv", "label": "y"}}
    return ReleaseSpec.model_validate(document | {"judge": {"latency": None}, "rollout": {"shadow": None}})


def _watched(spec: ReleaseSpec, seed: int) -> Evidence:
    """Return what an hour of stable alone has taught, a look a minute."""
    evidence, counted, random = NO_EVIDENCE, ZERO, np.random.default_rng([seed, 1])
    for minute in range(-60, 0):
        requests = int(random.poisson(60 * REQUESTS_PER_SECOND))
        counted += Counters(requests=requests, errors=int(random.binomial(requests, ERROR_SHARE)))
        read = collect_readings(requests={"stable": counted})
        evidence = judge.learn_bursts(evidence, "stable", read, spec.judge, judge.When(at=60.0 * minute))
    return evidence


@lru_cache
def course_of(ratio: float, seed: int = SEED, copies: int = 0) -> Course:
    """Simulate one rollout through the real state machine: 50 requests/s of which stable fails 0.5 %.

    `copies`: so many shadow copies, on which the canary is as good as stable, are counted as live errors are: what
    would become of it if they were one check.
    """
    spec, random = spec_of(), np.random.default_rng(seed)
    canary, stable = _revision(2), _revision(1)
    status = begin_traffic(replace(_pending(), evidence=_watched(spec, seed)), canary, stable, 0.0)
    if copies:
        status = replace(status, evidence=replace(status.evidence, rates={Check.ERRORS: _copied(random, copies)}))
    counted = {canary.name: Counters(requests=0, errors=0), stable.name: Counters(requests=0, errors=0)}
    shares = {canary.name: ratio * ERROR_SHARE, stable.name: ERROR_SHARE}
    states = {name: RevisionState(name=name, health=Health.READY) for name in counted}
    looks = []
    for now in range(0, LONGEST_SECONDS + 1, LOOK_SECONDS):
        readings = collect_readings(requests=dict(counted))
        seen = Observation(revisions=states, traffic=wanted_traffic(status), readings=readings)
        status = advance(spec, status, seen, float(now)).status
        looks.append((float(now), status.weight_percent, status.evidence_against, status.evidence_for))
        if status.phase not in {Phase.STARTING, Phase.SHIFTING}:
            break
        for name, requests in _shared(random, status.weight_percent / 100, canary.name, stable.name).items():
            errors = int(random.binomial(requests, shares[name]))
            before = counted[name]
            counted[name] = Counters(requests=before.requests + requests, errors=before.errors + errors)
    seconds, weights, against, favour = zip(*looks, strict=True)
    return Course(
        ratio=ratio,
        seconds=seconds,
        weights=weights,
        against=against,
        favour=favour,
        phase=status.phase,
        sentence=status.reason,
        canary=status.evidence.canary,
    )


def write_plot(path: Path) -> None:
    """Write the plot: evidence against and for three canaries, over time."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    mpl.use("svg")
    colours = dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), INK)
    style: Any = {"svg.hashsalt": "slipway", "svg.fonttype": "none", "font.family": "sans-serif", "font.size": 9.5}
    courses = [course_of(ratio) for ratio in RATIOS]
    spec = spec_of().judge
    with mpl.rc_context(style | colours):
        figure = Figure(figsize=(8, 5.6), layout="constrained")
        above, below = figure.subplots(2, 1, sharex=True)
        _draw(above, courses, "against", 1 / spec.alpha)
        _draw(below, courses, "favour", 1 / spec.beta)
        above.set_ylabel("evidence against the canary")
        below.set_ylabel("evidence for the canary")
        below.set_xlabel("minutes since the first request; dots: the canary's weight rises")
        figure.legend(
            *above.get_legend_handles_labels(), loc="outside upper center", ncols=3, frameon=False, handlelength=1.2
        )
        figure.savefig(path, transparent=True, metadata={"Date": None, "Creator": None})


def _draw(axes: "Axes", courses: list[Course], part: str, threshold: float) -> None:
    for course in courses:
        minutes, values = np.array(course.seconds) / 60, np.array(getattr(course, part))
        label = f"{_named(course.ratio)}: {course.ended}"
        colour = COLOURS[course.ratio]
        axes.plot(minutes, values, color=colour, linewidth=1.8, label=label)
        rises = np.flatnonzero(np.diff(course.weights[:-1]) > 0) + 1
        axes.plot(minutes[rises], values[rises], "o", color=colour, markersize=3.5)
        axes.plot(minutes[-1], values[-1], "X", color=colour, markersize=7)
    says = "rolled back" if part == "against" else "may be promoted"
    axes.axhline(threshold, color="#f85149" if part == "against" else "#3fb950", linewidth=1, linestyle="--")
    axes.annotate(f"{threshold:g}: {says}", (0, threshold), xytext=(0, 4), textcoords="offset points", color=INK)
    axes.set_yscale("log")
    axes.set_ylim(0.01, 50_000)
    axes.set_yticks([0.01, 0.1, 1, 10, 100, 1000], ["0.01", "0.1", "1", "10", "100", "1,000"])
    axes.minorticks_off()
    axes.grid(axis="y", color=INK, alpha=0.25, linewidth=0.6)
    for spine in ("top", "right"):
        axes.spines[spine].set_visible(False)


def _named(ratio: float) -> str:
    return "equal" if ratio == 1 else f"{ratio:g}x errors"


def _shared(random: np.random.Generator, share: float, canary: str, stable: str) -> dict[str, int]:
    """Return how many requests of one look each arm gets."""
    requests = REQUESTS_PER_SECOND * LOOK_SECONDS
    theirs = int(random.binomial(requests, share))
    return {canary: theirs, stable: requests - theirs}


def _copied(random: np.random.Generator, copies: int) -> counts.CountEvidence:
    canary, stable = (Counters(requests=copies, errors=int(random.binomial(copies, ERROR_SHARE))) for _ in range(2))
    look = counts.CountDelta(canary=canary, stable=stable)
    return counts.update_counts([counts.NOTHING], [look], [spec_of().judge.errors], 0, 0.0)[0]


def _revision(version: int) -> Revision:
    name = f"m-v{version}"
    package = Package(model="m", version=version, path=Path(name), digest="sha256:0", tag=name, runtime="onnx")
    return Revision(name=name, model="m", version=version, package=package)


def _pending() -> RolloutStatus:
    return RolloutStatus(
        model="m",
        version=2,
        release_id="m-v2",
        phase=Phase.PENDING,
        started_at=0.0,
        entered_at=0.0,
        heartbeat_at=0.0,
        reason="",
        evidence=NO_EVIDENCE,
    )


if __name__ == "__main__":
    for found in map(course_of, RATIOS):
        sys.stdout.write(f"{found.ratio:g}x: {found.ended}; {found.sentence}\n")
