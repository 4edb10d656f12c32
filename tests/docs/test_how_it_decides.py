"""What docs/how-it-decides.md says in numbers is what the judge computes."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from docs import experiments, figures
from slipway.domain.judge import judge
from slipway.domain.judge.checks import Check
from slipway.domain.judge.counters import Counters
from slipway.domain.judge.decision import decide, score_metrics
from slipway.domain.judge.evidence import NO_EVIDENCE, Evidence
from slipway.domain.judge.readings import Readings, collect_readings
from slipway.domain.judge.statistics import counts, rates
from slipway.domain.rollout.analysis import CROWDED_PERCENT
from slipway.domain.rollout.status import Phase
from slipway.domain.spec.release import ReleaseSpec
from slipway.domain.verdict import Outcome

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = (DOCS / "how-it-decides.md").read_text(encoding="utf-8")
FLAT = " ".join(PAGE.split())
ARMS = judge.Arms(canary="new", stable="old")
SPEC = ReleaseSpec.model_validate({"model": "m", "data": {"path": "rows.csv", "label": "y"}})
GRID = rates.grid_of(SPEC.judge.errors.margin, SPEC.judge.errors.tolerance)
MEASURED = json.loads((DOCS.parent / "benchmarks" / "decisions" / "results.json").read_text(encoding="utf-8"))


def after(canary: Counters, stable: Counters) -> Evidence:
    """Return the evidence after one look at live requests."""
    zero = Counters(requests=0, errors=0)
    when = judge.When(at=0.0, weight_percent=20)
    begun = judge.update_evidence(NO_EVIDENCE, ARMS, read(zero, zero), SPEC.judge, when)
    return judge.update_evidence(begun, ARMS, read(canary, stable), SPEC.judge, when)


def read(canary: Counters, stable: Counters) -> Readings:
    """Return what one look read."""
    return collect_readings(requests={"new": canary, "old": stable})


EXAMPLE = after(Counters(requests=2004, errors=41), Counters(requests=8010, errors=71))


def measured(scenario: str, rule: str = "slipway") -> dict[str, Any]:
    """Return what the benchmark's results say of a rule with its defaults."""
    rules = next(one["rules"] for one in MEASURED["scenarios"] if one["name"] == scenario)
    found: dict[str, Any] = next(one for one in rules if (one["rule"], one["setting"]) == (rule, "default"))
    return found


def record(name: str) -> str:
    """Return a page of docs/, as one line."""
    return " ".join((DOCS / name).read_text(encoding="utf-8").split())


def logs(evidence: Evidence) -> tuple[float, float]:
    """Return the log e-values of errors, against and for."""
    against, favour = counts.log_evidence([evidence.rate(Check.ERRORS)], [SPEC.judge.errors], SPEC.judge.burst_cv)
    return float(against[0]), float(favour[0])


def test_the_worked_example_is_what_the_judge_says() -> None:
    """The evidence both ways, the threshold, and the sentence."""
    against, favour = logs(EXAMPLE)
    said = decide(EXAMPLE, SPEC)

    assert f"**{math.exp(against):.0f}**" in PAGE
    assert f"The evidence for the canary is {math.exp(favour):.3f}" in PAGE
    assert f"so they need {1 / score_metrics(EXAMPLE, SPEC)[0].alpha:.0f}." in FLAT
    assert f"> {said.reason}\n" in PAGE
    assert said.outcome is Outcome.FAIL
    alternatives = GRID.ratios[np.isfinite(GRID.worse)]
    says = f"over {len(alternatives)} such lines, from {alternatives[0]:.2f} to {alternatives[-1]:g} times"
    assert says in FLAT.replace("an average ", "")


def test_alpha_is_split_as_the_page_says() -> None:
    """Parts of four fifths; the last fifth is for the time after promotion."""
    shares = {one.check: one.alpha / SPEC.judge.alpha for one in score_metrics(EXAMPLE, SPEC)}
    alone = SPEC.model_copy(update={"rollout": SPEC.rollout.model_copy(update={"shadow": None})})

    parts = {Check.ERRORS: 9, Check.COPIES: 3, Check.LATENCY: 3} | dict.fromkeys(
        (Check.REFUSED, Check.SHED, Check.NONFINITE, Check.SLOWDOWN), 1
    )
    assert shares == pytest.approx({check: 0.8 * part / 19 for check, part in parts.items()})
    assert score_metrics(EXAMPLE, alone)[0].alpha == pytest.approx(0.48 * SPEC.judge.alpha)
    assert ("required, 38 % of `alpha` |" in PAGE, "with a shadow phase, 13 %;" in PAGE) == (True, True)
    assert "Without a shadow phase errors have 48 % of `alpha`" in FLAT


