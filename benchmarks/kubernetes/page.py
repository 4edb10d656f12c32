"""The figures as the page that docs show. Pure: from a document of results to text."""

from collections.abc import Iterable, Mapping
from typing import Any

from benchmarks.kubernetes.figures import Figure

Figures = Mapping[str, Figure]
HEADLINES = {
    "requests_lost": "requests lost under load, in all releases and rollouts",
    "rollback_p99_ratio": "p99 while a bad version is tried and taken back, against the 10 s before",
    "second_package_push_seconds": "next version with the same dependencies: packaged and pushed",
    "second_pull_kilobytes": "what a node pulls for it",
    "bad_to_zero_weight_seconds": "from the first bad answer to the last request of the bad version",
    "bad_answers": "bad answers in that time",
    "client_visible_failures": "of them, what clients saw: stable answers the others",
    "api_calls_per_release": "calls to the API server for a promotion",
    "lead_time_seconds": "lead time of a version that replaces a serving one, all gates, from its registration",
    "overhead_seconds": "of it, all that is not waiting for evidence",
    "reconcile_500_seconds": "`reconcile` over 500 models at rest",
    "reconcile_idle_api_calls": "its calls to the API server",
}
KINDS = {"first": "first version", "promotion": "good version, promoted", "rollback": "bad version, taken back"}
USED = ("Kubernetes", "Traefik", "Prometheus", "kwok", "MLflow", "Prefect")
REPLICAS = 2
PARTS = ("specs", "registry", "leases", "statuses")


def page(document: Mapping[str, Any]) -> str:
    """Return the page; a part that was not measured is left out."""
    figures: Figures = document["figures"]
    blocks = [_head(document), _headlines(figures)]
    if "promotion_api_calls" in figures:
        blocks.append(_rollouts(figures))
    if "lead_time_seconds" in figures:
        blocks.append(_stages(figures))
    if "reconcile_idle_api_calls" in figures:
        blocks.append(_reconcile(document))
    blocks.append(_limits(figures))
    return "\n\n".join(blocks) + "\n"


def _head(document: Mapping[str, Any]) -> str:
    where, versions = document["machine"], document["versions"]
    used = ", ".join(f"{name} {versions[name.lower()].lstrip('v')}" for name in USED if name.lower() in versions)
    busy = ""
    if document["contended"]:
        loads = ", ".join(f"{part} {load:.1f}" for part, load in document["load_average_before"].items())
        busy = (
            f" The machine had other work all the time (load average before each part: {loads}), so read seconds and"
            " p99 as upper bounds; counts do not depend on it."
        )
    return (
        "# Kubernetes benchmark\n\n"
        f"A whole cluster, its load generator, MLflow and Prefect on {where['cores']} cores of {where['cpu']},"
        f" {where['memory_gibibytes']} GiB, {document['date']}; {used}.{busy}"
        f" Written by `{document['command']}`; do not edit. Every row behind these figures is in"
        " `benchmarks/kubernetes/results.json`. Median, smallest to largest."
    )


def _headlines(figures: Figures) -> str:
    rows = [(f"{what} (`{name}`)", cell(figures[name])) for name, what in HEADLINES.items() if name in figures]
    if "requests_lost" in figures:
        lost, sent = figures["requests_lost"]["value"], figures["requests_sent"]["value"]
        rows[0] = (rows[0][0], f"**{lost} of {sent:,}**")
    return table(("", ""), rows)


def _rollouts(figures: Figures) -> str:
    rows = []
    for kind, title in KINDS.items():
        p99 = [f"{kind}_p99_{when}_milliseconds" for when in ("before", "during", "after")]
        names = [f"{kind}_rollout_seconds", f"{kind}_api_calls", f"{kind}_api_calls_per_second", *p99]
        rows.append((title, *(cell(figures[name], unit=False) if name in figures else "" for name in names)))
    head = ("rollout", "seconds", "API calls", "calls per second", "p99 before, ms", "during", "after")
    return (
        "## Rollouts\n\nA small service under 30 requests a second through the gateway, looks every 0.5 s, one step of"
        " 3 s at 50 %, judged by errors. The bad version fails on every fifth request."
        f"\n\n{table(head, rows)}"
    )


def _stages(figures: Figures) -> str:
    stages = [
        (name.removeprefix("stage_").removesuffix("_seconds").replace("_", " "), cell(figure, unit=False))
        for name, figure in figures.items()
        if name.startswith("stage_")
    ]
    return (
        "## Lead time\n\nThe digits model through every stage, replacing a serving version under load; gates run side"
        " by side, so they add up to more than the whole. A gate that has seen the same content takes 0 s: its result"
        f" is kept.\n\n{table(('stage', 'seconds'), stages)}"
    )


