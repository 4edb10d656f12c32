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
    last: str = ""
    """Id of the request that was compared last: the next comparison begins behind it."""


NOTHING_COMPARED = ShadowComparison()


def compare(
    stable: Sequence[Answer],
    canary: Sequence[Answer],
    *,
    tolerance: float,
    before: ShadowComparison = NOTHING_COMPARED,
) -> ShadowComparison:
    """Join two revisions' recent answers by request id, and add how they differ to what was counted before.

    Answers come oldest first, from rings that forget: what lies behind the request compared last is new. Numbers within
    `tolerance` agree. An id that comes twice counts once, with its first answer.
    """
    ours: dict[str, Answer] = {}
    for answer in stable:
        ours.setdefault(answer.request_id, answer)
    pairs: dict[str, tuple[Answer, Answer]] = {}
    for theirs in _newer(canary, before.last):
        if theirs.request_id in ours:
            pairs.setdefault(theirs.request_id, (ours[theirs.request_id], theirs))
    return ShadowComparison(
        compared=before.compared + len(pairs),
        disagreed=before.disagreed + sum(_disagree(our, their, tolerance) for our, their in pairs.values()),
        canary_failed=before.canary_failed + sum(their.failed for _our, their in pairs.values()),
        stable_failed=before.stable_failed + sum(our.failed for our, _their in pairs.values()),
        last=next(reversed(pairs), before.last),
    )


def _newer(answers: Sequence[Answer], last: str) -> Sequence[Answer]:
    """Return the answers behind the one with this id; all of them where it was forgotten: then all are newer."""
    for number in range(len(answers) - 1, -1, -1):
        if answers[number].request_id == last:
            return answers[number + 1 :]
    return answers


def _disagree(ours: Answer, theirs: Answer, tolerance: float) -> bool:
    return not (theirs.failed or ours.failed) and not _agree(ours, theirs, tolerance)


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