@pytest.mark.parametrize("ratio", [1.41, 2, 2.38, 4, 8])
def test_the_table_of_the_worked_example_is_right(ratio: float) -> None:
    """An error's chance to be the canary's, and how much better the ratio explains them than 1 does."""
    total, _ = counts.metric_likelihood(EXAMPLE.rate(Check.ERRORS), SPEC.judge.errors, 0.0)
    at = int(np.abs(GRID.ratios[:-2] - ratio).argmin())
    exact = float(GRID.ratios[at])
    times = math.exp(total[at] - total[-2])

    shown = f"{times:,.0f}" if times > 1 else f"{times:.7f}"
    share = 2004 * exact / (2004 * exact + 8010)
    assert exact == pytest.approx(ratio, abs=0.006)
    assert f"| {share:.3f} | {shown} times |" in PAGE


def test_the_plot_is_told_as_it_is_drawn() -> None:
    """What became of the three rollouts, in the page and in the picture; the picture is not of another engine."""
    picture = figures.PLOT.read_text(encoding="utf-8")
    courses = {ratio: figures.course_of(ratio) for ratio in figures.RATIOS}
    minutes = {ratio: f"{one.seconds[-1] / 60:.0f}" for ratio, one in courses.items()}

    assert [one.phase for one in courses.values()] == [Phase.PROMOTING, Phase.ROLLING_BACK, Phase.ROLLING_BACK]
    assert f"The equal canary is promoted after {minutes[1.0]} minutes" in FLAT
    assert f"> {courses[1.0].sentence}\n" in PAGE
    assert f"is rolled back after {minutes[2.0]}." in FLAT
    assert f"it was rolled back after {minutes[1.5]} minutes" in FLAT
    assert [one.ended for one in courses.values() if one.ended not in picture] == []


def test_the_plot_is_the_same_each_time(tmp_path: Path) -> None:
    """Seeds are fixed, and no date is in it."""
    figures.write_plot(tmp_path / "one.svg")
    figures.write_plot(tmp_path / "two.svg")

    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()


def test_without_errors_it_passes_when_the_page_says() -> None:
    """About 2,100 requests of the canary, whatever stable had."""
    passing = -math.log(SPEC.judge.beta)

    few, enough = (after(Counters(requests=n, errors=0), Counters(requests=4 * n, errors=0)) for n in (2050, 2150))

    assert "after about 2,100 requests" in PAGE
    assert logs(few)[1] < passing <= logs(enough)[1]


def test_what_may_come_in_one_look_is_as_told() -> None:
    """At 50 requests/s and looks of 10 s: 48 % of its requests at 5 %, 9.6 % at 25 %; over that a PASS is asked for."""
    stable = Counters(requests=100_000, errors=500)

    shares = [judge.BEARABLE_ERRORS / (500 * weight) for weight in (0.05, 0.25)]

    assert [judge.bearable_errors(stable, 500 * weight, 2.0)[1] for weight in (0.05, 0.25)] == pytest.approx(shares)
    assert f"**Over {CROWDED_PERCENT} %** more weight hardly brings the decision nearer" in FLAT
    assert [f'"fails on {100 * shares[0]:g} % of' in FLAT, f'"{100 * shares[1]:g} %"' in FLAT] == [True, True]


@pytest.mark.parametrize(("share", "part"), [(0.005, "99.5 %"), (0.05, "95 %"), (0.2, "79 %"), (0.5, "48 %")])
def test_the_price_of_the_ratio_of_rates_is_as_told(share: float, part: str) -> None:
    """Of the largest growth, in the page and in the decision record."""
    assert f"{100 * experiments.growth(share):.{1 if share < 0.01 else 0}f} %" == part
    assert (part in PAGE, part in record("decisions/0007-ratio-of-rates.md")) == (True, True)