def _reconcile(document: Mapping[str, Any]) -> str:
    figures: Figures = document["figures"]
    passes = sorted({(row["models"], row["due"]) for row in document["rows"]["reconcile"]})
    rows = []
    for models, due in passes:
        name = f"reconcile_{models}" + (f"_{due}_due" if due else "")
        shown = [f"{name}_seconds", f"{name}_api_calls", f"{name}_mlflow_calls"]
        parts = [f"{name}_{part}_seconds" for part in PARTS]
        rows.append((str(models), str(due), *(cell(figures[one], unit=False) for one in [*shown, *parts])))
    most = max(document["rows"]["reconcile"], key=lambda row: row["models"])
    head = ("models", "due", "the flow, s", "Kubernetes calls", "MLflow calls", *(f"{part}, s" for part in PARTS))
    return (
        "## `reconcile`\n\nA process of its own for each run, as a worker starts it (its start is not in the seconds)."
        " Every model is registered, promoted and at rest, with status, lease, route, a Deployment and two pods on"
        f" simulated nodes ({most['pods']:,} of {REPLICAS * most['models']:,} ready at the largest size; `reconcile`"
        " asks for none of them). `due` of the models have a version that nobody began to release, and get a flow run"
        f" each. The last columns are its questions, asked alone in a fresh process.\n\n{table(head, rows)}"
    )


def _limits(figures: Figures) -> str:
    said = []
    if "second_push_seconds" in figures:
        said.append(
            f"**Images.** The next version's time is building the Bento"
            f" ({figures['second_package_seconds']['value']:.1f} s) and its push"
            f" ({figures['second_push_seconds']['value']:.1f} s). Only new dependencies build a runtime: that is the"
            f" first version's {figures['first_package_push_seconds']['value']:.0f} s, and a pull of"
            f" {figures['first_pull_megabytes']['value']:.0f} MB."
        )
    if "bad_to_zero_weight_seconds" in figures:
        said.append(
            "**A bad version.** The judge needs enough bad answers to be sure, and they arrive at the rate of the"
            " traffic; Prometheus scrapes every 2 s here, and a look can see no later than the last scrape. Moving the"
            " weight is one write, and a wait until the gateway has it."
        )
    if "promotion_api_calls" in figures:
        said.append(
            "**API calls.** A release asks on every look: status, lease, Deployments, pods, autoscalers, route. They"
            f" grow with its length ({figures['promotion_api_calls_per_second']['value']:.0f} a second at a look every"
            " 0.5 s; longer intervals ask less). All of them name one model: other models add none."
        )
    if "reconcile_idle_api_calls" in figures:
        said.append(_reconcile_limits(figures))
    return "## What limits it\n\n" + "\n\n".join(said)


def _reconcile_limits(figures: Figures) -> str:
    more = figures.get("reconcile_api_calls_per_model_more", {}).get("value", 0)
    due = figures.get("reconcile_api_calls_per_due_model", {}).get("value", 0)
    return (
        f"**`reconcile`.** Two lists whatever there is: {more:g} calls to Kubernetes more per model at rest,"
        f" {due:g} per model that is due; MLflow is asked for a page of 200 models at a time. What grows is the size of"
        " two answers (MLflow's models, the leases), and the reading of release specs, YAML with the place of every"
        " key, once per run: it is most of the questions' seconds; the rest of the flow's is Prefect's. Statuses at"
        " rest are left out by the API server. A model that is due costs a task run and a flow run in Prefect on top,"
        " about a second each on this machine; the calls beside it are two to Kubernetes and two to MLflow."
    )


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a table.

    >>> print(table(("a", "b"), [("1", "2")]))
    | a | b |
    |---|---|
    | 1 | 2 |
    """
    names = list(head)
    lines = [names, *map(list, rows)]
    first, *rest = ("| " + " | ".join(line) + " |" for line in lines)
    return "\n".join([first, "|" + "---|" * len(names), *rest])


def cell(figure: Figure, *, unit: bool = True) -> str:
    """Return one figure with its range, where it has one.

    >>> cell({"value": 2.0, "interval": [1.0, 3.0], "unit": "s"})
    '2 (1 to 3) s'
    >>> cell({"value": 0.5, "interval": [0.5, 0.5], "unit": "s"}, unit=False)
    '0.5'
    """
    low, high = figure["interval"]
    spread = f" ({low:g} to {high:g})" if low != high else ""
    return f"{figure['value']:g}{spread}" + (f" {figure['unit']}" if unit else "")
