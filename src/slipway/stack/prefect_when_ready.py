"""Runs a `prefect` command as soon as the server answers and the work pool exists.

`python -m slipway.stack.prefect_when_ready HEALTH_ADDRESS ARGUMENT ...`: imports Prefect first, which takes as long as
the server's start, so that both happen at once.
"""

import json
import os
import sys
import time
import urllib.error
import urllib.request

WAIT_SECONDS = 180.0
PAUSE_SECONDS = 0.1
POOL = "slipway"
"""Name of the work pool, the same as in prefect.yaml."""
POOL_TYPE = "process"


def main() -> None:
    """Import, wait, create the pool if it is missing, execute the command."""
    from prefect.cli import app
    from prefect.workers.process import ProcessWorker

    api = os.environ["PREFECT_API_URL"]
    if not _wait_until_healthy(f"{api}/health"):
        sys.exit(f"{api} did not answer within {WAIT_SECONDS:.0f} s")
    _ensure_pool(api, ProcessWorker.get_default_base_job_template())
    sys.argv = ["prefect", *sys.argv[1:]]
    app()


def _wait_until_healthy(address: str) -> bool:
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(address, timeout=2):  # noqa: S310 - the address of our own server
                return True
        except OSError:
            time.sleep(PAUSE_SECONDS)
    return False


def _ensure_pool(api: str, template: dict[str, object]) -> None:
    body = json.dumps({"name": POOL, "type": POOL_TYPE, "base_job_template": template}).encode()
    request = urllib.request.Request(  # noqa: S310 - the address of our own server
        f"{api}/work_pools/", data=body, headers={"content-type": "application/json"}
    )
    try:
        urllib.request.urlopen(request, timeout=10).close()  # noqa: S310 - as above
    except urllib.error.HTTPError as error:
        if error.code != 409:  # noqa: PLR2004 - HTTP's Conflict: the pool is there
            raise


if __name__ == "__main__":
    main()
