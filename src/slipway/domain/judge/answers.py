"""What an answer can be, as its client sees it: a closed list, and the statuses of each protocol that mean it."""

from enum import StrEnum


class AnswerKind(StrEnum):
    """The only things an answer can be."""

    RIGHT = "right"
    """What was asked for. Whether the prediction is true is another question: labels tell."""
    REFUSED = "refused"
    """The version says that the request is wrong."""
    SHED = "shed"
    """The version has too much to do, or is about to end, and says when to come again."""
    FAILED = "failed"
    """The version's failure: an error, no answer, a broken one, one that came too late."""
    NOT_THE_VERSIONS = "not the version's"
    """Somebody else's doing: rights, limits of the gateway, a client that went away."""

    @property
    def bad(self) -> bool:
        """Whether the version gave its client nothing to use."""
        return self in {AnswerKind.REFUSED, AnswerKind.SHED, AnswerKind.FAILED}


TOO_MANY, UNAVAILABLE = 429, 503
ELSEWHERE = frozenset({401, 403, 407, 408, 499})
"""HTTP statuses that say nothing of the version: rights, a client that sends too slowly (408) or went away (499)."""
FAILED_FROM = 500
SUCCESSES = range(200, 300)

GRPC_KINDS = {
    "OK": AnswerKind.RIGHT,
    "CANCELLED": AnswerKind.NOT_THE_VERSIONS,
    "UNKNOWN": AnswerKind.FAILED,
    "INVALID_ARGUMENT": AnswerKind.REFUSED,
    "DEADLINE_EXCEEDED": AnswerKind.FAILED,
    "NOT_FOUND": AnswerKind.REFUSED,
    "ALREADY_EXISTS": AnswerKind.REFUSED,
    "PERMISSION_DENIED": AnswerKind.NOT_THE_VERSIONS,
    "RESOURCE_EXHAUSTED": AnswerKind.SHED,
    "FAILED_PRECONDITION": AnswerKind.REFUSED,
    "ABORTED": AnswerKind.REFUSED,
    "OUT_OF_RANGE": AnswerKind.REFUSED,
    "UNIMPLEMENTED": AnswerKind.REFUSED,
    "INTERNAL": AnswerKind.FAILED,
    "UNAVAILABLE": AnswerKind.FAILED,
    "DATA_LOSS": AnswerKind.FAILED,
    "UNAUTHENTICATED": AnswerKind.NOT_THE_VERSIONS,
}
"""By the status's name, in the order of its number from 0 on (google.rpc.Code)."""


def kind_of_http(status: int, *, retry_after: bool = False) -> AnswerKind:
    """Return what an HTTP status means; 0 stands for no answer at all. `retry_after`: the header came with it.

    >>> [kind_of_http(status).value for status in (200, 400, 429, 403, 500, 0)]
    ['right', 'refused', 'shed', "not the version's", 'failed', 'failed']
    >>> kind_of_http(503).value, kind_of_http(503, retry_after=True).value
    ('failed', 'shed')
    """
    if status in SUCCESSES:
        return AnswerKind.RIGHT
    if status in ELSEWHERE:
        return AnswerKind.NOT_THE_VERSIONS
    if status == TOO_MANY or (status == UNAVAILABLE and retry_after):
        return AnswerKind.SHED
    if not status or status >= FAILED_FROM:
        return AnswerKind.FAILED
    return AnswerKind.REFUSED


def kind_of_grpc(status: int | str, *, pushback: bool = False) -> AnswerKind:
    """Return what a gRPC status means, by number or name; one that gRPC does not know is UNKNOWN to its clients.

    `pushback`: the trailer `grpc-retry-pushback-ms` came with it.

    >>> [kind_of_grpc(status).value for status in (0, 3, "RESOURCE_EXHAUSTED", 1, 99)]
    ['right', 'refused', 'shed', "not the version's", 'failed']
    """
    names = list(GRPC_KINDS)
    name = status if isinstance(status, str) else (names[status] if 0 <= status < len(names) else "UNKNOWN")
    if name == "UNAVAILABLE" and pushback:
        return AnswerKind.SHED
    return GRPC_KINDS.get(name, AnswerKind.FAILED)
