"""Envoy's counts of answers: the names of its statistics, and the meaning of each.

Two of Envoy's stats loggers count, with a statistic of its own for each distinct kind of answer. ASKED counts a request
once, at its end, as its client saw it. TRIED counts every try of it by the revision that was tried: so the first answer
is known if another revision gave the last one (rescue).
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from slipway.adapters.local.clusters import GRPC, RESCUE, match_live_clusters
from slipway.domain.judge.answers import AnswerKind, kind_of_grpc, kind_of_http
from slipway.domain.judge.counters import ZERO, Counters
from slipway_interface.headers import REVISION

Json = dict[str, Any]

ASKED, TRIED = "slipway_asked", "slipway_tried"
_LOGGER = "type.googleapis.com/envoy.extensions.access_loggers.stats.v3.Config"
_TAGS = {
    "cluster": "%UPSTREAM_CLUSTER%",
    "host": "%UPSTREAM_HOST_NAME_WITHOUT_PORT%",
    "code": "%RESPONSE_CODE%",
    "grpc": "%GRPC_STATUS_NUMBER%",
    # the first digit of Retry-After: whether it was set, with at most ten statistics
    "later": "%RESP(retry-after?grpc-retry-pushback-ms):1%%TRAILER(grpc-retry-pushback-ms):1%",
    # the first letter of the answering server; empty: Envoy answered
    "by": f"%RESP({REVISION}):1%%TRAILER({REVISION}):1%",
    "flags": "%RESPONSE_FLAGS%",
}
_NAME = re.compile(
    rf"(?P<log>{ASKED}|{TRIED})\.requests\.cluster\.(?P<cluster>.*?)\.host\.(?P<host>.*?)\.code\.(?P<code>\d+)"
    r"\.grpc\.(?P<grpc>-?\d*)\.later\.(?P<later>.*?)\.by\.(?P<by>.*?)\.flags\.(?P<flags>.*)"
)

CLIENT_GONE = frozenset({"DC", "DR", "DPE"})
"""Envoy's flags of a request whose client disconnected, or sent no HTTP."""
BROKEN_OFF = frozenset({"UC", "UR", "LR", "UPE", "SI", "UMSDR"})
"""Its flags of an answer that ended before it was whole: connection closed, stream reset, no HTTP, no more bytes."""
TOO_LATE = "UT"
DEADLINE_EXCEEDED = "4"
"""Of gRPC; Envoy sends it a moment before the client's own deadline."""


def build_access_logger(prefix: str) -> Json:
    """Return the access logger that counts under a prefix."""
    tags = [{"name": name, "value_format": value} for name, value in _TAGS.items()]
    counter = {"stat": {"name": "requests", "tags": tags}, "value_fixed": 1}
    config = {"@type": _LOGGER, "stats_scope": {"prefix": prefix}, "counters": [counter]}
    return {"name": "envoy.access_loggers.stats", "typed_config": config}


def match_statistics(revisions: Iterable[str]) -> str:
    """Return a pattern for the statistics of requests that were routed to these revisions."""
    return rf"({ASKED}|{TRIED})\.requests\.cluster\.({'|'.join(map(match_live_clusters, revisions))})\.host\..*"


@dataclass(frozen=True, slots=True)
class Counted:
    """One of Envoy's statistics: the meaning of its name."""

    log: str
    cluster: str
    host: str
    code: int
    grpc: str
    later: str
    by: str
    flags: frozenset[str]

    @property
    def revision(self) -> str:
        """Return the revision that the requests were routed to."""
        return self.cluster.removesuffix(GRPC).partition(RESCUE)[0]

    @property
    def counts(self) -> bool:
        """Whether it counts each request once: its first try if there is a rescue, else the whole request."""
        if RESCUE not in self.cluster:
            return self.log == ASKED
        if self.host != self.revision:
            return False
        # a deadline of the client's that passes during the first try ends the request, and may leave a mark on the try
        # too: a gRPC server that sees it pass at the same moment reports that, without having called the version
        overtaken = self.grpc == DEADLINE_EXCEEDED and not self.by
        return self.log == (ASKED if overtaken else TRIED)

    @property
    def answered(self) -> bool:
        """Whether the client waited for the answer."""
        return not self.flags & CLIENT_GONE and (self.code > 0 or bool(self.flags))

    @property
    def kind(self) -> AnswerKind:
        """Return the kind of answer."""
        if not self.answered:
            return AnswerKind.NOT_THE_VERSIONS
        # a slow try that was rescued may answer after all; a whole request that is late was aborted
        broken = self.flags & BROKEN_OFF or (self.log == ASKED and TOO_LATE in self.flags)
        if not self.code or broken:
            return AnswerKind.FAILED
        if self.cluster.endswith(GRPC) and self.code == 200:  # noqa: PLR2004 - what gRPC always answers
            return kind_of_grpc(int(self.grpc), pushback=bool(self.later)) if self.grpc else AnswerKind.FAILED
        return kind_of_http(self.code, retry_after=bool(self.later))


def read_name(name: str) -> Counted | None:
    """Read a statistic's name; None: it is none of ours.

    >>> read_name("slipway_asked.requests.cluster.a-v2.host.a-v2.code.200.grpc..later..by..flags.UPE").kind.value
    'failed'
    """
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    log, cluster, host, code, grpc, later, by, flags = found.groups()
    return Counted(log, cluster, host, int(code), grpc, later, by, frozenset(flags.split(",")) - {"-", ""})


def add_up(seen: Mapping[str, int]) -> dict[str, Counters]:
    """Return the counters of each revision that has any; `seen` are statistics by name.

    >>> add_up({"slipway_asked.requests.cluster.a-v1.host.a-v1.code.400.grpc..later..by..flags.-": 3})["a-v1"]
    Counters(requests=3, errors=0, refused=3, shed=0)
    """
    totals: dict[str, Counters] = {}
    for name, count in seen.items():
        each = read_name(name)
        if each and each.counts and each.answered:
            totals[each.revision] = totals.get(each.revision, ZERO) + _make_counters(each.kind, count)
    return totals


def list_revisions(seen: Iterable[str]) -> set[str]:
    """Return the revisions that statistics belong to.

    >>> list_revisions(["slipway_asked.requests.cluster.a-v1.host.a-v1.code.0.grpc..later..by..flags.DC", "other"])
    {'a-v1'}
    """
    return {each.revision for each in map(read_name, seen) if each}


def _make_counters(kind: AnswerKind, count: int) -> Counters:
    of = {kind: count}
    return Counters(
        requests=count,
        errors=of.get(AnswerKind.FAILED, 0),
        refused=of.get(AnswerKind.REFUSED, 0),
        shed=of.get(AnswerKind.SHED, 0),
    )
