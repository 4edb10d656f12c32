"""What a model's code finds in its environment while it serves on this machine."""

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from slipway.adapters.bento.serving import serve_command
from slipway.adapters.local.processes import MARK
from slipway.adapters.local.program import Program
from slipway.adapters.local.target import LocalTarget
from slipway.adapters.local.waiting import wait_until
from slipway.artifacts import model_environment
from slipway.domain.rollout.revision import Health, Traffic
from tests.adapters.local.packaged import packaged_pyfunc
from tests.adapters.local.place import Place
from tests.environments import SECRETS, check_noted, set_secrets, write_noting_model

ROW = {"inputs": [{"name": "x", "shape": [1, 1], "datatype": "FP64", "data": [1.5]}]}


def test_a_model_that_serves_sees_no_secret(
    new_place: Callable[[str], Place], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its supervisor was started with secrets: of them nothing, of the rest the written list."""
    set_secrets(monkeypatch)
    place = new_place("environment")
    target = LocalTarget(place.home, place.host, place.front_door_port, place.admin_port, serve_command)
    model = write_noting_model(tmp_path / "model", tmp_path / "note")
    revision = packaged_pyfunc(tmp_path, "noting", 1, model)

    target.start(revision)
    assert wait_until(lambda: target.observe("noting")[revision.name].health is Health.READY, 60)
    target.set_traffic("noting", Traffic(stable=revision.name))
    answer = httpx.post(f"{place.url}/noting/v2/models/noting/infer", json=ROW)

    assert answer.json()["outputs"][0]["data"] == [1.5]
    check_noted((tmp_path / "note").read_text(), {*model_environment.SERVICE_NAMES, *model_environment.SERVICE_SET})
    assert MARK in model_environment.SERVICE_SET
    target.remove("noting")


def test_a_program_without_a_list_has_its_supervisors_environment(
    new_place: Callable[[str], Place], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prefect's worker needs the tokens of registries and stores."""
    set_secrets(monkeypatch)
    supervisor = new_place("whole").target.supervisor
    code = f"env > {tmp_path / 'part'} && mv {tmp_path / 'part'} {tmp_path / 'note'} && exec tail -f /dev/null"
    supervisor.add(Program(name="worker", argv=("sh", "-c", code), cwd=tmp_path, log=supervisor.logs / "worker.log"))

    assert wait_until((tmp_path / "note").is_file, 20)
    lines = (tmp_path / "note").read_text().splitlines()
    assert {f"{name}={value}" for name, value in SECRETS.items()} <= set(lines)
    supervisor.remove("worker")
