"""`python -m services.inference`: serve the package that contains this source."""

import argparse
import contextlib
import json
import os
import socket
import sys

from services.inference.package import MODEL_FOLDER
from services.inference.processes.cores import count_usable_cores
from services.inference.processes.supervisor import ServerPlan, Supervisor
from services.inference.runtime.devices import WORKERS_NOW, read_devices
from slipway_interface.environment import CPUS, WORKERS
from slipway_interface.manifest import FILE

KEEP_ALIVE_SECONDS = 3900
"""Longer than routers keep an idle connection (Envoy: an hour), so that the router closes first and no request
is lost on its way. With uvicorn's default of 5 s some would be, at one request every few seconds."""


def main(words: list[str] | None = None) -> int:
    """Serve until a signal to end; return the exit code."""
    asked = _make_parser().parse_args(words)
    cores = read_devices(os.environ).cpus if CPUS in os.environ else max(1, int(count_usable_cores()))
    workers = asked.workers or (cores if _is_onnx() else 1)
    os.environ[CPUS], os.environ[WORKERS_NOW] = str(max(1, cores // workers)), str(workers)
    passed = ["--keep-alive-seconds", str(asked.keep_alive_seconds), "--drain-seconds", str(asked.drain_seconds)]
    if asked.grpc_port:
        _check_port(asked.host, asked.grpc_port)
        passed += ["--grpc", f"{asked.host}:{asked.grpc_port}"]
    plan = ServerPlan(
        host=asked.host, port=asked.port, workers=workers, drain_seconds=asked.drain_seconds, arguments=tuple(passed)
    )
    return Supervisor(plan).run()


def _is_onnx() -> bool:
    """Return whether the model is ONNX: with pyfunc each worker would have a process with the model's framework."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):  # the worker reports what is wrong with it
        return bool(json.loads((MODEL_FOLDER / FILE).read_text(encoding="utf-8"))["runtime"] == "onnx")
    return False


def _check_port(host: str, port: int) -> None:
    """Refuse a port that is in use: workers share it, so they would share it with another server too."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port that was used a moment ago is free
        try:
            probe.bind((host, port))
        except OSError as error:
            message = f"{host}:{port} can't be listened on for gRPC: {error.strerror}; choose another --grpc-port"
            raise SystemExit(message) from error


def _make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m services.inference", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s: this machine only)")
    parser.add_argument("--port", type=int, default=3000, help="port for HTTP (%(default)s)")
    parser.add_argument("--grpc-port", type=int, default=0, help="port for gRPC; 0: no gRPC (%(default)s)")
    parser.add_argument(
        "--workers",
        type=int,
        default=int(os.environ.get(WORKERS, "0")),
        help=f"processes that answer; 0: one per core that this container may use (%(default)s; {WORKERS})",
    )
    parser.add_argument(
        "--keep-alive-seconds",
        type=int,
        default=KEEP_ALIVE_SECONDS,
        help="how long idle connections are kept (%(default)s: longer than routers keep theirs)",
    )
    parser.add_argument(
        "--drain-seconds", type=int, default=30, help="how long requests may take after SIGTERM (%(default)s)"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
