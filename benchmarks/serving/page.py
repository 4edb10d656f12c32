"""The figures as docs/performance.md shows them, between its markers. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.serving.figures import FORMS, Figure, prefix
from benchmarks.serving.line_up import EMPTY, LIMIT, OURS, SERVERS
from benchmarks.serving.parts import COMPARED, CONNECTIONS, GRPC_CONNECTIONS, OVERLOADS, WHOLE, compared_at

Figures = Mapping[str, Figure]
BEGIN, END = "<!-- serving:begin -->", "<!-- serving:end -->"


def filled(page: str, document: Mapping[str, Any]) -> str:
    """Return the page with what stands between its markers written anew."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{tables(document)}\n{END}{after}"


def tables(document: Mapping[str, Any]) -> str:
    """Return all tables."""
    figures: Figures = document["figures"]
    rows = document["rows"]
    blocks = [_head(document), _side_by_side(document), _tails(document), _models(document), _costs(figures)]
    if rows.get("grpc"):
        blocks.append(_grpc(figures))
    if rows.get("overload"):
        blocks.append(_overload(figures))
    if rows.get("hiccups"):
        blocks.append(_hiccups(rows["hiccups"], figures))
    if rows.get("stages"):
        blocks.append(_stages(rows["stages"], figures))
    if rows.get("workers") or rows.get("cold_start"):
        blocks.append(_others(figures))
    return "\n\n".join(blocks)


def _head(document: Mapping[str, Any]) -> str:
    where = document["machine"]
    busy = ""
    if document["contended"]:
        busy = " The machine had other work meanwhile: read ratios, not rates."
    left_out = "".join(f" Left out: {name} ({why})." for name, why in document["left_out"].items())
    told = {
        "measurements_repeated": "measurements were repeated, as some of their answers were not 200",
        "measurements_with_refusals": "had such answers each time: **not comparable**",
    }
    for name, words in told.items():
        count = document["figures"].get(name, {"value": 0})["value"]
        busy += f" {count} {words}." if count else ""
    if where["threads_per_core"] > 1:
        busy = f" They are {where['threads_per_core']} threads of one core: server and client share its units.{busy}"
    later = [f"{name} ({date})" for name, date in document.get("dates", {}).items() if date != document["date"]]
    busy += f" Measured on other days: {', '.join(later)}." * bool(later)
    return (
        f"{where['cores']} cores of {where['cpu']}, {document['date']}, by `{document['command']}`,"
        f" {document['rounds']} rounds of {document['seconds_each']} s for each setting."
        f" Median, smallest to largest.{busy}{left_out}"
    )


def _side_by_side(document: Mapping[str, Any]) -> str:
    figures = document["figures"]
    lines = _table(
        "server", *(f"{number} connection{'s' * (number > 1)}" for number in CONNECTIONS), "ours over it, at 8"
    )
    for server in SERVERS:
        rates = [_rate(figures.get(f"rps_{server.name}_c{number}")) for number in CONNECTIONS]
        if any(rates):
            ratio = "" if server.name == OURS else _cell(figures.get(f"vs_{server.name}_c{COMPARED}"))
            lines.append(_row(_named(server.name, server.about, document), *rates, ratio))
    return "### Requests per second: digits forest, JSON\n\n" + "\n".join(lines)


def _named(name: str, about: str, document: Mapping[str, Any]) -> str:
    said = ", ".join(f"{what} {number}" for what, number in document["versions"].get(name, {}).items())
    shown = f"**{name}**" if name == OURS else name
    return f"{shown}: {about}{f' ({said})' if said else ''}"


def _tails(document: Mapping[str, Any]) -> str:
    figures = document["figures"]
    lines = _table("server", *(f"{number}" for number in CONNECTIONS), "its over ours, at 8")
    for server in SERVERS:
        tails = [_cell(figures.get(f"p99_milliseconds_{server.name}_c{number}")) for number in CONNECTIONS]
        if any(tails):
            ratio = "" if server.name == OURS else _cell(figures.get(f"p99_vs_{server.name}_c{COMPARED}"))
            lines.append(_row(server.name, *tails, ratio))
    return "### p99 in milliseconds, by connections\n\n" + "\n".join(lines)


