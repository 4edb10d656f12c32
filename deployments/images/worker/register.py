"""Puts the work pool and the flows of prefect.yaml into Prefect: `python register.py BASE_JOB_TEMPLATE.json SECONDS`.

Run by the chart after every install and upgrade. A pool keeps the template that it was made with, so that an upgrade
must write it anew: what Prefect starts and what the chart says are the same then. SECONDS is how often the scheduled
flows run: in a cluster each run is a pod, which costs more than a process on one machine.
"""

# ruff: noqa: INP001 - a script of the image, in no package
import json
import os
import sys
from pathlib import Path
from typing import Any

import yaml
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
from prefect.exceptions import ObjectNotFound

POOL = "slipway"
"""Named in prefect.yaml too."""
POOL_TYPE = "kubernetes"


def ensure_pool(client: SyncPrefectClient, template: dict[str, Any]) -> str:
    """Make the pool, or give it this template; return what was done. Exits for a pool of another type."""
    try:
        pool = client.read_work_pool(POOL)
    except ObjectNotFound:
        client.create_work_pool(WorkPoolCreate(name=POOL, type=POOL_TYPE, base_job_template=template))
        return "made"
    if pool.type != POOL_TYPE:
        sys.exit(
            f"work pool {POOL}: it is of type {pool.type!r}; expected {POOL_TYPE!r}. An embedded stack uses it "
            f"already: stop that and delete the pool (`prefect work-pool delete {POOL}`), or use another Prefect server"
        )
    if pool.base_job_template == template:
        return "as it should be"
    client.update_work_pool(POOL, WorkPoolUpdate(base_job_template=template))
    return "brought up to date"


def paced(document: dict[str, Any], seconds: int) -> dict[str, Any]:
    """Return prefect.yaml with every interval of a schedule set to so many seconds.

    >>> paced({"deployments": [{"name": "watch", "schedules": [{"interval": 60}]}]}, 300)["deployments"][0]["schedules"]
    [{'interval': 300, 'slug': 'paced'}]
    """
    deployments = [
        {**deployment, "schedules": [{**schedule, "interval": seconds, "slug": "paced"} for schedule in schedules]}
        if (schedules := deployment.get("schedules"))
        else deployment
        for deployment in document["deployments"]
    ]
    return {**document, "deployments": deployments}


def main() -> None:
    """Ensure the pool, then become `prefect deploy --all`."""
    template = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    with get_client(sync_client=True) as client:
        sys.stdout.write(f"work pool {POOL}: {ensure_pool(client, template)}\n")
    sys.stdout.flush()
    root = Path(os.environ["SLIPWAY_ROOT"])
    document = yaml.safe_load((root / "prefect.yaml").read_text(encoding="utf-8"))
    deployments = Path.home() / "prefect.yaml"
    deployments.write_text(yaml.safe_dump(paced(document, int(sys.argv[2]))), encoding="utf-8")
    os.chdir(root)
    command = ["prefect", "--no-prompt", "deploy", "--all", "--prefect-file", str(deployments)]
    os.execvp(command[0], command)  # noqa: S606 - this image's own


if __name__ == "__main__":
    main()
