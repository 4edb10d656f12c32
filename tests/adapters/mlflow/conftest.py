"""Real MLflow servers, models registered with them, and sockets that misbehave as networks do."""

import base64
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

START_SECONDS = 90.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A running MLflow server."""

    uri: str
    folder: Path
    artifacts: Path
    """Where its artifacts lie on this machine's disk."""

    def api(self, method: str, path: str, **request: Any) -> dict[str, Any]:  # noqa: ANN401 - httpx's own
        """Call its REST API as any other client would."""
        answer = httpx.request(method, f"{self.uri}/api/2.0/mlflow/{path}", timeout=30, **request)
        answer.raise_for_status()
        return dict(answer.json())


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """A model version with the folder where the server keeps its artifact."""

    model: str
    version: int
    folder: Path


@contextmanager
def _serving(folder: Path, host: str, *arguments: str, **variables: str) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += [argument.replace("PORT", str(port)) for argument in arguments]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_WEBHOOK")}
    clean["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] = "false"  # eight processes for work that no test asks for
    log = (folder / f"server-{port}.log").open("wb")
    process = subprocess.Popen(
        command, env=clean | variables, stdout=log, stderr=log, cwd=folder, start_new_session=True
    )
    try:
        _wait_until_healthy(f"http://{host}:{port}", process)
        yield f"http://{host}:{port}"
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # the server and the worker that it started; nothing here is kept
        process.wait()
        log.close()


def _wait_until_healthy(uri: str, process: subprocess.Popen[bytes]) -> None:
    ends = time.monotonic() + START_SECONDS
    while time.monotonic() < ends and process.poll() is None:
        try:
            if httpx.get(f"{uri}/health", timeout=5).is_success:
                return
        except httpx.TransportError:
            threading.Event().wait(0.1)
    pytest.fail(f"MLflow did not start: exit code {process.poll()}")


def fernet() -> str:
    """Return a new encryption key for webhook secrets."""
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Give a server that hands out its artifacts and delivers webhooks to this machine."""
    folder = tmp_path_factory.mktemp("mlflow")
    arguments = [
        "--backend-store-uri",
        f"sqlite:///{folder}/mlflow.db",
        "--artifacts-destination",
        f"{folder}/artifacts",
    ]
    webhooks = {
        "MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS": "true",
        "MLFLOW_WEBHOOK_ALLOWED_SCHEMES": "http,https",
        "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY": fernet(),
        "MLFLOW_WEBHOOK_CACHE_TTL": "0",
        "MLFLOW_WEBHOOK_REQUEST_MAX_RETRIES": "2",
    }
    with _serving(folder, "127.0.0.1", *arguments, **webhooks) as uri:
        yield Server(uri=uri, folder=folder, artifacts=folder / "artifacts")


@pytest.fixture(scope="session")
def strict_server(server: Server) -> Iterator[Server]:
    """Give a second server on the same database, as strict as MLflow's defaults.

    It answers to the name localhost only, leaves artifacts to its clients, delivers webhooks to public https addresses
    only, and has another encryption key.
    """
    folder, artifacts = server.folder, server.folder / "direct"
    arguments = ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--default-artifact-root", str(artifacts)]
    arguments += ["--no-serve-artifacts", "--allowed-hosts", "localhost:PORT"]
    with _serving(folder, "localhost", *arguments, MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY=fernet()) as uri:
        yield Server(uri=uri, folder=folder, artifacts=artifacts)


@pytest.fixture(scope="session")
def register(server: Server, digits_model: Path) -> Callable[[str], Registered]:
    """Return what registers one more version of a model, as `log_model(registered_model_name=...)` does."""

    def one_more(model: str) -> Registered:
        request = {"experiment_id": "0", "name": "model"}
        logged = server.api("POST", "logged-models", json=request)["model"]["info"]
        root = logged["artifact_uri"].removeprefix("mlflow-artifacts:/")
        for path in digits_model.rglob("*"):
            if path.is_file():
                name = path.relative_to(digits_model).as_posix()
                url = f"{server.uri}/api/2.0/mlflow-artifacts/artifacts/{root}/{name}"
                httpx.put(url, content=path.read_bytes()).raise_for_status()
        if model not in {
            one["name"] for one in server.api("GET", "registered-models/search").get("registered_models", [])
        }:
            server.api("POST", "registered-models/create", json={"name": model})
        request = {"name": model, "source": f"models:/{logged['model_id']}", "model_id": logged["model_id"]}
        version = server.api("POST", "model-versions/create", json=request)["model_version"]["version"]
        return Registered(model=model, version=int(version), folder=server.artifacts / root)

    return one_more


@pytest.fixture
def silent() -> Iterator[str]:
    """Give the address of a socket that accepts and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture
def nobody() -> str:
    """Return an address where nothing listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"


@dataclass(slots=True, kw_only=True)
class Said:
    """What a web server says to every request, and the requests it got."""

    uri: str = ""
    status: int = 200
    kind: str = "text/html"
    body: bytes = b"<html>Please log in</html>"
    pause_seconds: float = 0.0
    """Between any two bytes of the body."""
    headers: list[dict[str, str]] = field(default_factory=list)


@pytest.fixture
def other_service() -> Iterator[Said]:
    """Give a web server that is no MLflow: a proxy's login page, an overloaded gateway."""
    said, stopped = Said(), threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            said.headers.append({name.lower(): value for name, value in self.headers.items()})
            self.send_response(said.status)
            self.send_header("Content-Type", said.kind)
            self.send_header("Content-Length", str(len(said.body)))
            self.end_headers()
            for byte in said.body if said.pause_seconds else ():
                if stopped.wait(said.pause_seconds):
                    return
                self.wfile.write(bytes([byte]))
            if not said.pause_seconds:
                self.wfile.write(said.body)

        do_POST = do_GET  # noqa: N815 - http.server's own naming

        def handle(self) -> None:
            try:
                super().handle()
            except ConnectionError:  # the client has had enough
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    with _http(Handler) as said.uri:
        try:
            yield said
        finally:
            stopped.set()


@contextmanager
def _http(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as listener:
        thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.server_address[1]}"
        finally:
            listener.shutdown()
            thread.join()


@pytest.fixture
def breaking(server: Server) -> Callable[[bytes, int], AbstractContextManager[str]]:
    """Return what opens a way to the server on which the answer to one request breaks off.

    It takes the bytes by which that request is known, and how many bytes of the answer get through.
    """
    return lambda mark, length: _relay(int(server.uri.rpartition(":")[2]), mark, length)


@contextmanager
def _relay(port: int, mark: bytes, length: int) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_accept, args=(listener, port, mark, length))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def _accept(listener: socket.socket, port: int, mark: bytes, length: int) -> None:
    while True:
        try:
            client, _ = listener.accept()
        except OSError:  # the test is over
            return
        with client, socket.create_connection(("127.0.0.1", port)) as upstream:
            _carry(client, upstream, mark, length)


def _carry(client: socket.socket, upstream: socket.socket, mark: bytes, length: int) -> None:
    """Carry one request after the other, until the client closes or the marked answer was cut."""
    while request := client.recv(65536):
        upstream.sendall(request)
        answer = upstream.recv(65536)
        while b"\r\n\r\n" not in answer or not _whole(answer):
            answer += upstream.recv(65536)
        client.sendall(answer[:length] if mark in request else answer)
        if mark in request:
            return


def _whole(answer: bytes) -> bool:
    head, _, body = answer.partition(b"\r\n\r\n")
    lengths = [line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")]
    return len(body) >= int(lengths[0]) if lengths else body.endswith(b"0\r\n\r\n")
