"""Checking the rows that gates judge with."""

from pathlib import Path
from typing import Protocol

from slipway.domain.release.version import Signature
from slipway.domain.spec.release import DataSpec
from slipway.domain.verdict import Verdict


class DataValidator(Protocol):
    """Runs a suite of expectations over a file of rows."""

    def validate(self, path: Path, spec: DataSpec, signature: Signature) -> list[Verdict]:
        """Return one verdict per expectation; warnings are not blocking.

        Raises DataBroken for a file that is missing, unreadable or empty, or lacks the label column.
        """
        ...
