"""Releases as people live them, on a whole stack: schedule, approval, a newer version, a rollback, things that die."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from slipway.adapters.prefect.orchestrator import PrefectOrchestrator
from tests.end_to_end.conftest import ROOT, Stack, kill

pytestmark = pytest.mark.timeout(600)  # the first test also waits for the whole stack
Register = Callable[[str, int], int]
Traffic = Callable[[str], Any]
LONG = [{"weight_percent": 20, "duration_seconds": 600}]


def test_without_a_webhook_only_the_delay_changes(stack: Stack, register: Register) -> None:
    """No webhook is registered: the schedule finds the version and releases it by the same flow."""
    stack.spec("scheduled")
    register("scheduled", 1)

    stack.until("the release", lambda: stack.state("scheduled", 1) == "promoted")

    history = stack.slipway("history", "scheduled", "--json")
    assert '"promoted"' in history


def test_a_first_version_is_learned_from_while_it_serves_alone(
    stack: Stack, register: Register, traffic: Traffic
) -> None:
    """The watch looks at it, and keeps nobody waiting: the next version, or a person who takes the model away."""
    stack.spec("only", shadow=None)
    register("only", 2)
    stack.slipway("release", "only")
    assert stack.status("only")["phase"] == "baking"
    assert "it serves alone, and how its errors come together is learned until " in stack.slipway("status", "only")

    with traffic("only") as sent:
        stack.until("what it learns", lambda: _watched(stack, "only") > 0)
        refused = stack.slipway("rollback", "only", "--reason", "a person says no", code=1)
        register("only", 2)
        stack.slipway("release", "only", "--no-wait")
        stack.until("the canary", lambda: _at(stack, "only", 2, "shifting"))

    assert "failed" in refused
    assert stack.status("only")["stable"]["name"] == "only-v1"
    assert stack.state("only", 1) == "promoted"
    assert sent.lost == []


def _watched(stack: Stack, model: str) -> int:
    """Let the watch look for a second; return how many requests it has learned from."""
    watch = f"from slipway.usecases.watch import watch_model\nprint(watch_model('{model}', 1.0))"
    subprocess.run([sys.executable, "-c", watch], env=stack.env, cwd=ROOT, check=True, timeout=60)
    return _requests_seen(stack, model)


def _requests_seen(stack: Stack, model: str) -> int:
    dispersion = stack.status(model)["evidence"]["rates"].get("error_rate", {}).get("dispersion", {})
    return int(dispersion.get("requests", 0) + dispersion.get("all_requests", 0))


def test_a_run_that_broke_is_started_anew(stack: Stack) -> None:
    """The same key gives the same run while it works or worked; one that broke does not block a version for ever."""
    orchestrator = PrefectOrchestrator(stack.prefect)
    nobody = {"model": "nobody", "version": "1", "attempt": 1, "trigger": "test"}
    broken = orchestrator.submit_run("release", nobody, "a key")
    assert orchestrator.wait_for_run(broken, 120) == "Failed"

    anew = orchestrator.submit_run("release", nobody, "a key")
    again = orchestrator.submit_run("release", nobody, "a key")

    assert anew != broken
    assert again == anew or orchestrator.wait_for_run(anew, 120) == "Failed"


def test_a_person_is_asked_before_promotion(stack: Stack, register: Register) -> None:
    """The release suspends; `slipway approve` lets it go on, and the record says who said so."""
    stack.spec("asked", approval=True)
    register("asked", 1)

    waiting = stack.slipway("release", "asked", code=7)
    assert "approv" in waiting
    assert stack.status("asked")["phase"] == "held"
    stack.slipway("approve", "asked", "--by", "anna")
    stack.until("the promotion", lambda: stack.state("asked", 1) == "promoted")

    assert stack.status("asked")["approved_by"] == "anna"


def test_a_changed_artifact_stops_the_release(stack: Stack, register: Register) -> None:
    """A worse version is stopped; its files change behind its number; the next try names the change."""
    stack.spec("tampered")
    register("tampered", 2)
    stack.slipway("release", "tampered")
    register("tampered", 4)
    stopped = stack.slipway("release", "tampered", code=3)
    assert "points worse" in stopped
    newest = max((stack.home / "stack").rglob("requirements.txt"), key=lambda path: path.stat().st_mtime)
    newest.write_text(newest.read_text() + "something-else\n")

    again = stack.slipway("release", "tampered", "--again", code=3)

    assert "a version never changes" in again
    assert stack.status("tampered")["stable"]["name"] == "tampered-v1"


def test_labels_that_come_late_take_a_promoted_version_back(
    stack: Stack, register: Register, traffic: Traffic, tmp_path: Path
) -> None:
    """Nothing spoke against it while it was a canary; its answers turn out wrong while the old one is warm."""
    stack.spec("late", judge={"labels": {}, "drift": {}}, shadow=None)
    register("late", 2)
    stack.slipway("release", "late")
    with traffic("late"):
        register("late", 2)
        stack.slipway("release", "late")
    assert stack.status("late")["phase"] == "baking"
    truth = tmp_path / "truth.csv"
    wrong = {"late-v1": 0, "late-v2": 1}
    rows = [f"{revision}-{number},{revision},{wrong[revision]}" for revision in wrong for number in range(60)]
    truth.write_text("\n".join(["request_id,revision,wrong", *rows]))

    said = stack.slipway("labels", "late", str(truth))
    stack.until("the rollback", lambda: stack.state("late", 2) == "rolled-back")

    assert "120 labels recorded" in said
    assert "canary is wrong where stable never is" in stack.status("late")["reason"]
    verdicts = {verdict["check"]: verdict["outcome"] for verdict in stack.status("late")["verdicts"]}
    assert (verdicts["error_rate"], verdicts["wrong_answers"], verdicts["input_drift"]) == ("PASS", "FAIL", "PASS")


def test_a_killed_release_is_resumed_and_ends(stack: Stack, register: Register, traffic: Traffic) -> None:
    """Killed in the middle of the canary: `reconcile` takes the rollout up, the judge goes on, nothing is lost."""
    stack.spec("orphan", steps=[{"weight_percent": 30, "duration_seconds": 600}], shadow=None)
    register("orphan", 2)
    stack.slipway("release", "orphan")
    with traffic("orphan") as sent:
        register("orphan", 3)
        stack.slipway("release", "orphan", "--no-wait")
        stack.until("the canary", lambda: stack.status("orphan").get("phase") == "shifting")
        kill(stack.flow_process("release orphan"))
        stack.until("the end", lambda: stack.state("orphan", 2) == "rolled-back")

    assert "canary fails where stable never does" in stack.status("orphan")["reason"]
    assert stack.status("orphan")["phase"] == "rolled-back"
    assert sent.lost == []
    assert sent.failed == {}


def test_a_newer_version_supersedes_and_a_rollback_comes_first(
    stack: Stack, register: Register, traffic: Traffic
) -> None:
    """Version 3 takes version 2's place in mid-canary; a person's rollback then takes version 3 back."""
    stack.spec("busy", steps=LONG, shadow=None)
    register("busy", 1)
    stack.slipway("release", "busy")
    with traffic("busy") as sent:
        register("busy", 2)
        stack.slipway("release", "busy", "--no-wait")
        stack.until("the first canary", lambda: stack.status("busy").get("phase") == "shifting")
        register("busy", 2)
        stack.slipway("release", "busy", "--no-wait")
        stack.until("the second canary", lambda: _at(stack, "busy", 3, "shifting"))
        assert stack.state("busy", 2) == "superseded"
        stack.slipway("rollback", "busy", "--reason", "a person says no")

    assert stack.state("busy", 3) == "rolled-back"
    assert stack.status("busy")["reason"] == "a person says no"
    assert sent.lost == []
    assert sent.failed == {}


def _at(stack: Stack, model: str, version: int, phase: str) -> bool:
    status = stack.status(model)
    return bool(status.get("version") == version and status.get("phase") == phase)


def test_a_canary_that_dies_is_rolled_back_at_once(stack: Stack, register: Register, traffic: Traffic) -> None:
    """No statistics needed; Envoy dies too, comes back with the same routes, and the stable version serves on."""
    stack.spec("mortal", steps=LONG, shadow=None)
    register("mortal", 1)
    stack.slipway("release", "mortal")
    with traffic("mortal"):
        register("mortal", 2)
        stack.slipway("release", "mortal", "--no-wait")
        stack.until("the canary", lambda: stack.status("mortal").get("phase") == "shifting")
        for process in _serving(stack, "mortal", 2):
            kill(process)
        stack.until("the end", lambda: stack.state("mortal", 2) == "rolled-back")

    assert "mortal-v2" in stack.status("mortal")["reason"]


def _serving(stack: Stack, model: str, version: int) -> list[psutil.Process]:
    package = stack.status(model)["canary"]["package"]["path"]
    assert stack.status(model)["canary"]["version"] == version
    found = [one for one in psutil.process_iter(["cwd"]) if one.info["cwd"] == package]
    children = [child for one in found for child in one.children(recursive=True)]
    assert found
    return [*children, *found]
