"""Kinds of answers as a client sees them: a closed list, and the statuses of each protocol that map to each kind."""

from enum import StrEnum


class AnswerKind(StrEnum):
    """The kinds of answers."""

    RIGHT = "right"
    """A prediction as requested. Whether it is correct is known only from labels."""
    REFUSED = "refused"
    """The version rejected the request as invalid."""
    SHED = "shed"
    """The version is overloaded or shutting down, and tells the client when to retry."""
    FAILED = "failed"
    """The version's failure: an error, no answer, a broken answer, or one after the deadline."""
    NOT_THE_VERSIONS = "not the version's"
    """Not caused by the version: access rights, limits of the gateway, a client that disconnected."""

    @property
    def bad(self) -> bool:
        """Whether the client got nothing that it can use."""
        return self in {AnswerKind.REFUSED, AnswerKind.SHED, AnswerKind.FAILED}


TOO_MANY, UNAVAILABLE = 429, 503
ELSEWHERE = frozenset({401, 403, 407, 408, 499})
"""HTTP statuses that say nothing about the version: access rights, a client that sends too slowly (408) or disconnected
(499)."""
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
"""By the status's name, in the order of its number from 0 (google.rpc.Code)."""


def kind_of_http(status: int, *, retry_after: bool = False) -> AnswerKind:
    """Return what an HTTP status means; 0 stands for no answer at all. `retry_after`: whether that header was set.

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
    """Return what a gRPC status means, by number or name; gRPC clients read an unknown one as UNKNOWN.

    `pushback`: whether the trailer `grpc-retry-pushback-ms` was set.

    >>> [kind_of_grpc(status).value for status in (0, 3, "RESOURCE_EXHAUSTED", 1, 99)]
    ['right', 'refused', 'shed', "not the version's", 'failed']
    """
    names = list(GRPC_KINDS)
    name = status if isinstance(status, str) else (names[status] if 0 <= status < len(names) else "UNKNOWN")
    if name == "UNAVAILABLE" and pushback:
        return AnswerKind.SHED
    return GRPC_KINDS.get(name, AnswerKind.FAILED)
