"""The inference service as a real process: started as packages start it, asked through its port, and ended."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil
from prometheus_client.parser import text_string_to_metric_families

from slipway.adapters.bento.process import stop_group

ROOT = Path(__file__).parents[3]
SECONDS = 60
Labels = frozenset[tuple[str, str]]


@dataclass(slots=True, kw_only=True)
class Served:
    """A process of the service, and what it printed."""

    process: "subprocess.Popen[bytes]"
    port: int
    log: Path
    client: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        """Open a client."""
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=30)

    def ready(self) -> bool:
        """Ask its readiness probe; nobody there is not ready."""
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}/v2/health/ready", timeout=2).is_success
        except httpx.TransportError:
            return False

    def wait_ready(self) -> None:
        """Wait for the first ready answer."""
        until(lambda: self.ready() or self.process.poll() is not None)
        assert self.process.poll() is None, self.log.read_text()

    def samples(self) -> dict[str, dict[Labels, float]]:
        """Return our samples of its metrics page, by name and labels without model and revision (and check those)."""
        found: dict[str, dict[Labels, float]] = {}
        for family in text_string_to_metric_families(self.client.get("/metrics").raise_for_status().text):
            for sample in family.samples:
                if sample.name.startswith("slipway_"):
                    labels = dict(sample.labels)
                    assert (labels.pop("model"), labels.pop("revision")) == ("toy", "toy-v3")
                    found.setdefault(sample.name, {})[frozenset(labels.items())] = sample.value
        return found

    def requests(self) -> dict[str, float]:
        """Return the requests of the Open Inference Protocol counted by status."""
        counted = self.samples()["slipway_requests_total"]
        return {dict(labels)["code"]: value for labels, value in counted.items() if ("protocol", "oip") in labels}

    def in_flight(self) -> float:
        """Return the requests under way."""
        return self.samples()["slipway_requests_in_flight"][frozenset()]

    def logged(self, text: str) -> int:
        """Return how many lines of its log end so."""
        return sum(line.endswith(text) for line in self.log.read_text().splitlines())

    def workers(self) -> list[psutil.Process]:
        """Return the processes under the supervisor that answer."""
        children = psutil.Process(self.process.pid).children()
        return [
            child
            for child in children
            if any("services.inference.processes.worker" in part for part in child.cmdline())
        ]

    @contextlib.contextmanager
    def half_sent(self, body: bytes) -> Iterator[socket.socket]:
        """Send a request without its last byte: it has arrived, and can't be answered yet."""
        head = f"POST /v2/models/toy/infer HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n"
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as connection:
            connection.sendall(head.encode() + body[:-1])
            until(lambda: self.in_flight() == 1)
            yield connection


@contextlib.contextmanager
def served(model: Path, folder: Path, *more: str, **environment: str) -> Iterator[Served]:
    """Lay a model and the service's source out as a package has them, and serve them; all is ended afterwards.

    `more` are further words of the command line; the last of a kind counts.
    """
    shutil.copytree(ROOT / "services" / "inference", folder / "services" / "inference")
    shutil.copyfile(ROOT / "services" / "__init__.py", folder / "services" / "__init__.py")
    shutil.copytree(ROOT / "src" / "slipway_interface", folder / "slipway_interface")
    shutil.copytree(model, folder / "model")
    port = free_port()
    command = [*(sys.executable, "-m", "services.inference"), "--port", str(port), "--workers", "1", *more]
    hidden = {"CUDA_VISIBLE_DEVICES": "-1", "BENTOML_HOME": str(folder / "home")}
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            env=os.environ | hidden | environment,
            cwd=folder,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    one = Served(process=process, port=port, log=log)
    try:
        with one.client:
            yield one
    finally:
        stop_group(process, 30)


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition; fail when it takes a minute."""
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it took too long"
        threading.Event().wait(0.05)
