"""Why a process ended, left where it is looked for."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

MODEL = Path(__file__).parents[2] / "model"
"""The package's model, beside the folder `services`."""
MANIFEST = "slipway.json"
TERMINATION_LOG = "/dev/termination-log"
"""Where Kubernetes reads why a container ended; SLIPWAY_TERMINATION_LOG names another file."""


@contextlib.contextmanager
def report_termination() -> Iterator[None]:
    """Leave the reason where it is looked for: the log of a process that ends so closes with its supervisor's lines."""
    try:
        yield
    except Exception as error:
        path = Path(os.environ.get("SLIPWAY_TERMINATION_LOG", TERMINATION_LOG))
        with contextlib.suppress(OSError):
            if path.is_file():
                path.write_text(f"{error}\n", encoding="utf-8")
        raise
