"""Why a request gets no prediction: one tree, by what the client should do; each protocol writes it in its own form.

Refused
├── BadRequest    400   mend the request
├── NotFound      404   ask for what is there
├── NotAllowed    405   use the path's own method
├── TooSlow       408   send faster
├── TooLarge      413   send less at a time
├── UnknownMedia  415   send what is understood
├── Overloaded    429   come again later
├── ModelFailed   500   nothing: it is the server's failure
├── Draining      503   ask another replica
└── TooLate       504   give it more time
"""

from typing import NoReturn

SHOWN = 160
"""Characters of a client's value that a message repeats."""


class Refused(Exception):
    """A request that gets no prediction; the message names what is wrong, what was seen and what is expected."""

    status = 500
    retry_after: int | None = None
    """Seconds after which another try may do."""


class BadRequest(Refused):
    """The request is wrong; the message names the input, what was seen and what was expected."""

    status = 400


class NotFound(Refused):
    """No such path, model, version or label here."""

    status = 404


class NotAllowed(Refused):
    """The path is there, for another method."""

    status = 405


class TooSlow(Refused):
    """The body did not come in time."""

    status = 408


class TooLarge(Refused):
    """More bytes than are taken."""

    status = 413


class UnknownMedia(Refused):
    """A content type or encoding that is not understood."""

    status = 415


class Overloaded(Refused):
    """The queue is full: what is accepted keeps its latency."""

    status = 429
    retry_after = 1


class ModelFailed(Refused):
    """The model raised, died, or gave what no answer can carry: the server's failure, not the client's."""

    status = 500


class Draining(Refused):
    """This replica is about to end and takes no more than it has."""

    status = 503
    retry_after = 1


class TooLate(Refused):
    """The time that the client gives was over before the work began."""

    status = 504


def reject(what: str, seen: object, expected: str) -> NoReturn:
    """Raise BadRequest in the one form that all messages have; long values are cut."""
    shown = seen if isinstance(seen, str) else repr(seen)
    message = f"{what}: got {shown[:SHOWN]}{'...' * (len(shown) > SHOWN)}, expected {expected}"
    raise BadRequest(message)
