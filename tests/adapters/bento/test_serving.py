"""The command that serves a package, as a router lives with it."""

import contextlib
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from slipway.adapters.bento.process import run_package
from slipway.domain.rollout.revision import Package

UVICORN_SECONDS = 5.0
"""How long uvicorn keeps idle connections by itself."""


def test_an_idle_connection_is_left_to_the_router(onnx_package: Package, tmp_path: Path) -> None:
    """Who closes it first must not be the service: a router's next request may be on its way."""
    with run_package(onnx_package, tmp_path / "service.log") as service:
        service.wait_ready(60)
        address = urlsplit(service.url)
        connection = HTTPConnection(str(address.hostname), address.port, timeout=UVICORN_SECONDS + 2)
        with contextlib.closing(connection):
            assert _asked(connection) == HTTPStatus.OK

            with pytest.raises(TimeoutError):
                connection.sock.recv(1)

            assert _asked(connection) == HTTPStatus.OK


def _asked(connection: HTTPConnection) -> int:
    """Return the status of one request, whose answer is read whole: a header may arrive before its body does."""
    connection.request("GET", "/v2/health/live")
    with connection.getresponse() as response:
        assert response.read()
        return response.status
