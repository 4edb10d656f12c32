"""The worker image's inputs: the locked set, what is copied, and how flows are registered with Prefect."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from tests.deployments.rendering import ROOT
from tests.lint.prefect_yaml import problems

FOLDER = ROOT / "deployments" / "images" / "worker"


@pytest.fixture(scope="module")
def register() -> ModuleType:
    """Return the registration as a module."""
    spec = importlib.util.spec_from_file_location("register", FOLDER / "register.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def pins(path: Path) -> dict[str, str]:
    """Return names and versions of a locked set."""
    return dict(re.findall(r"^([a-z0-9][a-z0-9._-]*)==(\S+)", path.read_text(), re.MULTILINE))


def test_the_worker_runs_the_versions_that_were_tested() -> None:
    """Its locked set agrees with the developers' wherever both name a package, and adds Prefect's Kubernetes worker."""
    worker, tested = pins(ROOT / "requirements" / "worker.txt"), pins(ROOT / "requirements" / "dev.txt")

    assert {name: tested[name] for name in worker if name in tested} == {
        name: worker[name] for name in worker if name in tested
    }
    assert worker.keys() - tested.keys() >= {"prefect-kubernetes", "kubernetes-asyncio"}


def test_everything_copied_is_there_and_not_ignored() -> None:
    """The ignore file lists what is let in: a path that is copied and not listed would fail the build."""
    containerfile = (FOLDER / "Containerfile").read_text()
    allowed = [line[1:] for line in (FOLDER / "Containerfile.dockerignore").read_text().splitlines() if line[:1] == "!"]

    lines = re.findall(r"^COPY (?!--from)(.+) \S+$", containerfile, re.MULTILINE)
    copied = [path for line in lines for path in line.split()]

    assert set(copied) == set(allowed)
    assert all((ROOT / path).exists() for path in copied)


def test_no_package_index_gets_into_the_image() -> None:
    """Indexes and certificates are secrets of one command: no ARG or ENV holds them."""
    containerfile = (FOLDER / "Containerfile").read_text()

    kept = re.findall(r"^(?:ARG|ENV) .*", containerfile, re.MULTILINE)

    assert not [line for line in kept if re.search("INDEX|CERT|PROXY|PIP", line)]
    assert "--mount=type=secret,id=pip_conf" in containerfile


def test_scheduled_flows_get_the_charts_pace(register: ModuleType) -> None:
    """Only intervals change: what is registered is prefect.yaml, and still passes its checks."""
    document: dict[str, Any] = yaml.safe_load((ROOT / "prefect.yaml").read_text())

    paced = register.paced(document, 300)

    intervals = {d["name"]: [s["interval"] for s in d.get("schedules", [])] for d in paced["deployments"]}
    assert intervals == {"release": [], "rollback": [], "reconcile": [300], "watch": [300]}
    assert problems(paced) == []
    assert register.paced(paced, 60) == register.paced(document, 60)


def test_pool_and_deployments_have_one_name(register: ModuleType) -> None:
    """The flows of prefect.yaml go into the pool that the chart makes and its worker serves."""
    document = yaml.safe_load((ROOT / "prefect.yaml").read_text())
    worker = (ROOT / "deployments" / "chart" / "slipway" / "templates" / "worker.yaml").read_text()

    assert {deployment["work_pool"]["name"] for deployment in document["deployments"]} == {register.POOL}
    assert f"--pool, {register.POOL}," in worker
