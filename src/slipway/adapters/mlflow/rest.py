"""One request to MLflow's REST API: bounded in time, with failures as our errors.

Credentials and certificates are read from the same variables as in MLflow's own client: MLFLOW_TRACKING_USERNAME and
MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN; MLFLOW_TRACKING_SERVER_CERT_PATH, MLFLOW_TRACKING_INSECURE_TLS.
They are read when the client is created. Nothing is retried here: the caller knows what may be repeated.
"""

import json
import os
import ssl
import time
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from slipway.adapters.mlflow import refusals
from slipway.errors import RegistryUnavailable, SettingsError

API = "/api/2.0/mlflow/"
PROXY = "/api/2.0/mlflow-artifacts/artifacts"
"""The path at which the server serves its artifacts."""
IDLE_SECONDS = 2.0
"""Connections are kept for less than the 5 s after which uvicorn closes them: none is reused while it closes."""
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class MlflowRest:
    """Calls to one MLflow server; threads may share it."""

    def __init__(self, uri: str, timeout_seconds: float) -> None:
        """Store the address and the time limit of one call; nothing is sent. Raises SettingsError for a bad address."""
        try:
            self._url = httpx.URL(uri.rstrip("/"))
        except httpx.InvalidURL as error:
            raise _make_address_error("no address at all") from error
        if self._url.scheme not in {"http", "https"} or not self._url.host:
            raise _make_address_error(f"scheme {self._url.scheme!r}, host {self._url.host!r}")
        self.uri = uri.rstrip("/")
        self._timeout_seconds = timeout_seconds

    @property
    def name(self) -> str:
        """`MLflow at http://host:port`, without user and password."""
        return f"MLflow at {self._url.scheme}://{self._url.netloc.decode()}{self._url.path.rstrip('/')}"

    def call(
        self, method: str, path: str, *, query: Mapping[str, Any] | None = None, body: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Return the JSON answer of one call below `/api/2.0/mlflow/`.

        Raises RegistryUnavailable, and Refused if MLflow understood the call and refused it.
        """
        content = None if body is None else json.dumps(body, allow_nan=False).encode()
        return self._get_json(method, API + path, params=dict(query or {}), content=content)

    def list_items(self, method: str, path: str, key: str, request: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Yield the items of all pages of a listing; raises as `call`."""
        token: str | None = None
        while True:
            asked = dict(request) | ({"page_token": token} if token else {})
            answer = self.call(method, path, **({"query": asked} if method == "GET" else {"body": asked}))
            yield from answer.get(key, [])
            token = answer.get("next_page_token")
            if not token:
                return

    def list_artifacts(self, folder: str) -> list[dict[str, Any]]:
        """Return what the server's artifact store holds directly below a folder; raises as `call`."""
        files = self._get_json("GET", PROXY, params={"path": folder}, content=None).get("files", [])
        return list(files)

    def fetch_artifact(self, path: str, into: Path) -> int:
        """Stream one of the server's artifacts into a file and return its size in bytes.

        Raises as `call`, here with the time limit between two chunks; RegistryUnavailable if the stream is aborted;
        OSError if the file can't be written.
        """
        with self._open_answer("GET", f"{PROXY}/{quote(path)}") as answer, into.open("wb") as file:
            for chunk in answer.iter_bytes(chunk_size=1 << 20):
                file.write(chunk)
        return into.stat().st_size

    def write_artifact(self, path: str, content: bytes) -> None:
        """Write one artifact through the server; raises as `call`."""
        with self._open_answer("PUT", f"{PROXY}/{quote(path)}", content=content) as answer:
            answer.read()

    def _get_json(self, method: str, path: str, **request: Any) -> dict[str, Any]:  # noqa: ANN401 - httpx's own
        ends = time.monotonic() + self._timeout_seconds
        with self._open_answer(method, path, headers={"Content-Type": "application/json"}, **request) as answer:
            text = bytearray()
            for chunk in answer.iter_bytes():
                text += chunk
                if time.monotonic() > ends:  # httpx bounds the wait for each chunk, not for all of them
                    raise refusals.make_slow_error(self.name, self._timeout_seconds)
        try:
            parsed = json.loads(text or b"{}")
        except ValueError:
            parsed = None
        if not isinstance(parsed, dict):
            raise refusals.make_not_mlflow_error(self.name, answer.headers.get("content-type", "no content type"))
        return parsed

    @contextmanager
    def _open_answer(self, method: str, path: str, **request: Any) -> Iterator[httpx.Response]:  # noqa: ANN401 - httpx's own
        """Yield a successful answer; every failure is raised as our error."""
        try:
            with self._client.stream(method, path, **request) as answer:
                if not answer.is_success:
                    answer.read()
                    raise refusals.make_refusal(self.name, answer)
                yield answer
        except httpx.TimeoutException as error:
            raise refusals.make_slow_error(self.name, self._timeout_seconds) from error
        except (httpx.TransportError, httpx.DecodingError) as error:
            raise RegistryUnavailable(
                self.name,
                seen=" ".join(str(error).split()) or type(error).__name__,
                expected="an answer",
                do="see that the MLflow server runs (`slipway doctor`) and that SLIPWAY_MLFLOW_URI is its address",
            ) from error

    @cached_property
    def _client(self) -> httpx.Client:
        client = httpx.Client(
            base_url=self._url,
            timeout=self._timeout_seconds,
            auth=_read_credentials(),
            headers=_read_token() | {"Accept-Encoding": "identity"},  # lengths in transfer equal lengths on disk
            verify=_load_certificates(self._url),
            limits=httpx.Limits(keepalive_expiry=IDLE_SECONDS),
            trust_env=self._url.host not in LOOPBACK,  # a proxy can't reach this machine's own loopback
        )
        weakref.finalize(self, client.close)
        return client


def _read_credentials() -> tuple[str, str] | None:
    user, password = os.environ.get("MLFLOW_TRACKING_USERNAME"), os.environ.get("MLFLOW_TRACKING_PASSWORD")
    return (user, password) if user and password else None


def _read_token() -> dict[str, str]:
    token = os.environ.get("MLFLOW_TRACKING_TOKEN")
    return {"Authorization": f"Bearer {token}"} if token and not _read_credentials() else {}


def _load_certificates(url: httpx.URL) -> ssl.SSLContext | bool:
    if url.scheme == "http" or os.environ.get("MLFLOW_TRACKING_INSECURE_TLS", "").lower() == "true":
        return False  # over plain http there is nothing to verify, and reading the certificates takes 20 ms
    path = os.environ.get("MLFLOW_TRACKING_SERVER_CERT_PATH")
    return ssl.create_default_context(cafile=path) if path else True


def _make_address_error(seen: str) -> SettingsError:
    return SettingsError(
        "the registry's address (SLIPWAY_MLFLOW_URI)",
        seen=seen,
        expected="the http or https address of an MLflow server, such as http://127.0.0.1:5500",
        do="correct SLIPWAY_MLFLOW_URI; a database address like sqlite:///mlflow.db needs `mlflow server` before it",
    )
