"""What is measured, part by part: each yields rows."""

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.serving import asking, grpc_load, line_up
from benchmarks.serving.closed_loop import Load
from benchmarks.serving.environments import Unavailable
from benchmarks.serving.grpc_load import GrpcLoad
from benchmarks.serving.line_up import CHECKED, EMPTY, LIMIT, OURS, SERVERS, Server
from benchmarks.serving.models import Model, make
from benchmarks.serving.processes import Process, ServerFailed, pinned, running

Row = dict[str, Any]
CONNECTIONS = (1, 8, 32, 128)
COMPARED = 8
"""Connections at which all servers are compared, whatever the model and the form."""
GRPC_CONNECTIONS = (1, 8, 32)
"""At which gRPC is compared."""
WHOLE = "digits"
"""The model on which all servers are compared at all connections."""
REPEATS = 3
"""A queue that is bounded by time refuses some when its process was held up by others."""
REQUESTS = 1000
"""Before memory is measured."""
WORKERS_CONNECTIONS = 16
"""For each worker: with fewer each, two would have smaller batches than one, which is another matter."""
OVERLOADS = {"mlp": 32}
"""Rows of a request, by model: its work is ten times what refusing it takes, and the generator keeps up with it."""
CAPACITY_CONNECTIONS = (4, 8, 16)
"""The best of them is what a server answers at most; with more the service refuses some, which takes time, too."""
OPEN_CONNECTIONS = 512
LOADS = {"80": 0.8, "300": 3.0}
"""Percent of what the server answers at most under closed-loop load."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """Where, how often and how long."""

    folder: Path
    server_core: int
    client_core: int
    rounds: int
    seconds: int
    models: Sequence[str]
    overloads: Sequence[str]
    starts: int
    hiccup_seconds: int = 300
    """Of load on each model while other work keeps every core busy."""
    left_out: dict[str, str] = field(default_factory=dict)
    """Peers that can't run here, and why."""
    made: dict[str, Model] = field(default_factory=dict)

    def model(self, name: str) -> Model:
        """Return a model, made the first time."""
        if name not in self.made:
            self.made[name] = make(name, self.folder / "models")
        return self.made[name]

    def place(self, *names: object) -> Path:
        """Return a new empty folder."""
        place = self.folder / "-".join(map(str, names))
        place.mkdir(parents=True)
        return place

    def load(self, form: asking.Form, place: Path) -> Load:
        """Return closed-loop load of a form, whose bodies are written to a new folder."""
        asking.write_bodies(form, place / form.name)
        return Load(form=form, folder=place / form.name, core=self.client_core)


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """A running server with its load."""

    server: Server
    process: Process
    loads: dict[str, Load]


def closed(bench: Bench) -> Iterator[Row]:
    """All servers of a model side by side; each round measures all of them at one setting after the other."""
    for name in bench.models:
        with contextlib.ExitStack() as stack:
            started = _all_started(bench, bench.model(name), stack)
            yield _idle(name, started)
            for number in range(bench.rounds):
                turned = started[number % len(started) :] + started[: number % len(started)]
                for form in ("json", "binary"):
                    for connections in CONNECTIONS:
                        for one in turned:
                            if _wanted(name, one.server.name, form, connections) and form in one.loads:
                                found = measured(one.loads[form], one.process, connections, bench.seconds)
                                where = {"model": name, "server": one.server.name, "form": form}
                                yield {**where, "connections": connections, "round": number, **found}


def measured(load: Load | GrpcLoad, process: Process, connections: int, seconds: int) -> Row:
    """Measure, again where the server refused anything, so that the same work is compared; tell how often that was.

    A server that refuses each time is told of by `refused`; the run fails for it, at its end.
    """
    for repeated in range(REPEATS + 1):
        found = load.run(process, connections, seconds) | {"repeated": repeated}
        if not found["refused"]:
            break
        said = f"{load.form.path}, {load.form.name}" if isinstance(load, Load) else f"gRPC on port {load.port}"
        what = f"{said}, {connections} connections"
        print(f"  {found['refused']} refused: {what}", flush=True)
    return found


def _wanted(model: str, server: str, form: str, connections: int) -> bool:
    """Tell whether a setting is measured: peers on other models, and in binary form, are compared at one or two."""
    everywhere = model == WHOLE and form == "json"
    if server == EMPTY:  # the same whatever the model
        return everywhere
    return everywhere or server in {OURS, LIMIT} or connections in compared_at(server)


def compared_at(server: str) -> tuple[int, ...]:
    """Return the connections at which a server is compared on every model: ours has to keep up with one client, too."""
    return (1, COMPARED) if server == CHECKED else (COMPARED,)


def _all_started(bench: Bench, model: Model, stack: contextlib.ExitStack) -> list[Started]:
    right = asking.expected(model)
    started = []
    for server in SERVERS:
        place = bench.place(model.name, server.name)
        try:
            command = server.command(model, place)
        except Unavailable as reason:
            bench.left_out[server.name] = str(reason)
            continue
        process = stack.enter_context(running(command, [bench.server_core]))
        loads = {}
        for form in (maker(model) for maker in server.forms):
            if server.infers:
                asking.check(server.name, process.url, form, right)
            loads[form.name] = bench.load(form, place)
            loads[form.name].run(process, COMPARED, 1)  # warm
        started.append(Started(server=server, process=process, loads=loads))
    return started


def _idle(model: str, started: Sequence[Started]) -> Row:
    """Return what all servers together compute while no request comes: it is lost to the one that is measured."""
    before = [one.process.cpu_seconds() for one in started]
    time.sleep(1)
    used = sum(
        sum(one.process.cpu_seconds().values()) - sum(was.values()) for one, was in zip(started, before, strict=True)
    )
    return {"model": model, "server": "idle", "form": "", "connections": 0, "round": 0, "server_cores": used}


