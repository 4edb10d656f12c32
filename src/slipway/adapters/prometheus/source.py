"""One kind of evidence of one model: the queries to Prometheus, and the handling of missing answers."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from slipway.adapters.prometheus import freshness, question
from slipway.adapters.prometheus.buckets import BadBuckets, parse_count
from slipway.adapters.prometheus.client import PrometheusClient, Sample
from slipway.adapters.prometheus.counting import count_by_kind
from slipway.adapters.prometheus.presets import OF_SPEC, PODS, Preset, fill_placeholders
from slipway.adapters.prometheus.question import Part, Parts
from slipway.adapters.prometheus.totals import Totals
from slipway.domain.judge.answers import AnswerKind
from slipway.errors import MetricsUnavailable, SpecError, TransientError

T = TypeVar("T")

ROUTE = ""
"""Stands for a revision in queries on the whole route."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceSource:
    """The source of a model's evidence."""

    client: PrometheusClient
    totals: Totals
    known: Callable[[str], Collection[str]]
    namespace: str
    model: str
    what: str
    """`counters` or `latencies`."""
    preset: Preset

    def query_parts(self, revisions: Sequence[str], each: Mapping[str, str], route: Mapping[str, str]) -> Parts:
        """Evaluate expressions of each revision and of the route, and how fresh they are: one request."""
        asked: dict[Part, str] = {}
        for name in revisions:
            texts = {**each, **freshness.make_questions(self.preset.alive)}
            asked |= {(what, name): self._fill_placeholders(text, name) for what, text in texts.items()}
        asked |= {(what, ROUTE): self._fill_placeholders(text, ROUTE) for what, text in route.items()}
        return question.query_parts(self.client, asked, spec_keys=self.preset.name == OF_SPEC)

    def list_present(self, parts: Parts, revisions: Sequence[str], what: str) -> list[str]:
        """Return the revisions with evidence, even if nothing was counted yet.

        One without fresh evidence, or without any, is left out if the cluster does not have it; otherwise
        MetricsUnavailable is raised in the first case, and in the second it had no request yet.
        """
        stale = {name: seen for name in revisions if (seen := self._describe_staleness(parts, name))}
        quiet = {name for name in revisions if not parts.get_samples(what, name)}
        known = self._list_known() if stale or quiet else ()
        for name, seen in stale.items():
            if name in known:
                raise self.make_refusal(
                    seen, "samples that are newer", do="see in Prometheus (Status, Targets) what stopped"
                )
        return [name for name in revisions if name in known or (name not in stale and name not in quiet)]

    def read_samples(self, parts: Parts, what: str, revision: str) -> Sequence[Sample]:
        """Return a part's series, and those that this process saw earlier and that ended."""
        found = parts.get_samples(what, revision)
        if what in self.of_spec:  # sums of the spec's own: they decide whether ended series are included
            return found
        return self.totals.add_samples((self.model, self.what, what, revision), found)

    def sum_samples(self, parts: Parts, what: str, revision: str) -> int:
        """Return the sum of a part's series; raise MetricsUnavailable for a number that is no count."""
        found = self.read_samples(parts, what, revision)
        if what in self.of_spec and len(found) > 1:
            raise SpecError(
                f"serving.evidence.{what} of {revision}",
                seen=f"{len(found)} series, such as {dict(found[0].labels)} and {dict(found[1].labels)}",
                expected="one number",
                do="sum them: `sum(...)`",
            )
        return self._count_or_refuse(lambda: sum(parse_count(sample.value) for sample in found), what, revision)

    def count_kinds(self, parts: Parts, what: str, revision: str) -> Mapping[AnswerKind, int]:
        """Return a part's series by kind of answer; raise MetricsUnavailable for a number that is no count."""
        found, of_pods = self.read_samples(parts, what, revision), what == "hidden" or self.preset.name == PODS
        return self._count_or_refuse(lambda: count_by_kind(found, of_pods=of_pods), what, revision)

    def make_refusal(
        self, seen: str, expected: str, do: str = "try the query in Prometheus' own page"
    ) -> MetricsUnavailable:
        """Return the error with the reason why there is no evidence."""
        return MetricsUnavailable(f"{self.what} of {self.model}", seen=seen, expected=expected, do=do)

    @property
    def of_spec(self) -> Collection[str]:
        """The parts that are expressions of the spec's own."""
        if self.preset.name != OF_SPEC:
            return ()
        return self.preset.counted if self.what == "counters" else ("buckets",)

    def _count_or_refuse(self, add: Callable[[], T], what: str, revision: str) -> T:
        try:
            return add()
        except BadBuckets as error:
            raise self.make_refusal(f"{what} of {revision or 'the route'}: {error}", "a count") from error

    def _describe_staleness(self, parts: Parts, revision: str) -> str:
        """Describe why a revision's evidence is too old; empty: it is fresh."""
        about = self._fill_placeholders(self.preset.about, revision)
        fresh = freshness.find_freshness(parts, revision)
        if fresh is None:
            return f"Prometheus has no sample of {about} from the last three minutes"
        if fresh.stale:
            limit = f"more than {fresh.limit_seconds:.0f} s are too many"
            return f"Prometheus' newest sample of {about} is {fresh.age_seconds:.0f} s old, and {limit}"
        return ""

    def _list_known(self) -> Collection[str]:
        try:
            return self.known(self.model)
        except TransientError as error:
            raise self.make_refusal(
                f"nobody can tell which revisions there are ({error.what}: {error.seen})", error.expected, error.do
            ) from error

    def _fill_placeholders(self, promql: str, revision: str) -> str:
        return fill_placeholders(promql, namespace=self.namespace, model=self.model, revision=revision)
