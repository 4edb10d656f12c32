"""Runs Prefect's server with a short wait for locks: `python -m slipway.stack.prefect_server --port ...`.

On SQLite, Prefect's server waits up to 60 s for a lock, and sometimes its own writers wait for one another: then all
are blocked until the first of them times out. Its clients retry by themselves, so a short wait is better: the same
deadlock ends after two seconds. The 60 s are fixed in Prefect (`setup_sqlite`), hence a later listener here.
"""

import sys
from typing import Any

PATIENCE_MILLISECONDS = 2000


def main() -> None:
    """Serve until SIGTERM, with the arguments of `prefect server start`."""
    from sqlalchemy import event
    from sqlalchemy.pool import Pool

    event.listen(Pool, "checkout", _be_brisk)
    from prefect.cli import app

    sys.argv = ["prefect", "server", "start", *sys.argv[1:]]
    app()


def _be_brisk(connection: Any, _record: object, _proxy: object) -> None:  # noqa: ANN401 - a driver's connection
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {PATIENCE_MILLISECONDS}")
    cursor.close()


if __name__ == "__main__":
    main()