def grpc(bench: Bench) -> Iterator[Row]:
    """Ours over gRPC and over HTTP, and peers over gRPC, side by side; a round asks them all, one after the other."""
    model = bench.model(WHOLE)
    right, bodies = asking.expected(model), grpc_load.messages(model)
    with contextlib.ExitStack() as stack:
        ways: list[tuple[str, str, Process, Load | GrpcLoad]] = []
        for name, lay_out in line_up.GRPC.items():
            place = bench.place("grpc", name)
            try:
                command = lay_out(model, place)
            except Unavailable as reason:
                bench.left_out[name] = str(reason)
                continue
            process = stack.enter_context(running(command, [bench.server_core]))
            size = grpc_load.check(name, command.grpc_port, bodies, right)
            file = place / "message"
            file.write_bytes(b"\0" + len(bodies[0]).to_bytes(4, "big") + bodies[0])
            over_grpc = GrpcLoad(port=command.grpc_port, file=file, answer_size=size, core=bench.client_core)
            ways.append((name, "grpc", process, over_grpc))
            if name == OURS:
                forms = (asking.oip_json(model), asking.oip_binary(model))
                ways += [(name, form.name, process, bench.load(form, place)) for form in forms]
        for _, _, process, load in ways:
            load.run(process, COMPARED, 1)  # warm
        for number in range(bench.rounds):
            turned = ways[number % len(ways) :] + ways[: number % len(ways)]
            for connections in GRPC_CONNECTIONS:
                for name, form, process, load in turned:
                    found = measured(load, process, connections, bench.seconds)
                    yield {"server": name, "form": form, "connections": connections, "round": number, **found}


def memory(bench: Bench) -> Iterator[Row]:
    """Each server alone: megabytes after some requests, and how long its start took."""
    model = bench.model(WHOLE)
    for server in SERVERS:
        if server.name in bench.left_out:
            continue
        place = bench.place("memory", server.name)
        with running(server.command(model, place), [bench.server_core]) as process:
            asking.ask(process.url, server.forms[0](model), REQUESTS)
            yield {"server": server.name, "start_seconds": process.start_seconds, **process.memory()}


def cold_start(bench: Bench) -> Iterator[Row]:
    """Start the same package by its own server and by `bentoml serve`, in turn, each from a folder never run before."""
    ways = {"slipway": line_up.ours, "bentoml_serve": line_up.ours_by_bentoml}
    for number in range(bench.starts):
        for name, command in ways.items():
            place = bench.place("cold", name, number)
            with running(command(bench.model(WHOLE), place), [bench.server_core]) as process:
                yield {"server": name, "round": number, "seconds": process.start_seconds}


def workers(bench: Bench) -> Iterator[Row]:
    """One worker on a core, and two on both: the client is on the second core, and its share of it is measured."""
    model = bench.model(WHOLE)
    form = asking.oip_json(model)
    cores = {1: [bench.server_core], 2: [bench.server_core, bench.client_core]}
    with contextlib.ExitStack() as stack:
        started = {}
        for count, where in cores.items():
            place = bench.place("workers", count)
            process = stack.enter_context(running(line_up.ours(model, place, count), where))
            started[count] = (process, bench.load(form, place))
            started[count][1].run(process, count * WORKERS_CONNECTIONS, 1)
        for number in range(bench.rounds):
            for count, (process, load) in started.items():
                found = measured(load, process, count * WORKERS_CONNECTIONS, bench.seconds)
                yield {"workers": count, "round": number, **found}


def overload(bench: Bench) -> Iterator[Row]:
    """Ours and the limit at 80 % and at three times of what they answer: open loop, the same connections."""
    for name in bench.overloads:
        model = bench.model(name)
        rows = OVERLOADS[name]
        form = asking.oip_json(model) if rows == 1 else asking.oip_batch(model, rows)
        for server in SERVERS[:2]:
            place = bench.place("overload", name, server.name)
            with running(server.command(model, place), [bench.server_core]) as process:
                load = bench.load(form, place)
                load.run(process, COMPARED, 1)  # warm
                for number in range(bench.rounds):
                    capacity = max(load.run(process, connections, 1)["rps"] for connections in CAPACITY_CONNECTIONS)
                    for percent, share in LOADS.items():
                        found = _open(bench, process, load, capacity * share)
                        where = {"model": name, "server": server.name, "rows": rows, "percent": int(percent)}
                        yield {**where, "round": number, "capacity": capacity, **found}


def _open(bench: Bench, process: Process, load: Load, rate: float) -> Row:
    """Run the open-loop generator; raise ServerFailed where the generator itself did not keep up."""
    command = [
        *(*pinned([bench.client_core]), sys.executable, "-m", "benchmarks.serving.open_loop", process.url),
        *(str(load.folder / "form.json"), "--rate", str(rate), "--seconds", str(bench.seconds)),
        *("--connections", str(OPEN_CONNECTIONS)),
    ]
    done = subprocess.run(command, cwd=line_up.ROOT, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode:
        raise ServerFailed(f"the open-loop generator ended with {done.returncode}: {done.stderr[-500:]}")
    found: Row = json.loads(done.stdout)
    if found["client_cores"] > BUSY:
        seen = f"{found['client_cores']:.2f} of its core at {rate:.0f} requests a second"
        raise ServerFailed(f"the open-loop generator took {seen}; expected at most {BUSY}: it may be the bottleneck")
    statuses = found.pop("statuses")
    return (
        found
        | {f"answered_{code}": statuses.pop(code, 0) for code in ("200", "429")}
        | {"answered_other": sum(statuses.values())}
    )


BUSY = 0.85
"""Of a core, from which on the generator's own delays would be taken for the server's."""
