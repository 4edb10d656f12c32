"""Counters and latencies per revision, from Envoy, and what revisions report on their own pages."""

import re
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import TypeVar

from slipway import pages
from slipway.adapters.local import counting, loopback
from slipway.adapters.local.clusters import match_live_clusters
from slipway.adapters.local.envoy import Bins, Envoy
from slipway.adapters.local.records import Record, Records
from slipway.domain.judge.counters import ZERO, Counters
from slipway.domain.judge.readings import Latencies, Summary
from slipway.domain.rollout.shadow import ShadowAnswer
from slipway.errors import MetricsUnavailable, TargetUnavailable
from slipway_interface import pages as interface
from slipway_interface.metrics import EDGES_MILLISECONDS

T = TypeVar("T")

_EDGES = tuple(map(float, EDGES_MILLISECONDS))
UNCOUNTED = 10
"""With this many answers and no statistic of ours there is an error, not zeros. One or two may not be counted yet."""


class EnvoyMetrics:
    """Reads Envoy's admin port and the revisions' own pages.

    A request counts once, HTTP or gRPC, by the whole answer that its client got: 503 if the revision refused or closed
    the connection, 504 if it took too long; an answer that was aborted after its first line has failed. A retry is not
    counted separately. If another revision answers in its place (rescue) the request counts by the answer, or lack of
    one, of the revision that was tried first. A request whose client disconnected is not counted. A request is counted
    when it ended, which can be a moment after its client had the answer.

    A latency is from the end of the request to the end of the answer that the client got (retries and rescue included),
    in whole milliseconds, rounded down: slower than 5 ms means 5 ms or more. Only an answer has a time, whatever its
    status; a request that Envoy gave up on after its timeout counts as slower than every edge, one that was refused or
    aborted is an error in `read_counters` and is in no histogram. A latency appears up to a second later than its
    request in `read_counters`.
    """

    def __init__(self, home: Path, admin_port: int, host: str) -> None:
        """Access nothing yet; `home` is the local target's."""
        self._envoy = Envoy(home / "envoy", host=host, front_door_port=0, admin_port=admin_port)
        self._records, self._host = Records(home), host

    def read_counters(self, model: str, revisions: Sequence[str]) -> dict[str, Counters]:
        """Return cumulative counters of live requests; see the port."""
        totals = _match_statistics(revisions, "upstream_rq_total", "upstream_rq_completed")
        pattern = f"{totals}|{counting.match_statistics(revisions)}"
        try:
            seen = self._envoy.read_counters(pattern)
        except TargetUnavailable as error:
            raise _make_unavailable_error(f"counters of {model}", error) from error
        counted, known = counting.add_up(seen), counting.list_revisions(seen)
        for name in revisions:
            answered = sum(_select_statistic(seen, name, "upstream_rq_completed"))
            if name not in known and answered >= UNCOUNTED:
                raise _make_not_counted_error(model, answered)
        return {name: counted.get(name, ZERO) for name in _select_known(seen, revisions)}

    def read_latencies(self, model: str, revisions: Sequence[str]) -> dict[str, Latencies]:
        """Return cumulative latencies of live requests; see the port."""
        pattern = _match_statistics(revisions, "upstream_rq_total", "upstream_rq_timeout", "upstream_rq_time")
        try:
            seen, drawn = self._envoy.read_histograms(pattern)
        except TargetUnavailable as error:
            raise _make_unavailable_error(f"latencies of {model}", error) from error
        return {
            name: make_latencies(
                [one for bins in _select_statistic(drawn, name, "upstream_rq_time") for one in bins],
                timeouts=sum(_select_statistic(seen, name, "upstream_rq_timeout")),
            )
            for name in _select_known(seen, revisions)
        }

    def read_summaries(self, model: str, revisions: Sequence[str]) -> dict[str, Summary]:
        """Return each revision's own summary; see the port."""
        try:
            records = self._records.read_model(model)
        except TargetUnavailable as error:
            raise _make_unavailable_error(f"summaries of {model}", error) from error
        return {name: self._read_summary(name, records[name]) for name in revisions if name in records}

    def read_shadow_answers(self, model: str, revision: str) -> list[ShadowAnswer]:
        """Return the revision's recent answers to copied requests; see the port."""
        record = self._records.read_model(model).get(revision)
        if record is None:
            raise _make_no_page_error("answers", revision, "the target has no such revision")
        try:
            return pages.read_answers(loopback.get_json(self._host, record.port, interface.ANSWERS))
        except (loopback.NoAnswer, ValueError) as error:
            raise _make_no_page_error("answers", revision, str(error)) from error

    def _read_summary(self, revision: str, record: Record) -> Summary:
        try:
            return pages.read_summary(loopback.get_json(self._host, record.port, interface.SUMMARY))
        except (loopback.NoAnswer, ValueError) as error:
            raise _make_no_page_error("summary", revision, str(error)) from error


def make_latencies(bins: Bins, *, timeouts: int) -> Latencies:
    """Return how many requests were slower than each edge, from Envoy's bins; timeouts are slower than all.

    >>> make_latencies([(0.0, 7), (5.05, 2)], timeouts=1).slower[:6]
    (3, 3, 3, 3, 3, 1)
    """
    above = [0] * len(_EDGES) + [timeouts]
    for middle, count in bins:
        above[bisect_left(_EDGES, middle)] += count  # as many edges are below it
    *slower, requests = accumulate(reversed(above))
    return Latencies(requests=requests, edges_milliseconds=_EDGES, slower=tuple(reversed(slower)))


def _match_statistics(revisions: Sequence[str], *names: str) -> str:
    return rf"cluster\.({'|'.join(map(match_live_clusters, revisions))})\.({'|'.join(names)})"


def _select_statistic(seen: Mapping[str, T], revision: str, statistic: str) -> list[T]:
    """Return a statistic summed over all clusters of a revision's share of live requests."""
    name = re.compile(rf"cluster\.{match_live_clusters(revision)}\.{statistic}")
    return [value for key, value in seen.items() if name.fullmatch(key)]


def _select_known(seen: Mapping[str, int], revisions: Sequence[str]) -> list[str]:
    # the total is there from the beginning, other statistics from the first answer on
    return [name for name in revisions if f"cluster.{name}.upstream_rq_total" in seen]


def _make_unavailable_error(what: str, error: TargetUnavailable) -> MetricsUnavailable:
    return MetricsUnavailable(what, seen=error.seen, expected=error.expected, do=error.do)


def _make_not_counted_error(model: str, answered: int) -> MetricsUnavailable:
    return MetricsUnavailable(
        f"counters of {model}",
        seen=f"an Envoy that answered {answered} requests and counts none as this Slipway does: another one started it",
        expected="an Envoy that this Slipway started",
        do="run `slipway down` and `slipway up`",
    )


def _make_no_page_error(page: str, revision: str, seen: str) -> MetricsUnavailable:
    return MetricsUnavailable(
        f"{page} of {revision}",
        seen=seen,
        expected=f"the revision's own page {interface.PRIVATE}/{page}",
        do="look at the revision's health with `slipway status`",
    )
