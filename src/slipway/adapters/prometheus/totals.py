"""Sums over series that start and end: a deleted pod's counters are lost, although its requests were served.

Without this, sums would fall at every scale-down, and that look's evidence would be lost; worse, a small fall would be
hidden by the growth of the others. So the last value of each series that was seen stays in the sum. A series that
restarts under the same labels does fall: its counts in between are not known.
"""

from collections.abc import Sequence

from slipway.adapters.prometheus.client import Sample

Labels = frozenset[tuple[str, str]]


class Totals:
    """The last value of every series seen by this process, by question."""

    def __init__(self) -> None:
        """Begin with none: series that ended before are in Prometheus' own window (`presets.WINDOW`)."""
        self._seen: dict[tuple[str, ...], dict[Labels, float]] = {}

    def add_samples(self, key: tuple[str, ...], samples: Sequence[Sample]) -> list[Sample]:
        """Store these samples, and return them with those of series that ended.

        >>> totals, pod = Totals(), [Sample(labels={"pod": "a"}, value=5.0)]
        >>> [one.value for one in totals.add_samples(("requests", "v1"), pod)]
        [5.0]
        >>> [one.value for one in totals.add_samples(("requests", "v1"), [Sample(labels={"pod": "b"}, value=2.0)])]
        [5.0, 2.0]
        """
        seen = self._seen.setdefault(key, {})
        seen.update((frozenset(sample.labels.items()), sample.value) for sample in samples)
        return [Sample(labels=dict(labels), value=value) for labels, value in seen.items()]
