"""A worker that drives rollouts, without gates and registry: a process of its own, so that it can be killed.

    python -m tests.end_to_end.cluster.driver '[{"model": ..., "version": 2, "image": ...}]' REPORT

Each rollout is driven as a release drives it: the lease is taken and kept, the status is the only memory, looks are
`slipway.usecases.drive`'s. Begun again with the same words it goes on where the status says. A job with `undo` is a
person's word: the lease is taken over and the rollout taken back. What came of it is written to REPORT as JSON.
"""

import json
import logging
import sys
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from slipway import wiring
from slipway.domain.pending import release_id
from slipway.domain.revision import Package, Revision
from slipway.domain.rollout import begin, undo
from slipway.domain.spec import ReleaseSpec
from slipway.domain.status import RolloutStatus
from slipway.errors import LeaseHeld, SlipwayError
from slipway.ports.rollouts import Lease
from slipway.usecases.active_release import spec_of
from slipway.usecases.drive import drive_to_rest
from slipway.usecases.leases import keeping

log = logging.getLogger("driver")

POLL_SECONDS = 0.5
MOST_AT_ONCE = 32


def run(job: Mapping[str, Any]) -> dict[str, str]:
    """Drive one rollout to its rest; return where it is, or the error that ended it."""
    try:
        spec = spec_of(job["model"])
        status = _take_back(spec, job["undo"]) if "undo" in job else _release(spec, job)
    except SlipwayError as error:
        return {"error": type(error).__name__, "said": str(error)}
    return {"phase": status.phase.value, "said": status.reason}


def _release(spec: ReleaseSpec, job: Mapping[str, Any]) -> RolloutStatus:
    name, seconds = release_id(spec.model, job["version"], 1), spec.rollout.lease_seconds
    lease = _lease(spec, job["version"], name)
    with keeping(lease, seconds):
        before = wiring.rollouts().load(spec.model)
        if before is not None and before.release_id == name and before.canary is not None:
            return drive_to_rest(spec, before, lease)
        champion = before.champion if before else None
        begun = begin(_fresh(name, job), _revision(spec, job), champion, time.time())
        return drive_to_rest(spec, begun, lease)


def _take_back(spec: ReleaseSpec, reason: str) -> RolloutStatus:
    lease = wiring.leases().take_over(spec.model, "rollback", spec.rollout.lease_seconds)
    with keeping(lease, spec.rollout.lease_seconds):
        status = wiring.rollouts().load(spec.model)
        if status is None:
            raise AssertionError(spec.model)
        return drive_to_rest(spec, undo(status, reason, time.time()), lease)


def _lease(spec: ReleaseSpec, version: int, holder: str) -> Lease:
    """Take the lease; whoever holds it is asked to make room, and waited for."""
    while True:
        try:
            return wiring.leases().acquire(spec.model, holder, spec.rollout.lease_seconds)
        except LeaseHeld as held:
            log.warning("waiting: %s", held)
            wiring.leases().ask_to_yield(spec.model, version)
        threading.Event().wait(POLL_SECONDS)


def _fresh(name: str, job: Mapping[str, Any]) -> RolloutStatus:
    now = time.time()
    return RolloutStatus(
        model=job["model"], version=job["version"], release_id=name, started_at=now, entered_at=now, heartbeat_at=now
    )


def _revision(spec: ReleaseSpec, job: Mapping[str, Any]) -> Revision:
    name = f"{spec.model}-v{job['version']}"
    package = Package(
        model=spec.model,
        version=job["version"],
        path=Path(name),
        digest=job["image"].rpartition("@")[2],
        tag=name,
        runtime="onnx",
        image=job["image"],
    )
    return Revision(
        name=name,
        model=spec.model,
        version=job["version"],
        package=package,
        serving=spec.serving,
        rescue=spec.rollout.rescue,
    )


def main() -> None:
    """Drive all jobs at once and report."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    jobs, report = json.loads(sys.argv[1]), Path(sys.argv[2])
    began = time.time()
    wiring.target(), wiring.leases()  # connected once, before threads ask for it
    with ThreadPoolExecutor(min(len(jobs), MOST_AT_ONCE)) as pool:
        ends = list(pool.map(run, jobs))
    calls = {" ".join(asked): count for asked, count in sorted(wiring.cluster.cluster().calls.items())}
    found = {"ends": ends, "calls": calls, "seconds": time.time() - began}
    part = report.with_suffix(".part")
    part.write_text(json.dumps(found))
    part.replace(report)


if __name__ == "__main__":
    main()
