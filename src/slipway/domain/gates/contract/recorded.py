"""Live requests as the service logs them if `serving.capture_share` is set (lines of JSON).

They hold what clients sent, which may be personal data: their values go only to the two services, and into no sentence,
log or error. A log is untrusted text: lines that are no sample are left out and counted.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field

from slipway.domain.gates.contract.difference import count_words
from slipway_interface.logs import SAMPLES_LOGGER

MOST = 200
"""Number of newest requests that are kept; equal values count once."""
LONGEST_LINE = 2**20
"""Bytes; services write at most some 100,000 for each column."""
Value = float | str | None
"""A number (a boolean is one too), a text, or None (NaN)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedSample:
    """Live requests from a revision's log."""

    requests: tuple[dict[str, list[Value]], ...] = field(default=(), repr=False)
    """Values by column, row after row, oldest request first; under an empty name those of all columns together."""
    unreadable: int = 0
    """Lines of samples that could not be read."""
    missing: str = ""
    """Why there are none; empty: see `requests`, or samples were not configured."""

    @property
    def remark(self) -> str:
        """Describe what could not be replayed; empty: nothing was missing."""
        return self.missing or (_describe_unread(self.unreadable) if self.unreadable else "")


def _describe_unread(lines: int) -> str:
    return f"{count_words(lines, 'recorded request')} could not be read"


def read_samples(lines: Iterable[bytes]) -> RecordedSample:
    """Return the newest requests among the lines of one or more logs, by the time in each line."""
    mark = f'"{SAMPLES_LOGGER}"'.encode()
    read = [_read_sample(line) for line in lines if mark in line]
    good = sorted((one for one in read if one is not None), key=lambda one: one[0])
    newest = {json.dumps(inputs): inputs for _, inputs in reversed(good)}
    kept = list(newest.values())[:MOST]
    missing = "" if read else "no live request was recorded yet"
    return RecordedSample(requests=tuple(reversed(kept)), unreadable=len(read) - len(good), missing=missing)


def _read_sample(line: bytes) -> tuple[str, dict[str, list[Value]]] | None:
    """Return a line's time and values; None: it is no sample."""
    if len(line) > LONGEST_LINE:
        return None
    try:
        document = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict) or document.get("logger") != SAMPLES_LOGGER:
        return None
    at, inputs = document.get("time"), document.get("inputs")
    if not isinstance(at, str) or not isinstance(inputs, dict) or not inputs:
        return None
    whole = all(isinstance(values, list) and all(map(_is_value, values)) for values in inputs.values())
    return (at, inputs) if whole else None


def _is_value(value: object) -> bool:
    return value is None or isinstance(value, int | float | str)
