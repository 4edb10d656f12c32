"""`slipway target`: what is there, and taking a model away; no server runs."""

import json
from pathlib import Path

import pytest

from slipway.adapters.local.rollouts import LocalRollouts
from slipway.cli.exit_codes import ExitCode
from slipway.domain.rollout.status import Phase, RolloutStatus
from slipway.ports.rollouts import Lease
from tests.cli.conftest import Run


@pytest.fixture
def rollouts(tmp_path: Path) -> LocalRollouts:
    """Return the store that the command line finds."""
    return LocalRollouts(tmp_path / ".slipway" / "target")


@pytest.fixture
def lease(rollouts: LocalRollouts) -> Lease:
    """Keep a model whose release was stopped before anything was started; its lease is held."""
    status = RolloutStatus(
        model="digits",
        version=1,
        release_id="digits-v1-a1",
        phase=Phase.STOPPED,
        started_at=0.0,
        entered_at=0.0,
        heartbeat_at=0.0,
    )
    lease = rollouts.acquire("digits", "digits-v1-a1", 60)
    rollouts.save(status, lease)
    return lease


def test_a_model_is_taken_away(slipway: Run, rollouts: LocalRollouts, lease: Lease) -> None:
    """Its status and its lease go; a second time there is nothing to take away."""
    rollouts.release(lease)

    gone = slipway("target", "uninstall", "digits", "--yes", "--json")

    assert (gone.returncode, json.loads(gone.stdout)) == (ExitCode.OK, {"model": "digits", "uninstalled": True})
    assert rollouts.list_models() == []
    again = slipway("target", "uninstall", "digits", "--yes")
    assert again.returncode == ExitCode.NOT_FOUND
    assert "neither a rollout nor a route" in again.stderr


@pytest.mark.usefixtures("lease")
def test_a_model_whose_release_is_under_way_stays(slipway: Run, rollouts: LocalRollouts) -> None:
    """Who holds the lease is named, and nothing is touched."""
    refused = slipway("target", "uninstall", "digits", "--yes")

    assert refused.returncode == ExitCode.TRY_AGAIN
    assert "digits-v1-a1 holds it" in refused.stderr
    assert rollouts.list_models() == ["digits"]


@pytest.mark.usefixtures("lease")
def test_nobody_is_taken_away_by_mistake(slipway: Run, rollouts: LocalRollouts) -> None:
    """Without --yes it asks, and without an answer it does nothing."""
    asked = slipway("target", "uninstall", "digits")

    assert asked.returncode == ExitCode.PROBLEM
    assert "Take it away?" in asked.stderr
    assert rollouts.list_models() == ["digits"]


def test_an_empty_target_is_shown_as_such(slipway: Run) -> None:
    """A header and nothing under it; as JSON an empty list."""
    assert json.loads(slipway("target", "show", "--json").stdout) == {"target": "local", "revisions": []}


def test_a_target_without_its_settings_says_which(slipway: Run, tmp_path: Path) -> None:
    """A cluster that can't be reached, or that nobody named, is a sentence and an exit code."""
    nowhere = slipway("target", "show", target="kubernetes", kube_context=str(tmp_path))

    assert nowhere.returncode == ExitCode.MISCONFIGURED
    assert "SLIPWAY_KUBE_CONTEXT" in nowhere.stderr
