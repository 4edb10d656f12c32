"""Figures from the rows: medians of what the rounds say, smallest to largest. Pure."""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchmarks.serving.line_up import EMPTY, LIMIT, OURS
from benchmarks.serving.parts import COMPARED, CONNECTIONS, OVERLOADS, WHOLE

Row = Mapping[str, Any]
Rows = Sequence[Row]
Figure = dict[str, Any]
FORMS = ("json", "binary")
BASIS, THREE_TIMES = 80, 300
"""Percent of the server's capacity."""


def figures(parts: Mapping[str, Rows]) -> dict[str, Figure]:
    """Return figures by name. `vs_PEER_cN`: our requests per second over the peer's, digits forest, JSON."""
    found: dict[str, Figure] = {}
    found |= dict(_closed(parts.get("closed", ())))
    found |= dict(_grpc(parts.get("grpc", ())))
    found |= dict(_overload(parts.get("overload", ())))
    found |= dict(_hiccups(parts.get("hiccups", ())))
    found |= dict(_memory(parts.get("memory", ())))
    found |= dict(_cold_start(parts.get("cold_start", ())))
    found |= dict(_workers(parts.get("workers", ())))
    loads = [row for rows in parts.values() for row in rows if "repeated" in row]
    if loads:
        for name, values in (
            ("measurements_repeated", [row["repeated"] for row in loads]),
            ("measurements_with_refusals", [row["refused"] > 0 for row in loads]),
        ):
            total = sum(values)
            found[name] = {"value": total, "interval": [total, total], "unit": "measurements"}
    return found


def spread(values: Sequence[float], unit: str) -> Figure:
    """Return the median with the smallest and the largest value.

    >>> spread([3.0, 1.0, 2.0], "x")
    {'value': 2.0, 'interval': [1.0, 3.0], 'unit': 'x'}
    """
    value, low, high = statistics.median(values), min(values), max(values)
    return {"value": round(value, 3), "interval": [round(low, 3), round(high, 3)], "unit": unit}


def by_round(rows: Rows, name: str, **where: object) -> dict[int, float]:
    """Return one value of the rows that have these keys, by round.

    >>> by_round([{"round": 0, "rps": 5.0, "server": "a"}, {"round": 0, "rps": 7.0, "server": "b"}], "rps", server="b")
    {0: 7.0}
    """
    chosen = [row for row in rows if all(row.get(key) == value for key, value in where.items())]
    return {row["round"]: row[name] for row in chosen if row.get(name) is not None}


def ratios(over: Mapping[int, float], under: Mapping[int, float]) -> list[float]:
    """Return the quotients of the rounds that both have: what disturbs a round disturbs both.

    >>> ratios({0: 6.0, 1: 8.0}, {0: 3.0})
    [2.0]
    """
    return [over[number] / under[number] for number in over if under.get(number)]


def prefix(model: str, form: str) -> str:
    """Return what the names of a model's figures begin with; nothing for the figures of digits in JSON.

    >>> prefix("digits", "json"), prefix("mlp", "binary")
    ('', 'mlp_binary_')
    """
    return "" if (model, form) == (WHOLE, "json") else f"{model}_{form}_"


def _closed(rows: Rows) -> Iterator[tuple[str, Figure]]:
    models, servers = (dict.fromkeys(row[key] for row in rows) for key in ("model", "server"))
    for model in models:
        for form in FORMS:
            for server in servers:
                for connections in CONNECTIONS:
                    where = {"model": model, "form": form, "connections": connections}
                    yield from _compared(rows, server, where)
    if idle := [row["server_cores"] for row in rows if row["server"] == "idle"]:
        yield "idle_cores", spread(idle, "cores")
    for server in servers:
        where = {"model": WHOLE, "form": "json", "connections": COMPARED}
        used = by_round(rows, "cpu_us", server=server, **where)
        if used:  # microseconds a request are seconds a million
            name = "cpu_seconds_per_million" + ("" if server == OURS else f"_{server}")
            yield name, spread(list(used.values()), "CPU-seconds")


def _compared(rows: Rows, server: str, where: Mapping[str, Any]) -> Iterator[tuple[str, Figure]]:
    start, end = prefix(where["model"], where["form"]), f"c{where['connections']}"
    rates, tails = (by_round(rows, name, server=server, **where) for name in ("rps", "p99"))
    if not rates:
        return
    yield f"{start}rps_{server}_{end}", spread(list(rates.values()), "requests/s")
    yield f"{start}p99_milliseconds_{server}_{end}", spread(list(tails.values()), "ms")
    ours, our_tails = (by_round(rows, name, server=OURS, **where) for name in ("rps", "p99"))
    if server != OURS and ours:
        yield f"{start}vs_{server}_{end}", spread(ratios(ours, rates), "x")
        yield f"{start}p99_vs_{server}_{end}", spread(ratios(tails, our_tails), "x")


