"""The watch: it looks after what no release drives, and takes no lease that is held."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
STORY = """
from slipway import wiring
from slipway.domain.rollout.status import Phase, RolloutStatus
from slipway.usecases.watch import watch_model

lease = wiring.get_leases().acquire("asked", "asked-v1-a1", 30)
fields = {"model": "asked", "version": 1, "release_id": "asked-v1-a1", "phase": Phase.HELD}
times = dict.fromkeys(("started_at", "entered_at", "heartbeat_at"), 1.0)
status = RolloutStatus(**fields, **times)
wiring.get_rollout_store().save(status, lease)
print(watch_model("asked", 1.0))
wiring.get_rollout_store().save(status, lease)
print(wiring.get_held_leases().find_lease("asked").token == lease.token)
"""
"""A release that a person just answered goes on with its rollout, when the watch comes by."""


MANY = """
import json
from pathlib import Path

from slipway import wiring
from slipway.domain.rollout.revision import Package, Revision
from slipway.domain.rollout.status import Phase, RolloutStatus
from slipway.usecases.watch import AT_ONCE, find_watched_models

def serves(model, version):
    package = Package(model=model, version=version, path=Path("p"), digest="sha256:0", tag="t", runtime="onnx")
    return Revision(name=f"{model}-v{version}", model=model, version=version, package=package)

def save(model, phase, stable=None):
    lease = wiring.get_leases().acquire(model, "test", 30)
    fields = {"model": model, "version": 2, "release_id": f"{model}-v2-a1", "phase": phase}
    times = dict.fromkeys(("started_at", "entered_at", "heartbeat_at"), 1.0)
    wiring.get_rollout_store().save(RolloutStatus(**fields, **times, canary=serves(model, 2), stable=stable), lease)

for number in range(2 * AT_ONCE):
    save(f"alone-{number}", Phase.BAKING)
save("bakes", Phase.BAKING, serves("bakes", 1))
save("held", Phase.HELD, serves("held", 1))
save("over", Phase.SUCCEEDED)
print(json.dumps(find_watched_models(50)))
"""
"""Twice as many first versions as a run watches side by side, and rollouts that something may be taken back of."""


def test_a_release_that_goes_on_keeps_its_lease(tmp_path: Path) -> None:
    """Also where it is the very release that the watch would look after: with its lease its answer would be lost."""
    said, kept = told(STORY, tmp_path)

    assert said.startswith("driven by another: asked-v1-a1 holds it until ")
    assert kept == "True"


def test_what_may_be_taken_back_comes_first_and_first_versions_share_the_time(tmp_path: Path) -> None:
    """However many serve alone: a run that lasted for long would keep the next one from beginning."""
    (said,) = told(MANY, tmp_path)
    times = json.loads(said)

    assert list(times)[:2] == ["bakes", "held"]
    assert (times["bakes"], times["held"]) == (50, 50)
    assert {seconds for model, seconds in times.items() if model.startswith("alone-")} == {25}
    assert len(times) == 34


def told(story: str, home: Path) -> list[str]:
    """Run a story in a process of its own; return the lines that it printed."""
    settings = {"SLIPWAY_HOME": str(home), "SLIPWAY_MODELS": str(home), "PYTHONPATH": str(ROOT)}

    done = subprocess.run(
        [sys.executable, "-c", story], env={**os.environ, **settings}, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()
