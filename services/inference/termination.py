"""Writes why a process ended to the file that Kubernetes reads."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from slipway_interface import environment as variables
from slipway_interface import logs


@contextlib.contextmanager
def report_termination() -> Iterator[None]:
    """Write an exception of the block to the termination log if that file exists, and raise it again.

    The process' own log ends with lines of its supervisor, so the reason would be hard to find there.
    """
    try:
        yield
    except Exception as error:
        path = Path(os.environ.get(variables.TERMINATION_LOG, logs.TERMINATION_LOG))
        with contextlib.suppress(OSError):
            if path.is_file():
                path.write_text(f"{error}\n", encoding="utf-8")
        raise
