"""MLflow that is down, slow, strict or not MLflow at all: one clear error, in time, without secrets."""

import pickle
import time
from typing import TYPE_CHECKING

import pytest

from slipway.adapters.mlflow.ledger import MlflowLedger
from slipway.adapters.mlflow.refusals import MlflowRefused
from slipway.adapters.mlflow.registry import MlflowRegistry
from slipway.errors import RegistryUnavailable, SettingsError

if TYPE_CHECKING:
    from tests.adapters.mlflow.conftest import Said, Server

BEARABLE_SECONDS = 40.0
"""On a busy machine; retries would take minutes."""


def test_a_registry_that_is_down_is_said_at_once(nobody: str) -> None:
    """Nothing listens: no retries that take minutes."""
    began = time.monotonic()

    with pytest.raises(
        RegistryUnavailable, match=rf"MLflow at {nobody}: .*refused; expected an answer. Next: see that"
    ):
        MlflowRegistry(nobody, 5).get_version("digits", "1")

    assert time.monotonic() - began < BEARABLE_SECONDS


@pytest.mark.parametrize("part", ["registry", "ledger"])
def test_a_silent_registry_is_given_up_in_time(silent: str, part: str) -> None:
    """It accepts the connection and never answers."""
    calls = {
        "registry": lambda: MlflowRegistry(silent, 0.5).list_models(),
        "ledger": lambda: MlflowLedger(silent, 0.5).read_history("digits"),
    }
    began = time.monotonic()

    with pytest.raises(RegistryUnavailable, match=r"no answer within 0.5 s.*SLIPWAY_REGISTRY_TIMEOUT_SECONDS"):
        calls[part]()

    assert 0.4 < time.monotonic() - began < BEARABLE_SECONDS


def test_an_answer_that_drips_is_given_up_in_time(other_service: "Said") -> None:
    """Every byte comes in time, all of them do not."""
    other_service.body, other_service.pause_seconds = b"{" + b" " * 1000 + b"}", 0.05
    began = time.monotonic()

    with pytest.raises(RegistryUnavailable, match=r"no answer within 0.5 s"):
        MlflowRegistry(other_service.uri, 0.5).list_models()

    assert time.monotonic() - began < BEARABLE_SECONDS


def test_a_host_name_that_the_server_refuses_is_explained(strict_server: "Server") -> None:
    """The message holds the option to set, with the name with and without its port."""
    uri = strict_server.uri.replace("localhost", "127.0.0.1")
    host = uri.removeprefix("http://")

    with pytest.raises(RegistryUnavailable, match="403: Invalid Host header") as caught:
        MlflowRegistry(uri, 10).list_models()

    assert f"--allowed-hosts 127.0.0.1,{host}" in caught.value.do
    assert f"MLFLOW_SERVER_ALLOWED_HOSTS=127.0.0.1,{host}" in caught.value.do
    assert isinstance(MlflowRegistry(strict_server.uri, 10).list_models(), list)


@pytest.mark.parametrize("status", [500, 502, 503, 504, 429])
def test_an_overloaded_server_is_a_reason_to_try_again(other_service: "Said", status: int) -> None:
    """Gateways answer for a server that is starting or overloaded."""
    other_service.status, other_service.body = status, b"<h1>upstream\n\n is not well</h1>" + b"x" * 9999

    with pytest.raises(RegistryUnavailable, match=f"status {status}: <h1>upstream is not well</h1>x") as caught:
        MlflowRegistry(other_service.uri, 5).get_version("digits", "1")

    assert len(str(caught.value)) < 700


@pytest.mark.parametrize("status", [401, 403])
def test_a_server_that_wants_to_know_who_asks_is_explained(other_service: "Said", status: int) -> None:
    """The variables are the ones that MLflow's own client reads."""
    other_service.status, other_service.body = status, b"You are not authenticated"

    with pytest.raises(RegistryUnavailable, match=r"You are not authenticated.*MLFLOW_TRACKING_USERNAME"):
        MlflowRegistry(other_service.uri, 5).list_models()


@pytest.mark.parametrize(("kind", "body"), [("text/html", b"<html>Please log in</html>"), ("application/json", b"[1]")])
def test_an_answer_that_is_not_mlflows_is_said(other_service: "Said", kind: str, body: bytes) -> None:
    """A proxy's login page comes with status 200."""
    other_service.kind, other_service.body = kind, body

    with pytest.raises(RegistryUnavailable, match=f"an answer of type '{kind}'; expected JSON"):
        MlflowRegistry(other_service.uri, 5).list_models()


def test_an_address_of_something_else_is_a_permanent_error(other_service: "Said") -> None:
    """A web server without MLflow's paths: trying again changes nothing."""
    other_service.status = 404

    with pytest.raises(MlflowRefused, match=r"status 404: <html>Please log in</html>.*SLIPWAY_MLFLOW_URI") as caught:
        MlflowRegistry(other_service.uri, 5).get_version("digits", "1")

    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)  # noqa: S301 - our own, a moment ago


@pytest.mark.parametrize("uri", ["sqlite:///mlflow.db", "", "http://", "mlruns", "http://[::1", "databricks"])
def test_an_address_that_is_none_is_refused_at_once(uri: str) -> None:
    """MLflow's client takes databases and folders; the registry that fires webhooks is a server."""
    with pytest.raises(SettingsError, match=r"SLIPWAY_MLFLOW_URI.*expected the http or https address"):
        MlflowRegistry(uri, 5)


def test_a_password_in_the_address_is_used_and_never_shown(other_service: "Said") -> None:
    """It goes into the Authorization header only."""
    other_service.status, other_service.body = 401, b"no"
    uri = other_service.uri.replace("http://", "http://anna:s3cret@")

    with pytest.raises(RegistryUnavailable) as caught:
        MlflowRegistry(uri, 5).list_models()

    assert "s3cret" not in str(caught.value)
    assert "anna" not in str(caught.value)
    assert other_service.headers[0]["authorization"] == "Basic YW5uYTpzM2NyZXQ="


@pytest.mark.parametrize(
    ("variables", "header"),
    [
        ({"MLFLOW_TRACKING_USERNAME": "anna", "MLFLOW_TRACKING_PASSWORD": "s3cret"}, "Basic YW5uYTpzM2NyZXQ="),
        ({"MLFLOW_TRACKING_TOKEN": "t0ken"}, "Bearer t0ken"),
    ],
)
def test_credentials_come_from_mlflows_own_variables(
    other_service: "Said", monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], header: str
) -> None:
    """What works with `mlflow` on this machine works here."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    other_service.kind, other_service.body = "application/json", b"{}"

    MlflowRegistry(other_service.uri, 5).list_models()

    assert other_service.headers[0]["authorization"] == header
