"""Whether servers answer, as findings for `slipway doctor`: with short timeouts, and without raising."""

import socket
from urllib.parse import urlsplit

import httpx
from pydantic import SecretStr

from slipway.domain.finding import Condition, Finding

TIMEOUT_SECONDS = 3.0
"""How long one part may take to answer."""
START = "`slipway up` starts it"


def fetch_page(address: str) -> httpx.Response | str:
    """Return the answer to a GET, or in words why there is none."""
    try:
        return httpx.get(address, timeout=TIMEOUT_SECONDS, trust_env=False)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return "connection refused" if isinstance(error, httpx.ConnectError) else type(error).__name__


def check_port(part: str, host: str, port: int, speaks: str = "") -> Finding:
    """Check whether anything listens on a port of the embedded stack; `speaks` names its protocols."""
    if _is_listening(host, port):
        more = f" ({speaks})" if speaks else ""
        return Finding(part=part, health=Condition.OK, seen=f"listens on {host}:{port}{more}")
    return Finding(part=part, health=Condition.WARNING, seen=f"nothing listens on port {port}", do=START)


def check_server(part: str, address: str, path: str, variable: str) -> Finding:
    """Check whether a server of the user's own answers at all; a registry may require a login first."""
    if not address:
        return Finding(part=part, health=Condition.PROBLEM, seen="no address", do=f"set {variable}")
    answer = fetch_page(address.rstrip("/") + path)
    if isinstance(answer, httpx.Response) and answer.status_code < httpx.codes.INTERNAL_SERVER_ERROR:
        return Finding(part=part, health=Condition.OK, seen=f"answers at {mask_secrets(address)}")
    said = answer if isinstance(answer, str) else str(answer.status_code)
    seen = f"no answer at {mask_secrets(address)}: {said}"
    return Finding(part=part, health=Condition.PROBLEM, seen=seen, do=f"start it, or correct {variable}")


def report_taken_port(part: str, port: int, variable: str, status: int | None = None) -> Finding:
    """Return the finding that another program answers on a port, with the HTTP status that it answered."""
    said = f" ({status})" if status else ""
    seen = f"something else answers on port {port}{said}"
    return Finding(part=part, health=Condition.PROBLEM, seen=seen, do=f"stop it, or set {variable} to a free port")


def mask_secrets(value: object) -> str:
    """Return a setting's value without secrets.

    >>> mask_secrets("https://me:secret@mlflow.example.com/api")
    'https://***@mlflow.example.com/api'
    """
    if isinstance(value, SecretStr):
        return "***"
    text = "" if value is None else str(value)
    parts = urlsplit(text)
    return text if "@" not in parts.netloc else text.replace(parts.netloc, f"***@{parts.netloc.rpartition('@')[2]}")


def _is_listening(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=TIMEOUT_SECONDS):
            return True
    except OSError:
        return False