@pytest.mark.parametrize(
    ("service", "says", "share"),
    [
        ("CV 1", "0.9 % at CV 1 (plain likelihood: 26 %)", 0.009),
        ("CV 0.5, in the canary alone", "1.5 % at CV 0.5, 11 % at CV 1", 0.015),
        ("CV 1, in the canary alone, burst_cv 0.5", "with `burst_cv: 0.5` 0.6 % at CV 1", 0.006),
    ],
)
def test_gusts_are_as_told(service: str, says: str, share: float) -> None:
    """What breaks it, as the experiment finds it again: half the rollouts, so about."""
    found = experiments.gusts(experiments.SERVICES[service], count=2000)["slipway"]

    assert says in PAGE
    assert found == pytest.approx(share, abs=0.005)


@pytest.mark.parametrize(
    "scenario", ["bursts-half", "bursts-one", "faulty-bursts", "big-bursts", "2x", "2x-bursts", "faulty-2x"]
)
def test_defences_against_bursts_are_as_measured(scenario: str) -> None:
    """The decision record's rows are the benchmark's."""
    shares = {
        one["rule"]: f"{100 * one['rolled_back']['share']:.3g} %"
        for one in MEASURED["burst_defences"]
        if one["scenario"] == scenario
    }

    row = " | ".join(shares[rule] for rule in ("none", "tempered", "clone", "ours"))
    assert f"| {row} |" in record("decisions/0008-bursts.md")


def test_steps_that_end_early_are_as_measured() -> None:
    """The second table of the decision record, and what the page says of it."""
    page = record("decisions/0009-steps-end-early.md")
    full, early = (
        {name: measured(name, rule) for name in ("equal", "1.5x", "2x", "leak")}
        for rule in ("slipway-fixed-steps", "slipway-no-shadow")
    )

    for name, part, key in (("equal", "seconds_to_promotion", "median"), ("2x", "seconds_to_rollback", "median")):
        assert f"| {full[name][part][key]:,.0f} s | {early[name][part][key]:,.0f} s |" in page
    failed = [one["2x"]["bad_requests_before_rollback"]["mean"] for one in (full, early)]
    assert f"| {failed[0]:.0f} | {failed[1]:.0f} |" in page
    for name in ("1.5x", "leak"):
        shares = [100 * one[name]["rolled_back"]["share"] for one in (full, early)]
        assert f"| {shares[0]:.0f} % | {shares[1]:.0f} % |" in page
    assert f"promoted after {early['equal']['seconds_to_promotion']['median'] / 60:.0f} minutes instead of 35" in FLAT


def test_limits_are_as_measured() -> None:
    """Low traffic, bursts, what shows late, in the page of limits and in that of defaults."""
    limits, defaults = record("limits.md"), record("decisions/0010-defaults.md")
    low, late = measured("small-2x")["rolled_back"]["share"], measured("leak")["promoted"]["share"]
    small = measured("small-faulty-equal")

    assert f"within the hour in {100 * low:.0f} of 100 rollouts" in limits
    assert f"{100 * measured('small-equal')['promoted']['share']:.0f} of 100 good canaries are promoted" in limits
    assert f"finds {100 * measured('small-2x', 'sprt-truth')['rolled_back']['share']:.0f}." in limits
    assert f"found within the hour in {100 * measured('2x-bursts')['rolled_back']['share']:.0f} of 100" in limits
    assert f"within an hour {round(10 * late)} in 10 is" in limits
    promoted = 100 * small["promoted"]["share"], small["seconds_to_promotion"]["median"]
    assert f"| {promoted[0]:.1f} %, {promoted[1]:,.0f} s |" in defaults


def test_copies_that_are_counted_with_live_errors_hide_a_canary_that_is_bad_live() -> None:
    """Of a few rollouts some are missed: the reason why copies are a check of their own."""
    found = experiments.diluted(count=20)

    assert "87 in 100" in FLAT
    assert found == pytest.approx(0.87, abs=0.2)


def test_a_higher_weight_costs_little() -> None:
    """Twice as bad, at a twentieth of the requests and at half of them: as the decision record's table says, about."""
    few, many = (experiments.weights(2.0, share, count=300)[1] for share in (0.05, 0.5))

    assert (few, many) == (pytest.approx(36, rel=0.2), pytest.approx(76, rel=0.2))
