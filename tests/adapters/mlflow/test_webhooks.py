"""MLflow's webhooks, and a real delivery from MLflow into the real receiver."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import Queue
from typing import TYPE_CHECKING

import httpx
import pytest
import uvicorn
from fastapi import FastAPI

from services.webhook.app import create_app
from slipway.adapters.mlflow.registry import MlflowRegistry
from slipway.adapters.mlflow.webhooks import MlflowWebhooks
from slipway.domain.release.version import ModelVersion
from slipway.errors import NotFound, OrchestratorUnavailable, RegistryUnavailable, SettingsError

if TYPE_CHECKING:
    from tests.adapters.mlflow.conftest import Registered, Said, Server

SECRET = "the secret that both share"  # noqa: S105 - a test's own
DELIVERED_SECONDS = 30.0


@pytest.fixture
def webhooks(server: "Server") -> MlflowWebhooks:
    """Return the adapter under test."""
    return MlflowWebhooks(server.uri, 30)


@contextmanager
def listening(app: FastAPI) -> Iterator[str]:
    """Give the address where an application is served by uvicorn, as in production."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        receiver = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False))
        thread = threading.Thread(target=receiver.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            receiver.should_exit = True
            thread.join()


class Asked:
    """What the receiver asked for; the first askings may fail."""

    def __init__(self, server: "Server", failures: int = 0) -> None:
        """Look versions up in the real registry."""
        self.lookup = MlflowRegistry(server.uri, 10).get_version
        self.releases: Queue[ModelVersion] = Queue()
        self.failures = failures

    def submit(self, version: ModelVersion) -> str:
        """Take the version down as one whose release was asked for."""
        if self.failures:
            self.failures -= 1
            raise OrchestratorUnavailable("Prefect", seen="no answer", expected="an answer", do="wait")
        self.releases.put(version)
        return f"run-{version.name}"

    def app(self, secret: str = SECRET) -> FastAPI:
        """Return the receiver."""
        return create_app(secret, self.submit, self.lookup, 600, time.time)


def test_a_webhook_is_registered_once(webhooks: MlflowWebhooks, server: "Server") -> None:
    """The second time it is brought up to date."""
    first = webhooks.register("once", "http://127.0.0.1:9/old", SECRET)

    second = webhooks.register("once", "http://127.0.0.1:9/new", SECRET)

    listed = [one for one in server.api("GET", "webhooks")["webhooks"] if one["name"] == "once"]
    assert first == second == webhooks.find("once")
    assert [(one["url"], one["status"]) for one in listed] == [("http://127.0.0.1:9/new", "ACTIVE")]
    assert listed[0]["events"] == [{"entity": "MODEL_VERSION", "action": "CREATED"}]
    webhooks.remove("once")


def test_a_webhook_is_removed_and_removed_again(webhooks: MlflowWebhooks) -> None:
    """What is not there can't be found."""
    webhooks.register("brief", "http://127.0.0.1:9/x", SECRET)

    for _ in range(2):
        webhooks.remove("brief")

    assert webhooks.find("brief") is None


def test_a_new_version_is_delivered_and_asked_for(
    server: "Server", webhooks: MlflowWebhooks, register: "Callable[[str], Registered]"
) -> None:
    """From `create_model_version` in MLflow to a release, with what the registry says of the version."""
    asked = Asked(server)
    with listening(asked.app()) as uri:
        webhooks.register("delivered", f"{uri}/webhooks/mlflow", SECRET)

        one = register("delivered")
        version = asked.releases.get(timeout=DELIVERED_SECONDS)

        webhooks.remove("delivered")
    assert (version.model, version.version) == (one.model, one.version)
    assert version.source.startswith("models:/m-")
    assert asked.releases.empty()


def test_a_delivery_that_failed_comes_again(
    server: "Server", webhooks: MlflowWebhooks, register: "Callable[[str], Registered]"
) -> None:
    """MLflow tries a 503 again, with the same delivery id: it must not be taken for a duplicate."""
    asked = Asked(server, failures=1)
    with listening(asked.app()) as uri:
        webhooks.register("retried", f"{uri}/webhooks/mlflow", SECRET)

        register("retried")
        version = asked.releases.get(timeout=DELIVERED_SECONDS)

        webhooks.remove("retried")
    assert version.model == "retried"


def test_the_test_delivery_says_that_all_is_well(server: "Server", webhooks: MlflowWebhooks) -> None:
    """MLflow's example names a model that does not exist: the receiver takes it and ignores it."""
    asked = Asked(server)
    with listening(asked.app()) as uri:
        webhook_id = webhooks.register("tested", f"{uri}/webhooks/mlflow", SECRET)

        delivered = webhooks.send_test(webhook_id)

        webhooks.remove("tested")
    assert (delivered.ok, delivered.status) == (True, 200)
    assert '"state":"ignored"' in delivered.body
    assert asked.releases.empty()


def test_the_test_delivery_tells_another_secret(server: "Server", webhooks: MlflowWebhooks) -> None:
    """MLflow signs with one, the receiver checks with another."""
    with listening(Asked(server).app("quite another")) as uri:
        webhook_id = webhooks.register("other-secret", f"{uri}/webhooks/mlflow", SECRET)

        ok, status, body = webhooks.send_test(webhook_id)

        webhooks.remove("other-secret")
    assert (ok, status) == (False, 401)
    assert "must share one webhook secret" in body


def test_the_test_delivery_tells_a_receiver_that_is_down(webhooks: MlflowWebhooks, nobody: str) -> None:
    """MLflow's own words on why it could not connect."""
    webhook_id = webhooks.register("down", f"{nobody}/webhooks/mlflow", SECRET)

    delivered = webhooks.send_test(webhook_id)

    webhooks.remove("down")
    assert (delivered.ok, delivered.status) == (False, None)
    assert "refused" in delivered.body


def test_an_unknown_webhook_can_not_be_tested(webhooks: MlflowWebhooks) -> None:
    """It says how to make it."""
    with pytest.raises(NotFound, match=r"webhook nothing: MLflow does not know it.*slipway webhook register"):
        webhooks.send_test("nothing")


@pytest.mark.parametrize(
    ("url", "setting"),
    [
        ("http://127.0.0.1:8790/webhooks/mlflow", "MLFLOW_WEBHOOK_ALLOWED_SCHEMES=http,https"),
        ("https://127.0.0.1:8790/webhooks/mlflow", "MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS=true"),
        ("https:///nowhere", "correct the webhook's name or its address"),
    ],
)
def test_an_address_that_mlflow_does_not_allow_is_explained(
    server: "Server", strict_server: "Server", url: str, setting: str
) -> None:
    """MLflow's defaults: https only, public addresses only. The secret is not shown."""
    for one in server.api("GET", "webhooks").get("webhooks", []):
        MlflowWebhooks(server.uri, 10).remove(one["name"])

    with pytest.raises(SettingsError, match="webhook 'strict' to ") as caught:
        MlflowWebhooks(strict_server.uri, 10).register("strict", url, SECRET)

    assert setting in caught.value.do
    assert SECRET not in str(caught.value)


def test_secrets_that_the_server_can_not_read_are_explained(webhooks: MlflowWebhooks, strict_server: "Server") -> None:
    """A second process without a common encryption key fails on every webhook that the first one stored."""
    webhooks.register("encrypted", "http://127.0.0.1:9/x", SECRET)

    with pytest.raises(SettingsError, match="MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY on the MLflow server"):
        MlflowWebhooks(strict_server.uri, 10).register("mine", "http://127.0.0.1:9/x", SECRET)

    webhooks.remove("encrypted")
    assert httpx.get(f"{strict_server.uri}/health").is_success


def test_a_server_that_is_down_or_overloaded_is_no_matter_of_settings(nobody: str, other_service: "Said") -> None:
    """Try again later."""
    other_service.status = 503

    for uri in (nobody, other_service.uri):
        with pytest.raises(RegistryUnavailable):
            MlflowWebhooks(uri, 5).register("slipway", "https://receiver.example/webhooks/mlflow", SECRET)
