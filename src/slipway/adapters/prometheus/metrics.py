"""Counters and latencies per revision from Prometheus, and the pods' own pages."""

from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import TypeVar

from slipway.adapters.prometheus import freshness, presets
from slipway.adapters.prometheus import pages as pods
from slipway.adapters.prometheus.buckets import BadBuckets, reduce_to_common_edges, sum_latencies
from slipway.adapters.prometheus.client import PrometheusClient
from slipway.adapters.prometheus.counting import Joined, make_counters
from slipway.adapters.prometheus.presets import Preset
from slipway.adapters.prometheus.question import Parts
from slipway.adapters.prometheus.source import ROUTE, EvidenceSource
from slipway.adapters.prometheus.steps import Steps
from slipway.adapters.prometheus.totals import Totals
from slipway.adapters.prometheus.unattributed import UnattributedFailures
from slipway.domain.judge.answers import AnswerKind
from slipway.domain.judge.counters import Counters
from slipway.domain.judge.readings import Latencies, Summary
from slipway.domain.rollout.shadow import ShadowAnswer
from slipway.domain.spec.serving import EvidenceSpec
from slipway.errors import MetricsUnavailable, TransientError
from slipway_interface import pages as interface

Known = Callable[[str], Collection[str]]
"""Names of a model's revisions in the cluster."""
Pages = Callable[[str, str, str], list[object]]
"""JSON of a page of a model's revision, from each of its ready pods."""
Queries = Callable[[str], EvidenceSpec | None]
"""The queries of a model's spec, if it has its own."""

T = TypeVar("T")


class PrometheusMetrics:
    """Reads the revisions of one namespace: one query per look and source, for all revisions at one moment.

    A request counts by the answer that the gateway gave its client (`judge.answers`): failed too if the revision
    refused the connection, aborted, took too long or had no pod. Answers that a gateway counts as right although they
    are not (gRPC's status, a rescue by another revision) are corrected from pods' own counters. Latencies are the pods'
    own if the gateway's histogram is coarse: requests that never reached a pod have none, and copies (shadow) are
    included.

    Series that end stay in the sums (`totals`), and failures without a revision are attributed to the one they were
    routed to (`strays`): both for the life of this process. Another process begins lower; `judge.readings` treats that
    as a restarted counter, and loses one look.
    """

    def __init__(  # noqa: PLR0913 - three of them are other adapters' answers, by name
        self, address: str, namespace: str, preset: str, *, known: Known, pages: Pages, queries: Queries
    ) -> None:
        """Send nothing yet; `preset` is a name of presets.PRESETS. Raises SettingsError."""
        self._client, self._totals = PrometheusClient(address), Totals()
        self._namespace, self._preset = namespace, presets.find_preset(preset)
        self._known, self._pages, self._queries = known, pages, queries
        self._strays: dict[str, UnattributedFailures] = {}
        self._counted: defaultdict[str, Steps[Counters]] = defaultdict(Steps)
        self._timed: defaultdict[str, Steps[Latencies]] = defaultdict(Steps)
        self._joined: defaultdict[tuple[str, str], Joined] = defaultdict(Joined)
        self._order: dict[str, list[str]] = {}

    @property
    def asked(self) -> int:
        """Queries sent to Prometheus so far."""
        return self._client.asked

    def read_counters(self, model: str, revisions: Sequence[str]) -> dict[str, Counters]:
        """Return cumulative counters of live requests; see the port."""
        own = self._queries(model)
        preset = presets.make_spec_preset(own) if own else self._preset
        source = self._make_source(model, "counters", preset)
        asked = {"answers": preset.answers, "hidden": preset.hidden, **preset.counted}
        beside = freshness.make_own_question(presets.OWN_SERIES) if preset.hidden else {}
        parts = source.query_parts(
            revisions, {what: text for what, text in asked.items() if text} | beside, preset.by_route
        )
        present = source.list_present(parts, revisions, "requests" if preset.counted else "answers")
        times, steps = freshness.find_sample_times(parts, present), self._counted[model]
        before = steps.get_last_reading(present, times)
        if before is not None:
            return before
        counted = {name: self._joined[model, name].add_look(_read_counters(source, parts, name)) for name in present}
        return steps.keep_reading(
            times, self._add_unattributed(source, parts, counted) if preset.by_route and counted else counted
        )

    def read_latencies(self, model: str, revisions: Sequence[str]) -> dict[str, Latencies]:
        """Return cumulative latencies of live requests; see the port."""
        own = self._queries(model)
        preset = presets.make_spec_preset(own) if own and own.latency_buckets else self._preset
        preset = preset if preset.buckets else presets.find_preset(presets.PODS)
        source = self._make_source(model, "latencies", preset)
        parts = source.query_parts(revisions, {"buckets": preset.buckets}, {})
        present = source.list_present(parts, revisions, "buckets")
        times, steps = freshness.find_sample_times(parts, present), self._timed[model]
        before = steps.get_last_reading(present, times)
        if before is not None:
            return before
        series = {name: source.read_samples(parts, "buckets", name) for name in present}
        try:
            drawn = reduce_to_common_edges({name: sum_latencies(found) for name, found in series.items() if found})
        except BadBuckets as error:
            raise source.make_refusal(str(error), "histograms, one number per `le` in seconds") from error
        if present and not drawn:
            raise source.make_refusal(f"no histogram of {' or '.join(present)}", "one number per `le` in seconds")
        return steps.keep_reading(
            times, {name: drawn.get(name) or _make_zeros(next(iter(drawn.values()))) for name in present}
        )

    def read_summaries(self, model: str, revisions: Sequence[str]) -> dict[str, Summary]:
        """Return each revision's own summary over all its ready pods; see the port."""
        found = {name: self._read_pages(model, name, "summary") for name in revisions}
        return {name: _parse_pages("summary", name, pods.sum_summaries, said) for name, said in found.items() if said}

    def read_shadow_answers(self, model: str, revision: str) -> list[ShadowAnswer]:
        """Return the revision's recent answers to copied requests, all its ready pods together; see the port."""
        found = self._read_pages(model, revision, "answers")
        if not found:
            raise _make_no_page_error("answers", revision, "the cluster has no such revision")
        before = self._order.get(revision, [])
        said = _parse_pages("answers", revision, lambda read: pods.merge_answers(read, before), found)
        self._order[revision] = [answer.request_id for answer in said]
        return said

    def _make_source(self, model: str, what: str, preset: Preset) -> EvidenceSource:
        return EvidenceSource(
            client=self._client,
            totals=self._totals,
            known=self._known,
            namespace=self._namespace,
            model=model,
            what=what,
            preset=preset,
        )

    def _add_unattributed(
        self, source: EvidenceSource, parts: Parts, counted: dict[str, Counters]
    ) -> dict[str, Counters]:
        """Add the route's failures that no revision counted."""
        served = {name: counters.requests for name, counters in counted.items()}
        if any(served.values()) and not parts.get_samples("routes", ROUTE):
            raise source.make_refusal(
                f"{source.preset.about} counts no requests by route: those that no pod could take would not be seen",
                "its counters by route",
                do="start Traefik with --metrics.prometheus.addRoutersLabels=true",
            )
        failed = source.sum_samples(parts, "failed_on_route", ROUTE)
        stray = failed - source.sum_samples(parts, "failed_on_pods", ROUTE)
        strays = self._strays.setdefault(source.model, UnattributedFailures())
        given = strays.add_look(failed, stray, served, lambda name: self._is_empty(source.model, name))
        return {name: _add_failed(counters, given.get(name, 0)) for name, counters in counted.items()}

    def _is_empty(self, model: str, revision: str) -> bool:
        try:
            return not self._pages(model, revision, interface.SUMMARY)
        except TransientError:  # a pod exists and does not answer, or that is not known
            return False

    def _read_pages(self, model: str, revision: str, page: str) -> list[object]:
        """Return the page of each ready pod; empty for a missing revision."""
        try:
            found = self._pages(model, revision, f"{interface.PRIVATE}/{page}")
            if found or revision not in self._known(model):
                return found
        except TransientError as error:
            raise _make_no_page_error(page, revision, f"{error.what}: {error.seen}") from error
        raise _make_no_page_error(page, revision, "none of its pods is ready")


