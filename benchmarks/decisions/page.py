"""The page of the benchmark: what was done, and every figure in tables."""

from collections.abc import Iterable, Sequence
from typing import Any

from benchmarks.decisions import goals
from benchmarks.decisions.plots import shown

Found = dict[str, Any]
LATE = 1.5
HEADLINES = {
    "false_rollback_max": "healthy canaries rolled back, worst scenario with an equal model",
    "false_rollback_cold_replicas": "the same, replicas that are cold after a rise",
    "false_rollback_clusters": "the same, failed requests that are sent again",
    "false_rollback_batches": "the same, ten rows in a request",
    "false_rollback_first_release": "the same, stable was watched for eleven minutes",
    "false_rollback_second_release": "the same, stable is watched from the shadow on",
    "false_rollback_never_watched": "the same, stable was never watched",
    "false_rollback_gusts_any_time": "the same, gusts of a minute that begin at any second",
    "false_rollback_gusts_unknown_length": "the same, gusts that last longer than a minute",
    "promoted_1_5x": "1.5 times the errors, promoted",
    "promoted_cv1_within_hour": "equal, bursts of CV 1, promoted within the hour",
    "promoted_cv1_2x": "twice the errors, bursts of CV 1, promoted within the hour",
    "refusing_canary_promoted": "refuses everything, promoted",
    "shedding_canary_promoted": "sheds a third, promoted",
    "missed_2x_at_50rps": "doubled errors at 50 requests/s not rolled back within the plan's 35 minutes",
    "missed_2x_at_50rps_disturbed_or_few_errors": "the same with bursts, an outage, or 0.1 % errors to begin with",
    "exposure_ratio_vs_best_tuned_peer": "bad answers, over the best tuned peer's, worst regression",
    "exposure_ratio_vs_best_peer_tuned_per_service": "the same, peers tuned for each service apart",
    "exposure_ratio_vs_floor": "bad answers, over those of the test that knows the truth, worst regression",
    "exposure_ratio_vs_floor_median": "the same, median over regressions",
    "median_delay_ratio_vs_sprt": "median time to rollback, over that test's on the same weights, worst regression",
    "median_delay_ratio_median": "the same, median over regressions",
    "promotion_delay_ratio_vs_best_tuned_peer": "median time to promote, over the best tuned peer's, worst",
    "promotion_exposure_ratio_vs_best_tuned_peer": "canary's requests until then, over the best tuned peer's, worst",
}


def write(found: Found) -> str:
    """Return the page as Markdown."""
    where = found["machine"]
    head = [
        "# Decision benchmark",
        "",
        (
            f"Written by `{found['command']}`, {found['date']}, in {found['wall_seconds']['all']:.0f} s on"
            f" {where['cores']} cores of {where['cpu']}; do not edit."
            " How it is done: [benchmarks/decisions](../benchmarks/decisions/README.md)."
        ),
        "",
    ]
    equal = [one for one in found["scenarios"] if one["equal"]]
    other = [one for one in found["scenarios"] if not one["equal"]]
    return "\n".join(
        [
            *head,
            "## What it is held to",
            "",
            "Shares are of 10,000 simulated rollouts with an equal canary, of 2,000 with a worse one.",
            "",
            *goals.rows(found),
            "## Beside other rules",
            "",
            *_headlines(found),
            *_reach(found),
            "## Healthy canaries rolled back",
            "",
            "![False rollbacks by scenario and rule](decision-benchmark-false-rollbacks.svg)",
            "",
            *_table(equal, ("default", "tuned"), lambda row: percent(row["rolled_back"]["share"])),
            "## Time to rollback of a worse canary",
            "",
            "![Time to rollback by scenario and rule](decision-benchmark-delay.svg)",
            "",
            "Rolled back within the hour, and the median time; tuned settings where a rule has them.",
            "",
            *_table(other, ("shown",), _rollback),
            "## Bad answers",
            "",
            "![Bad answers by scenario and rule](decision-benchmark-exposure.svg)",
            "",
            "Mean within the hour; a bad canary that is promoted serves all of it.",
            "",
            *_table(other, ("shown",), lambda row: count(row["bad_requests"]["mean"])),
            "## Time to promote a good model",
            "",
            "Median; and how many requests the canary had served by then. -: most are not promoted within the hour.",
            "",
            *_table(equal, ("shown",), _promotion),
            "## The state machine itself",
            "",
            *_state_machine(found["state_machine"]),
            "## Defences against bursts in one arm",
            "",
            "Steps of full length, 2,000 traces each: rolled back within the hour, and the median time.",
            "",
            *_defences(found["burst_defences"]),
            "## Tuned settings",
            "",
            *_settings(found["tuned_settings"]),
        ]
    )


