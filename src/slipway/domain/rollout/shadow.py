"""Shadow traffic: the same request answered by both revisions, joined by request id.

A pair counts against the side whose answer a client can't use: failed, refused, shed, or NaN and infinity where the
other one gives numbers. An answer that the version did not cause (access rights, a client that disconnected) makes no
pair.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from slipway.domain.judge.answers import AnswerKind, kind_of_http
from slipway.domain.judge.readings import NO_SUMS, Sums, sums_since

WAY_MILLISECONDS = 1.0
"""Added to both times before they are compared: a client's network takes at least that, and hides much smaller
differences."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowAnswer:
    """What one revision answered to one request."""

    request_id: str
    status: int
    """HTTP status."""
    values: tuple[float | str, ...] = ()
    """The prediction, flattened: labels or numbers."""
    milliseconds: float = 0.0
    """Time the service took; 0: not known."""

    @property
    def kind(self) -> AnswerKind:
        """Its kind, by its status."""
        return kind_of_http(self.status)

    @property
    def finite(self) -> bool:
        """Whether all its numbers are finite."""
        return all(isinstance(value, str) or math.isfinite(value) for value in self.values)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowComparison:
    """Counts over the requests that both revisions answered since the shadow began."""

    compared: int = 0
    disagreed: int = 0
    """Neither failed, and they differ in status or values."""
    canary_failed: int = 0
    """Answers of the canary that are of no use: failed, refused, shed, or not finite where stable's are."""
    stable_failed: int = 0
    both_failed: int = 0
    log_latency_ratios: Sums = NO_SUMS
    """log(canary's time / stable's), each with `WAY_MILLISECONDS`, of pairs that neither failed and both timed."""
    last: str = ""
    """Id of the request that was compared last: the next comparison begins after it."""

    @property
    def answered(self) -> int:
        """Pairs that neither failed."""
        return self.compared - self.canary_failed - self.stable_failed + self.both_failed

    def since(self, before: "ShadowComparison") -> "ShadowComparison | None":
        """Return the difference from an earlier comparison; None if anything went backwards: counting was restarted."""
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


def compare_answers(
    stable: Sequence[ShadowAnswer],
    canary: Sequence[ShadowAnswer],
    *,
    tolerance: float,
    before: ShadowComparison = NOTHING_COMPARED,
) -> ShadowComparison:
    """Join two revisions' recent answers by request id, and add how they differ to what was counted before.

    Answers are oldest first, from ring buffers: those after the request compared last are new. Numbers within
    `tolerance` agree. A repeated id counts once, with its first answer.
    """
    ours: dict[str, ShadowAnswer] = {}
    for answer in stable:
        ours.setdefault(answer.request_id, answer)
    pairs: dict[str, tuple[ShadowAnswer, ShadowAnswer]] = {}
    for theirs in _newer_answers(canary, before.last):
        if theirs.request_id in ours:
            pairs.setdefault(theirs.request_id, (ours[theirs.request_id], theirs))
    told = [(our, their, *_find_bad(our, their)) for our, their in pairs.values() if _is_comparable(our, their)]
    good = [(our, their) for our, their, *bad in told if not any(bad)]
    return ShadowComparison(
        compared=before.compared + len(told),
        disagreed=before.disagreed + sum(not _answers_agree(our, their, tolerance) for our, their in good),
        canary_failed=before.canary_failed + sum(theirs for *_, theirs in told),
        stable_failed=before.stable_failed + sum(ours for *_, ours, _theirs in told),
        both_failed=before.both_failed + sum(ours and theirs for *_, ours, theirs in told),
        log_latency_ratios=_add_ratios(before.log_latency_ratios, good),
        last=next(reversed(pairs), before.last),
    )


def _is_comparable(ours: ShadowAnswer, theirs: ShadowAnswer) -> bool:
    """Whether both answers were caused by their versions."""
    return AnswerKind.NOT_THE_VERSIONS not in {ours.kind, theirs.kind}


def _find_bad(ours: ShadowAnswer, theirs: ShadowAnswer) -> tuple[bool, bool]:
    """Return whether stable's answer is of no use, and whether the canary's is."""
    return (
        ours.kind.bad or (not ours.finite and theirs.finite and not theirs.kind.bad),
        theirs.kind.bad or (not theirs.finite and ours.finite and not ours.kind.bad),
    )


def _add_ratios(before: Sums, pairs: Iterable[tuple[ShadowAnswer, ShadowAnswer]]) -> Sums:
    """Add the log ratios of pairs that both timed."""
    logs = [
        math.log((their.milliseconds + WAY_MILLISECONDS) / (our.milliseconds + WAY_MILLISECONDS))
        for our, their in pairs
        if our.milliseconds > 0 and their.milliseconds > 0
    ]
    return Sums(
        count=before.count + len(logs),
        total=before.total + math.fsum(logs),
        squares=before.squares + math.fsum(log * log for log in logs),
    )


def _newer_answers(answers: Sequence[ShadowAnswer], last: str) -> Sequence[ShadowAnswer]:
    """Return the answers after the one with this id; all of them if it was dropped: then all are newer."""
    for number in range(len(answers) - 1, -1, -1):
        if answers[number].request_id == last:
            return answers[number + 1 :]
    return answers


def _answers_agree(ours: ShadowAnswer, theirs: ShadowAnswer, tolerance: float) -> bool:
    if ours.status != theirs.status or len(ours.values) != len(theirs.values):
        return False
    return all(_values_agree(one, other, tolerance) for one, other in zip(ours.values, theirs.values, strict=True))


def _values_agree(ours: float | str, theirs: float | str, tolerance: float) -> bool:
    if isinstance(ours, str) or isinstance(theirs, str):
        return ours == theirs
    if math.isnan(ours) or math.isnan(theirs):
        return math.isnan(ours) and math.isnan(theirs)
    return ours == theirs or abs(ours - theirs) <= tolerance  # infinities have no difference
