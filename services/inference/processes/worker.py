"""One worker of a server: the model, the protocol handlers, and their event loop."""

import argparse
import asyncio
import ctypes
import gc
import logging
import os
import signal
import socket
import sys
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import uvicorn

from services.inference.application import HttpApplication, build_application
from services.inference.loading import open_model
from services.inference.model import Model
from services.inference.pages.operations import OperationsPages
from services.inference.pages.siblings import Siblings
from services.inference.processes.bentoml_pages import BentomlPages
from services.inference.processes.fast_path import FastPathProtocol
from services.inference.processes.supervisor import LISTENING_FD, READY_SUFFIX
from services.inference.runtime.devices import read_devices
from services.inference.telemetry.metrics_page import MetricsPage
from services.inference.telemetry.observer import configure_logging
from services.inference.telemetry.shared_counters import FOLDER, SLOT
from services.inference.termination import report_termination
from slipway_interface.logs import LOGGER

if TYPE_CHECKING:
    from services.inference.grpc.server import GrpcServer

LINGER_SECONDS = 0.5
"""After SIGTERM connections are still accepted for so long, because requests may be on their way."""
ACCEPTED_AT_ONCE = 8
"""Connections that a single worker accepts per iteration of its event loop. libuv accepts one per listening descriptor;
under full load an iteration takes milliseconds, and the last of a hundred new clients would wait for a hundred. Several
workers accept one each, or the first one awake would get them all."""
PR_SET_PDEATHSIG = 1
"""Option of prctl(2): a signal for this process when its parent dies."""

log = logging.getLogger(LOGGER)


class Worker(uvicorn.Server):
    """uvicorn, with a model that is loaded before the first connection and released after the last."""

    def __init__(
        self, config: uvicorn.Config, model: Model, siblings: Siblings, ready: Path, grpc_address: str | None
    ) -> None:
        """Serve a model; `ready` is a file that is made when it is loaded."""
        super().__init__(config)
        self._model, self._siblings, self._ready = model, siblings, ready
        self._grpc_address = grpc_address
        self._grpc: GrpcServer | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Load and warm up; then exclude the loaded objects from garbage collection, whose pauses raise p99."""
        with report_termination():
            await self._model.start()
        await self._siblings.start()
        if self._grpc_address is not None:
            self._grpc = await _start_grpc(self._model, self._grpc_address)
            front = self.config.app
            assert isinstance(front, HttpApplication)  # noqa: S101 - as `main` made it
            front.routes.update(self._grpc.build_routes())
        self._write_a_page()
        gc.collect()
        gc.freeze()
        await super().startup(sockets)
        self._ready.touch()
        log.info("%s on %s: ready", self._model.manifest.revision, self._model.device)

    def _write_a_page(self) -> None:
        """Import what writes metrics now, not during the first request for the page."""
        model = self._model
        MetricsPage(model.manifest).write_text(model.meter.read(), model.summary.snapshot(), model.device)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop being ready, from the signal on."""
        self._model.drain()
        super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept and answer requests for a moment, answer those in flight, then end."""
        await asyncio.sleep(LINGER_SECONDS)
        ends = [super().shutdown(sockets)]
        if self._grpc is not None:
            ends.append(self._grpc.stop(self.config.timeout_graceful_shutdown or 0))
        await asyncio.gather(*ends)
        await self._siblings.stop()
        await self._model.stop()


def main(words: list[str] | None = None) -> None:
    """Serve on the descriptor that the supervisor made."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    asked = _make_parser().parse_args(words)
    folder, slot = Path(os.environ[FOLDER]), os.environ[SLOT]
    with report_termination():
        configure_logging()
    model = open_model()
    siblings = Siblings(model, folder, slot)
    config = uvicorn.Config(
        _make_application(model, siblings),
        loop="uvloop",
        http=FastPathProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=asked.keep_alive_seconds,
        timeout_graceful_shutdown=asked.drain_seconds,
    )
    server = Worker(config, model, siblings, folder / f"{slot}{READY_SUFFIX}", asked.grpc)
    server.run(sockets=_open_sockets(int(os.environ[LISTENING_FD]), alone=read_devices(os.environ).workers == 1))


def _open_sockets(number: int, *, alone: bool) -> list[socket.socket]:
    # not socket.dup(), which would make accept() block in all workers: they share the open file description
    copies = [os.dup(number) for _ in range(ACCEPTED_AT_ONCE - 1)] if alone else []
    return [socket.socket(fileno=one) for one in (number, *copies)]


def _make_application(model: Model, siblings: Siblings) -> HttpApplication:
    return build_application(model, OperationsPages(model, siblings), BentomlPages())


async def _start_grpc(model: Model, address: str) -> "GrpcServer":
    from services.inference.grpc.server import GrpcServer  # imported only if gRPC is served: protobuf is slow to import

    server = GrpcServer(model, address)
    with report_termination():
        await server.start()
    return server


def _make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m services.inference.processes.worker", description=__doc__)
    parser.add_argument("--keep-alive-seconds", type=int, required=True)
    parser.add_argument("--drain-seconds", type=int, required=True)
    parser.add_argument("--grpc", default=None, help="HOST:PORT for gRPC")
    return parser


if __name__ == "__main__":
    main(sys.argv[1:])