def percent(share: float) -> str:
    """Return a share for a table.

    >>> percent(0.0123), percent(0.0)
    ('1.23 %', '0 %')
    """
    return f"{100 * share:.3g} %"


def count(value: float) -> str:
    """Return a count for a table.

    >>> count(12345.6), count(3.21)
    ('12,346', '3.2')
    """
    return f"{value:,.0f}" if value >= 100 else f"{value:.2g}"  # noqa: PLR2004 - digits, not a rule


def _headlines(found: Found) -> Iterable[str]:
    yield from ("| figure | " + " | ".join(found["comparisons"]) + " |", "|---|" + "---|" * len(found["comparisons"]))
    for name, says in HEADLINES.items():
        values = [one.get(name) for one in found["comparisons"].values()]
        yield f"| {says} | " + " | ".join("-" if value is None else f"{value:.3g}" for value in values) + " |"
    yield ""


def _reach(found: Found) -> Iterable[str]:
    """Say which aims are reached, and what keeps the others out of reach."""
    ours, floor = found["comparisons"]["slipway"], found["comparisons"]["sprt-patient"]
    live = found["comparisons"]["slipway-no-shadow"]
    delays = {name: value for name, value in live["median_delay_ratio_by_scenario"].items() if value is not None}
    late = sorted((name for name in delays if delays[name] > LATE), key=lambda name: -delays[name])
    medians, best = ours["exposure_ratio_medians"], floor["exposure_ratio_vs_best_tuned_peer"]
    exposed, floored = _figure(medians["vs_best_tuned_peer"]), _figure(medians["vs_floor"])
    within = (
        f"{len(delays) - len(late)} of {len(delays)} scenarios; median {_figure(live['median_delay_ratio_median'])}"
    )
    without = _figure(live["exposure_ratio_medians"]["vs_floor"])
    missed = _figure(floor["missed_2x_at_50rps_disturbed_or_few_errors"])
    yield f"""## What is within reach

- **A fifth of the best tuned peer's bad answers**: {exposed} in the median scenario. In the worst one nothing can: the
  test that knows the truth has {_figure(best)} of that peer's. In the median scenario Slipway has {floored} times that
  test's: it has no shadow, which finds before any live request what copies show. Without one Slipway has {without}
  times as many. On live requests no sequential test with these error rates needs fewer observations on average than
  Wald's (Wald & Wolfowitz 1948).
- **1.5 times the delay of the test that knows the truth**, on the same weights, without a shadow: {within}.
  Not in {", ".join(late)}. That test knows each minute's gust, that a service never fails, and how bad this canary is;
  latency is held against a margin of 1.25, while it tests against equal.
- **Missed doublings** at 0.1 % errors, with an outage or with bursts: even the test that knows the truth
  misses {missed} of them within the plan in its worst scenario.
- **Promotion no later than the best tuned peer's**: not where evidence is scarce (a peer that promotes after nine
  minutes whatever it saw is sooner), nor with bursts as large as the error rate. Mostly held within the hour:
  {", ".join(ours["not_promoted_within_the_hour"])}.
- **A leak** that begins after a good start is promoted before it shows here. What is compared after promotion is played
  below: its rollbacks are not in these tables.
"""


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.2g}"


