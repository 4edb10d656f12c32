"""A worker that drives rollouts, without gates and registry: a process of its own, so that it can be killed.

    python -m tests.end_to_end.cluster.driver '[{"model": ..., "version": 2, "image": ...}]' REPORT

It calls the use cases that a release calls: begun again with the same arguments it continues where the status says. A
job with `undo` takes the lease over and the rollout back. What came of it is written to REPORT as JSON.
"""

import json
import logging
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from slipway import wiring
from slipway.domain.release.lifecycle import new_status
from slipway.domain.release.record import make_release_id
from slipway.domain.release.version import ModelVersion
from slipway.domain.rollout.revision import Package, Revision
from slipway.domain.rollout.status import RolloutStatus
from slipway.domain.spec.release import ReleaseSpec
from slipway.errors import SlipwayError
from slipway.platforms.kubernetes import connect_cluster
from slipway.usecases.active_release import find_release_spec
from slipway.usecases.leases import keep_lease
from slipway.usecases.roll_back import HOLDER, take_back_rollout
from slipway.usecases.roll_out import roll_out_revision

log = logging.getLogger("driver")

MOST_AT_ONCE = 32


def run(job: Mapping[str, Any]) -> dict[str, str]:
    """Drive one rollout to its rest; return where it is, or the error that ended it."""
    try:
        spec = find_release_spec(job["model"])
        status = _take_back(spec, job["undo"]) if "undo" in job else _roll_out(spec, job)
    except SlipwayError as error:
        return {"error": type(error).__name__, "said": str(error)}
    return {"phase": status.phase.value, "said": status.reason}


def _roll_out(spec: ReleaseSpec, job: Mapping[str, Any]) -> RolloutStatus:
    version = ModelVersion(model=spec.model, version=job["version"], source="")
    fresh = new_status(version, make_release_id(spec.model, version.version, 1), time.time(), None)
    return roll_out_revision(spec, _revision(spec, job), fresh)


def _take_back(spec: ReleaseSpec, reason: str) -> RolloutStatus:
    lease = wiring.get_leases().take_over(spec.model, HOLDER, spec.rollout.lease_seconds)
    with keep_lease(lease, spec.rollout.lease_seconds):
        status = wiring.get_rollout_store().load(spec.model)
        assert status is not None, spec.model
        return take_back_rollout(spec, status, reason, lease)


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
    wiring.get_revisions(), wiring.get_leases()  # connected once, before threads ask for it
    with ThreadPoolExecutor(min(len(jobs), MOST_AT_ONCE)) as pool:
        ends = list(pool.map(run, jobs))
    calls = {" ".join(asked): count for asked, count in sorted(connect_cluster().calls.items())}
    found = {"ends": ends, "calls": calls, "seconds": time.time() - began}
    part = report.with_suffix(".part")
    part.write_text(json.dumps(found))
    part.replace(report)


if __name__ == "__main__":
    main()
