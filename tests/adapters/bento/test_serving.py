"""The command that serves a package, as a router lives with it."""

import socket
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from slipway.adapters.bento.process import running
from slipway.domain.revision import Package

UVICORN_SECONDS = 5.0
"""How long uvicorn keeps idle connections by itself."""
REQUEST = b"GET /v2/health/live HTTP/1.1\r\nhost: digits\r\n\r\n"


def test_an_idle_connection_is_left_to_the_router(onnx_package: Package, tmp_path: Path) -> None:
    """Who closes it first must not be the service: a router's next request may be on its way."""
    with running(onnx_package, tmp_path / "service.log") as service:
        service.wait_ready(60)
        address = urlsplit(service.url)
        with socket.create_connection((address.hostname, address.port), timeout=UVICORN_SECONDS + 2) as connection:
            connection.sendall(REQUEST)
            assert connection.recv(65536).startswith(b"HTTP/1.1 200")

            with pytest.raises(TimeoutError):
                connection.recv(1)

            connection.sendall(REQUEST)
            assert connection.recv(65536).startswith(b"HTTP/1.1 200")
