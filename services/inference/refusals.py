"""Why a request gets no prediction: one tree of errors, by what the client should do. Protocols write them.

Refused
├── BadRequest        400   correct the request
├── ResourceNotFound  404   use an existing path, model, version
├── NotAllowed        405   use the path's own method
├── TooSlow           408   send faster
├── TooLarge          413   send less at a time
├── UnknownMedia      415   send a supported type or encoding
├── Overloaded        429   try again later
├── ModelFailed       500   nothing: it is the server's error
├── Draining          503   try another replica
└── TooLate           504   allow more time
"""

from typing import NoReturn

SHOWN = 160
"""Most characters of a client's value in a message."""


class Refused(Exception):
    """A request that gets no prediction; the message names what is wrong, what was seen and what is expected."""

    status = 500
    retry_after: int | None = None
    """Seconds after which another try may succeed."""


class BadRequest(Refused):
    """The request is wrong; the message names the input, what was seen and what was expected."""

    status = 400


class ResourceNotFound(Refused):
    """There is no such path, model, version or label."""

    status = 404


class NotAllowed(Refused):
    """The path has another method."""

    status = 405


class TooSlow(Refused):
    """The body did not arrive in time."""

    status = 408


class TooLarge(Refused):
    """The body exceeds the limit."""

    status = 413


class UnknownMedia(Refused):
    """The content type or encoding is not supported."""

    status = 415


class Overloaded(Refused):
    """The queue is full; accepted requests keep their latency."""

    status = 429
    retry_after = 1


class ModelFailed(Refused):
    """The model raised an error, died, or returned what can't be sent: the server's error, not the client's."""

    status = 500


class Draining(Refused):
    """This replica is ending and accepts no more requests."""

    status = 503
    retry_after = 1


class TooLate(Refused):
    """The client's deadline passed."""

    status = 504


def reject(what: str, seen: object, expected: str) -> NoReturn:
    """Raise BadRequest with a message in the common form; long values are cut."""
    shown = seen if isinstance(seen, str) else repr(seen)
    message = f"{what}: got {shown[:SHOWN]}{'...' * (len(shown) > SHOWN)}, expected {expected}"
    raise BadRequest(message)