PEER_NAMES = {"triton": "pytriton"}
"""Names of servers in the figures of gRPC, where they are not the line-up's."""


def _grpc(rows: Rows) -> Iterator[tuple[str, Figure]]:
    """Compare ours with the faster of our two forms over HTTP, and with peers, in each round."""
    for connections in dict.fromkeys(row["connections"] for row in rows):
        end = f"c{connections}"
        ours = by_round(rows, "rps", server=OURS, form="grpc", connections=connections)
        for server, form in dict.fromkeys((row["server"], row["form"]) for row in rows):
            where = {"server": server, "form": form, "connections": connections}
            name = f"{PEER_NAMES.get(server, server)}" if form == "grpc" else f"{server}_{form}"
            rates, tails, costs = (by_round(rows, value, **where) for value in ("rps", "p99", "cpu_us"))
            yield f"grpc_rps_{name}_{end}", spread(list(rates.values()), "requests/s")
            yield f"grpc_p99_milliseconds_{name}_{end}", spread(list(tails.values()), "ms")
            yield f"grpc_cpu_seconds_per_million_{name}_{end}", spread(list(costs.values()), "CPU-seconds")
            if (server, form) != (OURS, "grpc"):
                yield f"grpc_vs_{name}_{end}", spread(ratios(ours, rates), "x")
        forms = [by_round(rows, "rps", server=OURS, form=form, connections=connections) for form in FORMS]
        best = {number: max(form.get(number, 0.0) for form in forms) for number in ours}
        if any(best.values()):
            yield f"grpc_vs_http_{end}", spread(ratios(ours, best), "x")


def _overload(rows: Rows) -> Iterator[tuple[str, Figure]]:
    for model in dict.fromkeys(row["model"] for row in rows):
        for server in dict.fromkeys(row["server"] for row in rows):
            name = "overload" + ("" if model == next(iter(OVERLOADS)) else f"_{model}")
            name += "" if server == OURS else f"_{server}"
            where = {"model": model, "server": server}
            for since, words in (("due", ""), ("sent", "_from_sent")):
                basis = by_round(rows, f"p99_from_{since}", percent=BASIS, **where)
                worst = by_round(rows, f"p99_from_{since}", percent=THREE_TIMES, **where)
                if found := ratios(worst, basis):
                    yield f"{name}_p99_ratio{words}", spread(found, "x")
            for percent in (BASIS, THREE_TIMES):
                tails = by_round(rows, "p99_from_due", percent=percent, **where)
                accepted = by_round(rows, "accepted_per_second", percent=percent, **where)
                capacity = by_round(rows, "capacity", percent=percent, **where)
                if tails:
                    yield f"{name}_p99_milliseconds_at_{percent}", spread(list(tails.values()), "ms")
                    yield f"{name}_accepted_share_of_capacity_at_{percent}", spread(ratios(accepted, capacity), "x")


def _hiccups(rows: Rows) -> Iterator[tuple[str, Figure]]:
    for row in rows:
        refused = row["answered_429"] + row["answered_other"] + row["lost"]
        yield f"hiccups_not_answered_{row['model']}", spread([refused], "requests")
        yield f"hiccups_p99_milliseconds_{row['model']}", spread([row["p99_from_due"]], "ms")


def _memory(rows: Rows) -> Iterator[tuple[str, Figure]]:
    found = {row["server"]: row for row in rows}
    for name, row in found.items():
        if name != EMPTY:
            yield f"worker_megabytes_{name}", spread([row["worker_uss"]], "MB")
            yield f"start_seconds_{name}", spread([row["start_seconds"]], "s")
    if {OURS, LIMIT} <= found.keys():
        for kind, words in (("worker_uss", ""), ("worker_pss", "_pss"), ("all_pss", "_whole")):
            yield f"memory_ratio_vs_{LIMIT}{words}", spread([found[OURS][kind] / found[LIMIT][kind]], "x")


def _cold_start(rows: Rows) -> Iterator[tuple[str, Figure]]:
    for server in dict.fromkeys(row["server"] for row in rows):
        name = "cold_start_seconds" + ("" if server == OURS else f"_{server}")
        yield name, spread(list(by_round(rows, "seconds", server=server).values()), "s")


def _workers(rows: Rows) -> Iterator[tuple[str, Figure]]:
    """Two cores hold two workers and the client: what the client takes of the second is not the workers' to have."""
    if not rows:
        return
    one, two = (by_round(rows, "rps", workers=count) for count in (1, 2))
    client = by_round(rows, "client_cores", workers=2)
    yield "two_workers_ratio", spread([2 * two[n] / (2 - client[n]) / one[n] for n in two], "x")
    yield "two_workers_ratio_as_measured", spread(ratios(two, one), "x")
    yield "two_workers_client_cores", spread(list(client.values()), "cores")
    alone, together = (by_round(rows, "cpu_us", workers=count) for count in (1, 2))
    yield "two_workers_cpu_ratio", spread(ratios(together, alone), "x")