def _table(scenarios: Sequence[Found], kinds: tuple[str, ...], cell: Any) -> Iterable[str]:  # noqa: ANN401 - row to text
    columns = [
        (row["rule"], row["setting"])
        for row in scenarios[0]["rules"]
        if row["setting"] in kinds or ("shown" in kinds and row["setting"] == shown(row["rule"]))
    ]
    names = [rule + (f" ({kind})" if kind.startswith("tuned") else "") for rule, kind in columns]
    yield "| scenario | service | " + " | ".join(names) + " |"
    yield "|---|---|" + "---|" * len(columns)
    for one in scenarios:
        rows = {(row["rule"], row["setting"]): row for row in one["rules"]}
        yield (
            f"| {one['name']}: {one['says']} | {one['service']} | "
            + " | ".join(cell(rows[column]) for column in columns)
            + " |"
        )
    yield ""


def _rollback(row: Found) -> str:
    median = row["seconds_to_rollback"]["median"]
    return percent(row["rolled_back"]["share"]) + ("" if median is None else f", {median:.0f} s")


def _promotion(row: Found) -> str:
    median = row["seconds_to_promotion"]["median"]
    if median is None:
        return "-"
    return f"{median:.0f} s, {count(row['canary_requests_before_promotion']['median'])}"


def _state_machine(found: Found) -> Iterable[str]:
    """Show what the real path decides: along the traces of the rule above, and in worlds of its own."""
    rows = found["along_the_same_traces"]
    alike, whole = sum(row["alike"] for row in rows), sum(row["traces"] for row in rows)
    yield f"The rule above is array arithmetic. On {whole:,} fresh traces the product's `advance` decided the same, at"
    yield f"the same look, in {alike:,}."
    yield ""
    yield "| scenario | traces | rolled back | promoted | by the rule: rolled back | promoted | alike |"
    yield "|---|---|---|---|---|---|---|"
    for row in rows:
        shares = (
            percent(row[who][what]["share"]) for who in ("advance", "rule") for what in ("rolled_back", "promoted")
        )
        yield f"| {row['scenario']} | {row['traces']} | {' | '.join(shares)} | {row['alike']} |"
    yield ""
    yield "Worlds where phases, times and adapters decide as much as the evidence; played through `advance` alone:"
    yield ""
    yield "| world | rollouts | promoted, median | held | rolled back | found after promotion: median, slowest |"
    yield "|---|---|---|---|---|---|"
    for row in found["played"]:
        late = row["found_seconds"]
        said = "" if late["median"] is None else f"{late['median']:.0f} s, {late['slowest']:.0f} s"
        median = row["promoted_median_seconds"]
        promoted = f"{row['promoted']}" + ("" if median is None else f", {median:.0f} s")
        back = percent(row["rolled_back"]["share"])
        yield f"| {row['world']} | {row['traces']} | {promoted} | {row['held']} | {back} | {said} |"
    yield ""


def _defences(rows: Sequence[Found]) -> Iterable[str]:
    names = list(dict.fromkeys(row["rule"] for row in rows))
    yield from ("| scenario | " + " | ".join(names) + " |", "|---|" + "---|" * len(names))
    for scenario in dict.fromkeys(row["scenario"] for row in rows):
        cells = {row["rule"]: _rollback(row) for row in rows if row["scenario"] == scenario}
        yield f"| {scenario} | " + " | ".join(cells[name] for name in names) + " |"
    yield ""


def _settings(settings: Sequence[Found]) -> Iterable[str]:
    yield from ("| for | rule | setting | false rollbacks in tuning |", "|---|---|---|---|")
    for one in settings:
        text = ", ".join(f"{name} {_said(value)}" for name, value in one["setting"].items())
        yield f"| {one['for']} | {one['rule']} | {text} | {percent(one['false_rollbacks_in_tuning'])} |"
    yield ""


def _said(value: Any) -> str:  # noqa: ANN401 - settings are of any shape
    if isinstance(value, list):
        return " ".join(_said(one) for one in value)
    if isinstance(value, dict):
        return " ".join(_said(one) for one in value.values())
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
