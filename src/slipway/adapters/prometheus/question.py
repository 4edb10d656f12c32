"""Several expressions in one query, so that all of them are evaluated at one moment."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from slipway.adapters.prometheus.client import Answer, PrometheusClient, QueryRefused, Sample
from slipway.errors import MetricsUnavailable, SpecError

PART = "slipway_part"
"""The label that distinguishes the parts of an answer."""

Part = tuple[str, str]
"""The name of the question, and the revision."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """An answer, by part."""

    at: float
    """When all of it was evaluated, by Prometheus' clock: seconds since 1970."""
    samples: Mapping[Part, Sequence[Sample]]

    def get_samples(self, what: str, revision: str) -> Sequence[Sample]:
        """Return a part's samples, without our label; empty if it has none."""
        return self.samples.get((what, revision), ())


def query_parts(client: PrometheusClient, expressions: Mapping[Part, str], *, spec_keys: bool) -> Parts:
    """Evaluate all expressions at once: one request.

    Raises MetricsUnavailable. If an expression is refused and `spec_keys` marks them as a spec's own, they are tried
    one by one and SpecError names the key.
    """
    try:
        answer = client.query(join_expressions(expressions))
    except QueryRefused as error:
        if spec_keys:
            _find_refused_part(client, expressions)
        raise MetricsUnavailable(
            client.name,
            seen=f"it refuses the query: {error}",
            expected="Prometheus 2.26 or later (last_over_time)",
            do="update Prometheus, or give queries of your own in the spec's `serving.evidence`",
        ) from error
    return _split_by_part(answer)


def join_expressions(expressions: Mapping[Part, str]) -> str:
    """Return one expression whose series have a label with their part.

    >>> join_expressions({("requests", "digits-v1"): "x", ("requests", "digits-v2"): "y"}).splitlines()[1]
    'or label_replace((y), "slipway_part", "requests digits-v2", "", "")'
    """
    parts = (f'label_replace(({text}), "{PART}", "{" ".join(part)}", "", "")' for part, text in expressions.items())
    return "\nor ".join(parts)


def _split_by_part(answer: Answer) -> Parts:
    samples: dict[Part, list[Sample]] = defaultdict(list)
    for sample in answer.samples:
        labels = dict(sample.labels)
        what, _, revision = labels.pop(PART, "").partition(" ")
        samples[what, revision].append(Sample(labels=labels, value=sample.value))
    return Parts(at=answer.at, samples=samples)


def _find_refused_part(client: PrometheusClient, expressions: Mapping[Part, str]) -> None:
    for part, text in expressions.items():
        try:
            client.query(join_expressions({part: text}))
        except QueryRefused as error:
            raise SpecError(
                f"serving.evidence.{part[0]} of {part[1]}",
                seen=f"Prometheus refuses it: {error}",
                expected="an expression that gives numbers (an instant vector)",
                do="try it in Prometheus' own page and correct the spec",
            ) from error
