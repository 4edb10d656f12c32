"""Showing one release to people."""

from pathlib import Path
from typing import Protocol

from slipway.domain.release import ReleaseRecord


class Reporter(Protocol):
    """Turns a release's record into something worth reading.

    Links to other pages come in the record's parameters: `links` maps their names to http or https addresses.
    """

    def page(self, record: ReleaseRecord, out: Path) -> Path:
        """Write the whole report as one self-contained HTML file, whole or not at all; return its path.

        Raises PermanentError where it can't be written.
        """
        ...

    def summary(self, record: ReleaseRecord) -> str:
        """Return the report in short, as Markdown: the decision, the facts, the gates."""
        ...
