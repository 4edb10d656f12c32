"""Truth that comes late: which answers turned out to be wrong."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from slipway.domain.judge.counters import Counters
from slipway.domain.judge.labels import Label


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What became of a batch of labels."""

    added: int
    duplicates: int
    """Labels of requests that had one before: they changed nothing."""


class LabelStore(Protocol):
    """Labels by request. A request's first label counts; later ones change nothing."""

    def record(self, model: str, labels: Iterable[Label]) -> Recorded:
        """Record a batch, whole or not at all: also when taking from `labels` raises.

        Raises DataBroken for a label of another model's revision, MetricsUnavailable when another writer is too long at
        work, PermanentError where the store can't be written.
        """
        ...

    def count_labels(self, model: str, revisions: Sequence[str]) -> dict[str, Counters]:
        """Return by revision how many answers have a label (`requests`) and how many were wrong (`errors`).

        Cumulative since the model's first label; a revision without labels has zeros. Raises MetricsUnavailable.
        """
        ...
