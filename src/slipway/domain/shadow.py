"""Shadow traffic: the same request answered by both revisions, joined by request id."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from slipway.domain.readings import NO_SUMS, Sums, sums_since

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
    milliseconds: float = 0.0
    """Time the service took; 0: not said."""

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
    both_failed: int = 0
    log_latency_ratios: Sums = NO_SUMS
    """log(canary's time / stable's), of pairs that neither failed and both timed."""
    last: str = ""
    """Id of the request that was compared last: the next comparison begins behind it."""

    @property
    def answered(self) -> int:
        """Pairs that neither failed."""
        return self.compared - self.canary_failed - self.stable_failed + self.both_failed

    def since(self, before: "ShadowComparison") -> "ShadowComparison | None":
        """Return what came after an earlier comparison; None where anything went backwards: it was begun anew."""
        ratios = sums_since(before.log_latency_ratios, self.log_latency_ratios)
        if ratios is None or any(getattr(self, name) < getattr(before, name) for name in _COUNTS):
            return None
        return ShadowComparison(
            compared=self.compared - before.compared,
            disagreed=self.disagreed - before.disagreed,
            canary_failed=self.canary_failed - before.canary_failed,
            stable_failed=self.stable_failed - before.stable_failed,
            both_failed=self.both_failed - before.both_failed,
            log_latency_ratios=ratios,
            last=self.last,
        )


_COUNTS = ("compared", "disagreed", "canary_failed", "stable_failed", "both_failed")
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
        both_failed=before.both_failed + sum(our.failed and their.failed for our, their in pairs.values()),
        log_latency_ratios=_timed(before.log_latency_ratios, pairs.values()),
        last=next(reversed(pairs), before.last),
    )


def _timed(before: Sums, pairs: Iterable[tuple[Answer, Answer]]) -> Sums:
    """Add the log ratios of pairs that neither failed and both timed."""
    logs = [
        math.log(their.milliseconds / our.milliseconds)
        for our, their in pairs
        if our.milliseconds > 0 and their.milliseconds > 0 and not our.failed and not their.failed
    ]
    return Sums(
        count=before.count + len(logs),
        total=before.total + math.fsum(logs),
        squares=before.squares + math.fsum(log * log for log in logs),
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
