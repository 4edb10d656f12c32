"""The embedded stack, up: real MLflow, Prefect, worker and Envoy."""

import os
from pathlib import Path

import httpx
import pytest

from slipway import stack
from slipway.adapters.local.waiting import wait_until
from slipway.settings import Settings
from slipway.stack import PartState
from slipway.stack.secrets import load_webhook_secret


def test_every_part_is_up_and_says_where(here: Settings, parts: list[stack.Part]) -> None:
    """Five parts, each with a process, and the addresses that people open."""
    seen = {part.name: part for part in parts}

    assert set(seen) == {"prefect", "mlflow", "webhook", "worker", "envoy"}
    assert {part.state for part in parts} == {PartState.UP}
    assert all(part.pid for part in parts)
    assert httpx.get(seen["prefect"].address).status_code == 200
    assert httpx.get(seen["mlflow"].address).status_code == 200
    assert httpx.get(f"{here.front_door}/digits/x").json()["error"].startswith("no model at this path")


def test_coming_up_again_changes_nothing(here: Settings, project: Path, parts: list[stack.Part]) -> None:
    """The same processes; their own ports are not taken for somebody else's."""
    again = stack.start_stack(here, root=project)

    assert [part.pid for part in again] == [part.pid for part in parts]


@pytest.mark.usefixtures("parts")
def test_mlflow_delivers_signed_webhooks_on_this_machine(here: Settings) -> None:
    """Over http, to a private address: what MLflow refuses where it is not told."""
    from mlflow import MlflowClient
    from mlflow.entities.webhook import WebhookEvent

    client = MlflowClient(here.mlflow)
    events = [WebhookEvent.from_str("model_version.created")]
    webhook = client.create_webhook(name="here", url=here.webhook, events=events, secret=load_webhook_secret(here))

    result = client.test_webhook(webhook.webhook_id)

    assert (result.success, result.response_status) == (True, 200)


@pytest.mark.usefixtures("parts")
def test_mlflow_keeps_artifacts(here: Settings, tmp_path: Path) -> None:
    """What is logged through the server comes back, and lies under the stack's folder."""
    import mlflow

    client = mlflow.MlflowClient(here.mlflow)
    run = client.create_run(client.create_experiment("kept"))
    (tmp_path / "note.txt").write_text("kept")
    client.log_artifact(run.info.run_id, str(tmp_path / "note.txt"))

    back = client.download_artifacts(run.info.run_id, "note.txt", str(tmp_path))

    assert Path(back).read_text() == "kept"
    assert list((here.stack_home / "mlflow" / "artifacts").rglob("note.txt"))


@pytest.mark.usefixtures("parts")
def test_the_worker_runs_what_prefect_yaml_deploys(here: Settings) -> None:
    """A run asked for over the API is done by the worker, that sees the same home and servers."""
    deployment = httpx.get(f"{here.prefect}/deployments/name/note/note").json()
    address = f"{here.prefect}/deployments/{deployment['id']}/create_flow_run"
    run = httpx.post(address, json={"parameters": {"name": "noted"}}).json()

    def state() -> str:
        return httpx.get(f"{here.prefect}/flow_runs/{run['id']}").json()["state"]["type"]

    assert wait_until(lambda: state() in {"COMPLETED", "FAILED", "CRASHED"}, 120)
    assert state() == "COMPLETED"
    assert (here.home / "noted").read_text() == here.mlflow


@pytest.mark.usefixtures("parts")
def test_secrets_are_for_their_owner_alone(here: Settings) -> None:
    """Files of mode 0600 under a folder of mode 0700; no log and no supervisor configuration shows them."""
    secrets = list((here.home / "secrets").iterdir())
    logs = [path.read_text(errors="replace") for path in (here.target_home / "supervisor" / "logs").iterdir()]

    assert {path.stat().st_mode & 0o777 for path in secrets} == {0o600}
    assert here.secret_file.parent.stat().st_mode & 0o777 == 0o700
    assert not any(path.read_text().strip() in log for path in secrets for log in logs if path.name != "lock")


@pytest.mark.usefixtures("parts")
def test_a_part_that_died_comes_back(here: Settings) -> None:
    """The supervisor restarts it."""
    before = next(part for part in stack.read_status(here) if part.name == "webhook")
    os.kill(before.pid, 9)

    def back() -> bool:
        now = next(part for part in stack.read_status(here) if part.name == "webhook")
        return now.state is PartState.UP and now.pid != before.pid

    assert wait_until(back, 30)