def _models(document: Mapping[str, Any]) -> str:
    """Show our requests per second over every server's, by model and form."""
    figures, models = document["figures"], document["models"]
    peers = [server.name for server in SERVERS if server.name not in {OURS, LIMIT, EMPTY}]
    settings = [(LIMIT, number) for number in CONNECTIONS]
    settings += [(name, number) for name in peers for number in compared_at(name)]
    lines = _table("model", "form", *(f"{name}, {number}" for name, number in settings))
    for model, about in models.items():
        for form in FORMS:
            start = prefix(model, form)
            cells = [_cell(figures.get(f"{start}vs_{name}_c{number}")) for name, number in settings]
            if any(cells):
                lines.append(_row(f"{model}: {about['about']}, {about['kilobytes']:,} kB", form, *cells))
    return "### Our requests per second over theirs, by connections\n\n" + "\n".join(lines)


def _costs(figures: Figures) -> str:
    lines = _table("server", "CPU-seconds per million requests, 8 connections", "MB of the worker's own", "start, s")
    for server in SERVERS:
        words = "" if server.name == OURS else f"_{server.name}"
        names = (f"cpu_seconds_per_million{words}", f"worker_megabytes_{server.name}", f"start_seconds_{server.name}")
        cells = [_cell(figures.get(name), digits) for name, digits in zip(names, (0, 0, 1), strict=True)]
        if any(cells):
            lines.append(_row(server.name, *cells))
    return f"### What a server costs\n\nDigits forest, JSON; memory after 1,000 requests.\n\n{chr(10).join(lines)}"


GRPC_ROWS = {
    OURS: "**slipway**, gRPC",
    f"{OURS}_json": "slipway, HTTP, JSON",
    f"{OURS}_binary": "slipway, HTTP, bytes",
    "kserve": "kserve, gRPC",
    "pytriton": "triton (PyTriton), gRPC",
}
"""What is compared over gRPC, by its name in the figures."""


def _grpc(figures: Figures) -> str:
    rates = [f"{number} connection{'s' * (number > 1)}" for number in GRPC_CONNECTIONS]
    lines = _table("digits forest", *rates, "p99 at 8, ms", "CPU-seconds per million, at 8", "ours over it, at 8")
    for name, words in GRPC_ROWS.items():
        cells = [_rate(figures.get(f"grpc_rps_{name}_c{number}")) for number in GRPC_CONNECTIONS]
        cells.append(_cell(figures.get(f"grpc_p99_milliseconds_{name}_c{COMPARED}")))
        cells.append(_cell(figures.get(f"grpc_cpu_seconds_per_million_{name}_c{COMPARED}"), 0))
        if any(cells):
            lines.append(_row(words, *cells, _cell(figures.get(f"grpc_vs_{name}_c{COMPARED}"))))
    against = _cell(figures.get(f"grpc_vs_http_c{COMPARED}"))
    told = f"\n\ngRPC over the faster form of HTTP, in the same round, at {COMPARED} connections: {against}." * bool(
        against
    )
    return f"### gRPC: requests per second\n\n{chr(10).join(lines)}{told}"


def _overload(figures: Figures) -> str:
    head = (
        "p99 at 80 %, ms",
        "at 300 %, ms",
        "ratio",
        "ratio, from when it was sent",
        "accepted at 300 %, of capacity",
    )
    lines = _table("model", "server", *head)
    for number, (model, rows) in enumerate(OVERLOADS.items()):
        for server in (OURS, LIMIT):
            name = "overload" + (f"_{model}" if number else "") + ("" if server == OURS else f"_{server}")
            ends = ("p99_milliseconds_at_80", "p99_milliseconds_at_300", "p99_ratio", "p99_ratio_from_sent")
            cells = [_cell(figures.get(f"{name}_{end}")) for end in (*ends, "accepted_share_of_capacity_at_300")]
            if any(cells):
                lines.append(_row(f"{model}, {rows} row{'s' * (rows > 1)} a request", server, *cells))
    return "### Overload\n\n" + "\n".join(lines)


