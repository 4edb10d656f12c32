"""The watch and whoever drives: it looks after what nobody does, and takes nothing out of anybody's hands."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
STORY = """
from slipway import wiring
from slipway.domain.status import Phase, RolloutStatus
from tasks.watching import watch_model

lease = wiring.leases().acquire("asked", "asked-v1-a1", 30)
fields = {"model": "asked", "version": 1, "release_id": "asked-v1-a1", "phase": Phase.HELD}
times = dict.fromkeys(("started_at", "entered_at", "heartbeat_at"), 1.0)
status = RolloutStatus(**fields, **times)
wiring.rollouts().save(status, lease)
print(watch_model.fn("asked", 1.0))
wiring.rollouts().save(status, lease)
print(wiring.leases().current("asked").token == lease.token)
"""
"""A release that a person just answered goes on with its rollout, when the watch comes by."""


def test_a_release_that_goes_on_keeps_its_lease(tmp_path: Path) -> None:
    """Also where it is the very release that the watch would look after: with its lease its answer would be lost."""
    settings = {"SLIPWAY_HOME": str(tmp_path), "SLIPWAY_MODELS": str(tmp_path), "PYTHONPATH": str(ROOT)}

    done = subprocess.run(
        [sys.executable, "-c", STORY], env={**os.environ, **settings}, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    said, kept = done.stdout.splitlines()
    assert said.startswith("driven by another: asked-v1-a1 holds it until ")
    assert kept == "True"
