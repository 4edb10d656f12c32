"""Sums over series that come and go: a pod scaled away takes its counters with it, and its requests were served.

Summed as they are, counters would fall at every scale-down, and that look's evidence with them; worse, a small fall
hides under the others' growth and nobody sees it. So the last value of each series that was seen stays in the sum.
A series that begins anew under the same labels does fall: what it counted in between nobody knows.
"""

from collections.abc import Sequence

from slipway.adapters.prometheus.client import Sample

Labels = frozenset[tuple[str, str]]


class Totals:
    """The last value of every series seen by this process, by what was asked."""

    def __init__(self) -> None:
        """Begin with none: what ended before is in Prometheus' own window (`presets.WINDOW`)."""
        self._seen: dict[tuple[str, ...], dict[Labels, float]] = {}

    def keep(self, key: tuple[str, ...], samples: Sequence[Sample]) -> list[Sample]:
        """Remember these samples, and return them with those of series that are gone.

        >>> totals, pod = Totals(), [Sample(labels={"pod": "a"}, value=5.0)]
        >>> [one.value for one in totals.keep(("requests", "v1"), pod)]
        [5.0]
        >>> [one.value for one in totals.keep(("requests", "v1"), [Sample(labels={"pod": "b"}, value=2.0)])]
        [5.0, 2.0]
        """
        seen = self._seen.setdefault(key, {})
        seen.update((frozenset(sample.labels.items()), sample.value) for sample in samples)
        return [Sample(labels=dict(labels), value=value) for labels, value in seen.items()]
