"""Kinds of answers from series by status, and two sources' counts of one revision combined."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from slipway.adapters.prometheus.buckets import BadBuckets, parse_count
from slipway.adapters.prometheus.client import Sample
from slipway.domain.judge.answers import AnswerKind, kind_of_grpc, kind_of_http
from slipway.domain.judge.counters import ZERO, Counters

STATUSES = ("code", "response_code", "status")
"""Labels that hold an HTTP status: Traefik's and the pods', Istio's, ingress-nginx'."""
GRPC_STATUS = "grpc_response_status"
"""Istio's label of the status in gRPC's trailers; empty for other requests."""
PROTOCOL, GRPC = "protocol", "grpc"
"""Traefik's label, and its value where the code is gRPC's status: 2 is also used for requests that no pod answered."""


def count_by_kind(samples: Sequence[Sample], *, of_pods: bool = False) -> Mapping[AnswerKind, int]:
    """Return how many answers of each kind are in series by status.

    `of_pods`: pods count them, whose 503 always has Retry-After; a gateway's may not. Raises BadBuckets for a
    series without a status, and for numbers that are no counts.

    >>> seen = [Sample(labels={"code": code}, value=n) for code, n in (("200", 90), ("400", 3), ("404", 4), ("502", 1))]
    >>> {kind.value: number for kind, number in count_by_kind(seen).items()}
    {'right': 90, 'refused': 7, 'failed': 1}
    """
    counted: Counter[AnswerKind] = Counter()
    for sample in samples:
        counted[find_kind(sample.labels, of_pods=of_pods)] += parse_count(sample.value)
    return counted


def find_kind(labels: Mapping[str, str], *, of_pods: bool = False) -> AnswerKind:
    """Return the kind of answer of a series' status; raise BadBuckets if it has none.

    >>> find_kind({"response_code": "200", "grpc_response_status": "3"}).value, find_kind({"status": "503"}).value
    ('refused', 'failed')
    >>> find_kind({"code": "8", "protocol": "grpc"}).value
    'shed'
    """
    status = next((labels[name] for name in STATUSES if name in labels), "")
    over_grpc = status if labels.get(PROTOCOL) == GRPC else labels.get(GRPC_STATUS, "")
    if over_grpc.isdecimal():
        return kind_of_grpc(int(over_grpc))
    if not status.isdecimal():
        message = f"a series without a status ({', '.join(STATUSES)}): {dict(labels)}"
        raise BadBuckets(message)
    return kind_of_http(int(status), retry_after=of_pods)


def make_counters(answers: Mapping[AnswerKind, int], hidden: Mapping[AnswerKind, int]) -> Counters:
    """Return a revision's counters: a gateway's, corrected by its pods for answers that the gateway counted as right.

    Pods may have been scraped later than the gateway, and may then have more answers than it has requests.

    >>> make_counters({AnswerKind.RIGHT: 90, AnswerKind.FAILED: 2}, {AnswerKind.REFUSED: 5})
    Counters(requests=92, errors=2, refused=5, shed=0)
    """
    failed, refused, shed = (
        answers.get(kind, 0) + hidden.get(kind, 0) for kind in (AnswerKind.FAILED, AnswerKind.REFUSED, AnswerKind.SHED)
    )
    requests = max(sum(answers.values()), failed + refused + shed)
    return Counters(requests=requests, errors=failed, refused=refused, shed=shed)


@dataclass(slots=True)
class Joined:
    """One revision's counters from two sources, with differences between looks as from one source."""

    seen: Counters = ZERO
    given: Counters = ZERO

    def add_look(self, seen: Counters) -> Counters:
        """Return the counters, with at least as many requests since the last look as bad answers.

        Once the source of the requests has caught up, its number is used. If it restarted, it is used at once.

        >>> joined = Joined()
        >>> looks = [(100, 40), (100, 44), (120, 60), (150, 60), (3, 1)]
        >>> [joined.add_look(Counters(requests=requests, errors=errors)).requests for requests, errors in looks]
        [100, 104, 120, 150, 3]
        """
        more = _count_bad(seen) - _count_bad(self.seen)
        anew = seen.requests < self.seen.requests or more < 0
        requests = seen.requests if anew else max(seen.requests, self.given.requests + more)
        self.seen, self.given = seen, replace(seen, requests=requests)
        return self.given


def _count_bad(counters: Counters) -> int:
    return counters.errors + counters.refused + counters.shed
