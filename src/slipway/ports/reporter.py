"""Showing one release to people."""

from pathlib import Path
from typing import Protocol

from slipway.domain.forecast import Forecast
from slipway.domain.release.record import ReleaseRecord


class Reporter(Protocol):
    """Turns a release's record into something worth reading.

    Links to other pages come in the record's parameters: `links` maps their names to http or https addresses.
    """

    def write_page(self, record: ReleaseRecord, out: Path) -> Path:
        """Write the whole report as one self-contained HTML file, whole or not at all; return its path.

        Raises PermanentError where it can't be written.
        """
        ...

    def plot_plan(self, model: str, forecast: Forecast, kind: str) -> bytes:
        """Return the figure of a plan as a file: `kind` is "svg" or "png". The same plan gives the same bytes."""
        ...

    def render_summary(self, record: ReleaseRecord) -> str:
        """Return the report in short, as Markdown: the decision, the facts, the gates."""
        ...
