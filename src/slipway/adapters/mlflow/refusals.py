"""MLflow's refusals: their meaning, and what to do about each."""

import json
from typing import Any

import httpx

from slipway.errors import PermanentError, RegistryUnavailable

SHOWN_CHARACTERS = 300
"""Characters of an answer that a message quotes."""


class MlflowRefused(PermanentError):
    """MLflow understood the call and refused it. Callers turn it into an error of their own."""

    code = ""
    """MLflow's own error code, such as RESOURCE_DOES_NOT_EXIST."""

    @property
    def missing(self) -> bool:
        """Whether it reports that something does not exist.

        A missing alias and a version that is no number are INVALID_PARAMETER_VALUE, not RESOURCE_DOES_NOT_EXIST.
        """
        return self.code in {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}


def make_refusal(name: str, answer: httpx.Response) -> MlflowRefused | RegistryUnavailable:
    """Return the error for an answer that is no success: Refused, or RegistryUnavailable if a retry may help."""
    if answer.status_code == httpx.codes.FORBIDDEN and "Invalid Host header" in answer.text:
        return _make_wrong_host_error(name, answer.request.url)
    if answer.status_code in {httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN}:
        return _make_not_allowed_error(name, answer)
    code, said = _parse_answer(answer)
    if answer.is_server_error or answer.status_code == httpx.codes.TOO_MANY_REQUESTS:
        return RegistryUnavailable(
            name,
            seen=f"status {answer.status_code}: {said}",
            expected="an answer without a server error",
            do="try again in a moment; if it stays so, read the MLflow server's log",
        )
    error = MlflowRefused(
        name,
        seen=f"status {answer.status_code}: {said}",
        expected="the call to be accepted",
        do="read MLflow's message; if it is no MLflow server, correct SLIPWAY_MLFLOW_URI",
    )
    error.code = code
    return error


def make_slow_error(name: str, seconds: float) -> RegistryUnavailable:
    """Return the error for an answer that took too long."""
    return RegistryUnavailable(
        name,
        seen=f"no answer within {seconds:g} s",
        expected="an answer in time",
        do="look at the MLflow server's load; SLIPWAY_REGISTRY_TIMEOUT_SECONDS allows it more time",
    )


def make_not_mlflow_error(name: str, kind: str) -> RegistryUnavailable:
    """Return the error for an answer that is no JSON: a proxy's page, or another service."""
    return RegistryUnavailable(
        name,
        seen=f"an answer of type {kind[:80]!r}",
        expected="JSON",
        do="see what listens there: a login page of a proxy, or another service; correct SLIPWAY_MLFLOW_URI",
    )


def _make_wrong_host_error(name: str, url: httpx.URL) -> RegistryUnavailable:
    host, full = url.host, url.netloc.decode()
    hosts = f"{host},{full}" if host != full else f"{host},{host}:PORT"
    return RegistryUnavailable(
        name,
        seen="status 403: Invalid Host header (the server does not answer to this name)",
        expected=f"a server that answers to {full!r}",
        do=f"start the MLflow server with `--allowed-hosts {hosts}` or MLFLOW_SERVER_ALLOWED_HOSTS={hosts}"
        " (with and without the port), or use a name it answers to",
    )


def _make_not_allowed_error(name: str, answer: httpx.Response) -> RegistryUnavailable:
    return RegistryUnavailable(
        name,
        seen=f"status {answer.status_code}: {_parse_answer(answer)[1]}",
        expected="to be let in",
        do="set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN, of a user who may",
    )


def _parse_answer(answer: httpx.Response) -> tuple[str, str]:
    """Return MLflow's error code and message; for an answer in another form, no code and its beginning."""
    try:
        said: Any = json.loads(answer.content)
    except ValueError:
        said = None
    if isinstance(said, dict) and "error_code" in said:
        code, words = str(said["error_code"]), f"{said.get('message', '')} ({said['error_code']})"
    else:
        code, words = "", answer.text
    return code, " ".join(words.split())[:SHOWN_CHARACTERS] or "no message"
