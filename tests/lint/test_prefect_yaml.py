"""The check of prefect.yaml finds what Prefect passes over in silence."""

from pathlib import Path

import pytest
import yaml

from tests.lint.prefect_yaml import problems

ROOT = Path(__file__).resolve().parents[2]
GOOD = {
    "name": "release",
    "entrypoint": "flows.release.release",
    "description": "d",
    "tags": ["slipway"],
    "work_pool": {"name": "slipway"},
}


def test_the_project_file_is_clean() -> None:
    """prefect.yaml as it is committed has no problem."""
    document = yaml.safe_load((ROOT / "prefect.yaml").read_text(encoding="utf-8"))

    assert problems(document) == []
    assert {deployment["name"] for deployment in document["deployments"]} == {
        "release", "rollback", "reconcile", "watch",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"entry_point": "x"}, "unknown key 'entry_point'; did you mean 'entrypoint'?"),
        ({"work_pool": {"nam": "slipway"}}, "unknown key 'nam'; did you mean 'name'?"),
        ({"schedules": [{"intervall": 60}]}, "unknown key 'intervall'; did you mean 'interval'?"),
        ({"parameters": {"modle": "digits"}}, "flow release has no parameter 'modle'"),
        ({"entrypoint": "flows.release.relaese"}, "can't be imported"),
        ({"entrypoint": "flows.release.wait_for_answer"}, "wait_for_answer is no flow"),
    ],
)
def test_a_mistake_is_named(change: dict[str, object], sentence: str) -> None:
    """A misspelt key, an unknown parameter and a wrong entry point are each one sentence."""
    found = problems({"name": "slipway", "deployments": [GOOD | change]})

    assert any(sentence in problem for problem in found), found


def test_a_missing_key_is_named() -> None:
    """A deployment without a work pool would never run: it is told."""
    found = problems({"deployments": [{key: value for key, value in GOOD.items() if key != "work_pool"}]})

    assert found == ["deployment 'release': no work_pool"]
