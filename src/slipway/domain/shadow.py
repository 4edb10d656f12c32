"""Shadow traffic: the same request answered by both revisions, joined by request id."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

FAILED_FROM = 500
"""HTTP status from which an answer is the server's failure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What one revision answered to one request."""

    request_id: str
    status: int
    """HTTP status."""
    values: tuple[float | str, ...] = ()
    """The prediction, flattened: labels or numbers."""

    @property
    def failed(self) -> bool:
        """Whether the server failed on it."""
        return self.status >= FAILED_FROM


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowComparison:
    """Counts over the requests that both revisions answered since the shadow began."""

    compared: int = 0
    disagreed: int = 0
    """Neither failed, and they differ in status or values."""
    canary_failed: int = 0
    stable_failed: int = 0


def compare(stable: Sequence[Answer], canary: Sequence[Answer], *, tolerance: float) -> ShadowComparison:
    """Join two revisions' answers by request id and count how they differ.

    Numbers within `tolerance` agree. An id that comes twice counts once, with its first answer.
    """
    first: dict[str, Answer] = {}
    for answer in stable:
        first.setdefault(answer.request_id, answer)
    compared = disagreed = canary_failed = stable_failed = 0
    seen: set[str] = set()
    for theirs in canary:
        ours = first.get(theirs.request_id)
        if ours is None or theirs.request_id in seen:
            continue
        seen.add(theirs.request_id)
        compared += 1
        canary_failed += theirs.failed
        stable_failed += ours.failed
        if not (theirs.failed or ours.failed) and not _agree(ours, theirs, tolerance):
            disagreed += 1
    return ShadowComparison(
        compared=compared, disagreed=disagreed, canary_failed=canary_failed, stable_failed=stable_failed
    )


def _agree(ours: Answer, theirs: Answer, tolerance: float) -> bool:
    if ours.status != theirs.status or len(ours.values) != len(theirs.values):
        return False
    return all(_same(one, other, tolerance) for one, other in zip(ours.values, theirs.values, strict=True))


def _same(ours: float | str, theirs: float | str, tolerance: float) -> bool:
    if isinstance(ours, str) or isinstance(theirs, str):
        return ours == theirs
    if math.isnan(ours) or math.isnan(theirs):
        return math.isnan(ours) and math.isnan(theirs)
    return ours == theirs or abs(ours - theirs) <= tolerance  # infinities have no difference
