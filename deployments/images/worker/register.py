"""Puts the work pool and the flows of prefect.yaml into Prefect: `python register.py BASE_JOB_TEMPLATE.json`.

Run by the chart after every install and upgrade. A pool keeps the template that it was made with, so that an upgrade
must write it anew: what Prefect starts and what the chart says are the same then.
"""

import json
import os
import sys
from pathlib import Path

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
from prefect.exceptions import ObjectNotFound

POOL = "slipway"
"""Named in prefect.yaml too."""
POOL_TYPE = "kubernetes"


def ensure_pool(client: SyncPrefectClient, template: dict[str, object]) -> str:
    """Make the pool, or give it this template; return what was done. Exits for a pool of another type."""
    try:
        pool = client.read_work_pool(POOL)
    except ObjectNotFound:
        client.create_work_pool(WorkPoolCreate(name=POOL, type=POOL_TYPE, base_job_template=template))
        return "made"
    if pool.type != POOL_TYPE:
        sys.exit(
            f"work pool {POOL}: it is of type {pool.type!r}; expected {POOL_TYPE!r}. An embedded stack uses this Prefect "
            f"server already: stop it and delete the pool (`prefect work-pool delete {POOL}`), or use another server"
        )
    if pool.base_job_template == template:
        return "as it should be"
    client.update_work_pool(POOL, WorkPoolUpdate(base_job_template=template))
    return "brought up to date"


def main() -> None:
    """Ensure the pool, then become `prefect deploy --all`."""
    template = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    with get_client(sync_client=True) as client:
        sys.stdout.write(f"work pool {POOL}: {ensure_pool(client, template)}\n")
    sys.stdout.flush()
    os.chdir(os.environ["SLIPWAY_ROOT"])
    os.execvp("prefect", ["prefect", "--no-prompt", "deploy", "--all"])  # noqa: S606, S607 - this image's own


if __name__ == "__main__":
    main()
