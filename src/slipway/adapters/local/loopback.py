"""GET from a server on this machine, without proxies, redirects or TLS."""

import http.client
import json
from typing import Any


class NoAnswer(Exception):
    """There was no answer, or not in time, or not in HTTP."""


def get(host: str, port: int, path: str, *, timeout_seconds: float = 2.0) -> tuple[int, bytes]:
    """Return status and body; raise NoAnswer."""
    connection = http.client.HTTPConnection(host, port, timeout=timeout_seconds)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read()
    except (OSError, http.client.HTTPException) as error:
        message = f"http://{host}:{port}{path}: {error or type(error).__name__}"
        raise NoAnswer(message) from error
    finally:
        connection.close()


def get_json(host: str, port: int, path: str, *, timeout_seconds: float = 2.0) -> Any:  # noqa: ANN401 - any JSON value
    """Return the JSON value of a 200 answer; raise NoAnswer for anything else."""
    status, body = get(host, port, path, timeout_seconds=timeout_seconds)
    try:
        if status == http.client.OK:
            return json.loads(body)
    except ValueError as error:
        message = f"http://{host}:{port}{path}: not JSON"
        raise NoAnswer(message) from error
    message = f"http://{host}:{port}{path}: status {status}"
    raise NoAnswer(message)