def _read_counters(source: EvidenceSource, parts: Parts, name: str) -> Counters:
    hidden = source.count_kinds(parts, "hidden", name)
    if not source.preset.counted:
        return make_counters(source.count_kinds(parts, "answers", name), hidden)
    told = {what: source.sum_samples(parts, what, name) for what in source.preset.counted}
    requests, errors = told.pop("requests"), told.pop("errors")
    bad = errors + sum(told.values())
    if bad > requests:
        seen = f"{bad} {' and '.join(['errors', *told])} of {requests} requests of {name}"
        raise source.make_refusal(seen, "errors, refused and shed that are among the requests")
    kinds = {AnswerKind(what): number for what, number in told.items()}
    return make_counters({AnswerKind.RIGHT: requests - bad, AnswerKind.FAILED: errors, **kinds}, hidden)


def _add_failed(counters: Counters, failed: int) -> Counters:
    return replace(counters, requests=counters.requests + failed, errors=counters.errors + failed)


def _make_zeros(like: Latencies) -> Latencies:
    return replace(like, requests=0, slower=(0,) * len(like.slower))


def _parse_pages(page: str, revision: str, parse: Callable[[list[object]], T], found: list[object]) -> T:
    try:
        return parse(found)
    except ValueError as error:  # pydantic's are among them
        raise _make_no_page_error(page, revision, " ".join(str(error).split())) from error


def _make_no_page_error(page: str, revision: str, seen: str) -> MetricsUnavailable:
    return MetricsUnavailable(
        f"{page} of {revision}",
        seen=seen,
        expected=f"the pods' own page {interface.PRIVATE}/{page}",
        do="look at the revision's health with `slipway status`",
    )