def _hiccups(rows: Sequence[Mapping[str, Any]], figures: Figures) -> str:
    lines = _table("model", "requests", "not answered with 200", "p99 from when they were due, ms")
    for row in rows:
        names = (f"hiccups_{name}_{row['model']}" for name in ("not_answered", "p99_milliseconds"))
        cells = (_cell(figures[name], digits) for name, digits in zip(names, (0, 1), strict=True))
        lines.append(_row(row["model"], f"{row['rate'] * row['seconds']:,.0f}", *cells))
    spinning = rows[0]["spinning"]
    told = f"{spinning} processes that spin keep the {spinning} cores busy; {rows[0]['rate']:.0f} requests a second."
    return f"### A small load while other work keeps every core busy\n\n{told}\n\n{chr(10).join(lines)}"


def _stages(rows: Sequence[Mapping[str, Any]], figures: Figures) -> str:
    models = list(dict.fromkeys(row["model"] for row in rows))
    lines = _table("stage", *models)
    for stage in dict.fromkeys(row["stage"] for row in rows):
        times = {row["model"]: row["us"] for row in rows if row["stage"] == stage}
        lines.append(_row(stage, *(f"{times[model]:.1f}" for model in models)))
    sums = {model: sum(row["us"] for row in rows if row["model"] == model) for model in models}
    lines.append(_row("all of these", *(f"{sums[model]:.1f}" for model in models)))
    ours, empty = figures.get("cpu_seconds_per_million"), figures.get(f"cpu_seconds_per_million_{EMPTY}")
    told = ""
    if ours and empty and WHOLE in sums:
        whole, known = ours["value"], sums[WHOLE]
        told = (
            f"\n\nA digits request costs {whole:.0f} us of CPU in our worker at {COMPARED} connections: {known:.0f} us"
            f" are these stages (less where requests are run together), and {whole - known:.0f} us are sockets, HTTP,"
            f" the event loop, queue and counters. uvicorn alone, with an empty answer, takes {empty['value']:.0f} us."
        )
    return f"### Where the time goes: microseconds of one JSON request\n\n{chr(10).join(lines)}{told}"


OTHERS = {
    "cold_start_seconds": "from the start of the process to its first 200 of `/v2/health/ready`, s",
    "cold_start_seconds_bentoml_serve": "the same package by `bentoml serve`, s",
    f"memory_ratio_vs_{LIMIT}": "memory of a worker over bare ASGI's (USS)",
    f"memory_ratio_vs_{LIMIT}_whole": "the same with the supervisor (PSS of all processes)",
    "two_workers_ratio": "two workers over one, per core that the client leaves them",
    "two_workers_ratio_as_measured": "as measured, with the client on the second core",
    "two_workers_client_cores": "the client's share of the second core",
    "two_workers_cpu_ratio": "CPU of a request with two workers over one",
}


def _others(figures: Figures) -> str:
    lines = _table("", "")
    lines += [_row(f"{words} (`{name}`)", _cell(figures[name], 2)) for name, words in OTHERS.items() if name in figures]
    return "### Start, memory, workers\n\n" + "\n".join(lines)


def _table(*heads: str) -> list[str]:
    return [_row(*heads), "|" + "---|" * len(heads)]


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _rate(figure: Figure | None) -> str:
    return "" if figure is None else f"{figure['value']:,.0f}"


def _cell(figure: Figure | None, digits: int = 2) -> str:
    """Return a figure with its interval, where it has one.

    >>> _cell({"value": 2.0, "interval": [1.5, 3.0], "unit": "x"})
    '2.00 (1.50 to 3.00)'
    """
    if figure is None:
        return ""
    low, high = figure["interval"]
    value = f"{figure['value']:,.{digits}f}"
    return value if low == high else f"{value} ({low:,.{digits}f} to {high:,.{digits}f})"
