"""What comes before a message: which method is called, how long its client waits, and what is ours of the metadata."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from services.inference.application import REVISION
from services.inference.exchange import PATIENCE_SECONDS, deadline_of
from services.inference.grpc.methods import Method
from services.inference.grpc.statuses import Ending, Status, ending_of, refused_by_http
from services.inference.http2.hpack_codec import Field, written
from services.inference.http2.streams import request_of
from services.inference.refusals import SHOWN, BadRequest, Refused
from services.inference.request import COMPARE
from services.inference.rescue import FROM, ORDER
from services.inference.telemetry.observer import REQUEST_ID, TRACE_PARENT, TRACE_STATE

ID_LENGTH = 256
"""Characters of a request id that is echoed; longer ones would fill the metadata too."""
KIND = b"application/grpc"
KEPT = (REQUEST_ID, COMPARE, TRACE_PARENT, TRACE_STATE, ORDER, FROM)
UNITS = {b"H": 3600.0, b"M": 60.0, b"S": 1.0, b"m": 1e-3, b"u": 1e-6, b"n": 1e-9}
_TIMEOUT = re.compile(rb"([0-9]{1,8})([HMSmun])")
FIELDS = 16384
"""Bytes of one call's metadata that are taken, counted as HTTP/2 does."""


@dataclass(slots=True, kw_only=True)
class Head:
    """A call, before its message. It is the same one for all calls whose metadata have the same bytes."""

    method: Method | None
    """None: it ends as `ending` says."""
    headers: dict[bytes, bytes]
    """What is ours of the metadata, as HTTP has it; what is too long to be echoed is left out."""
    about: bytes
    """A header block with what is said beside every answer: the revision, and the request's id."""
    good: bytes
    """The block of the trailers behind an answer that is right."""
    without_revision: bytes = b""
    """What `about` says but for the revision."""
    encoding: bytes = b"identity"
    """Of messages that are packed."""
    seconds: float = PATIENCE_SECONDS
    """How long its client waits for one answer, at most as long as we let it."""
    whole_seconds: float | None = None
    """How long it waits for the end of a call of several messages; None: it does not say."""
    refusal: Refused | None = None
    """What is wrong with it, although its method is there."""
    ending: Ending | None = None
    """What is wrong with it, where no method is called."""


class Heads:
    """Reads what comes before messages."""

    def __init__(self, methods: Mapping[bytes, Method], revision: str) -> None:
        """Know the methods by their paths, and the revision that every answer names."""
        self._methods = methods
        self._revision = (REVISION, revision.encode())

    def head(self, fields: Sequence[Field] | None) -> Head:
        """Return what a call's fields say (None: there were too many); raise Malformed."""
        if fields is None:
            said = f"metadata: got more than {FIELDS} bytes, expected less"
            return self._none({}, lambda about: ending_of(Status.RESOURCE_EXHAUSTED, said, about))
        found = request_of(fields)
        headers = {name: found[name] for name in KEPT if len(found.get(name, _TOO_LONG)) <= ID_LENGTH}
        kind, path = found.get(b"content-type", b""), found[b":path"]
        if found[b":method"] != b"POST":
            return self._none(headers, lambda about: refused_by_http(405, about))
        if not (kind == KIND or kind.startswith((KIND + b"+", KIND + b";"))):
            return self._none(headers, lambda about: refused_by_http(415, about))
        method = self._methods.get(path)
        if method is None:
            expected = ", ".join(one.decode() for one in self._methods)
            said = f"method: got {path[:SHOWN].decode('latin-1')!r}, expected one of {expected}"
            return self._none(headers, lambda about: ending_of(Status.UNIMPLEMENTED, said, about))
        return self._called(method, headers, found)

    def _called(self, method: Method, headers: dict[bytes, bytes], found: dict[bytes, bytes]) -> Head:
        seconds, whole_seconds, refusal = PATIENCE_SECONDS, None, None
        try:
            whole_seconds = _seconds(found.get(b"grpc-timeout"))
            seconds = deadline_of(found, 0.0)
        except BadRequest as wrong:
            refusal = wrong
        about = self._about(headers)
        return Head(
            method=method,
            headers=headers,
            about=about,
            good=written((b"grpc-status", b"0")) + about,
            without_revision=written(*_echoed(headers)),
            encoding=found.get(b"grpc-encoding", b"identity"),
            seconds=seconds if whole_seconds is None else min(seconds, whole_seconds),
            whole_seconds=whole_seconds,
            refusal=refusal,
        )

    def _none(self, headers: dict[bytes, bytes], ending: Callable[[bytes], Ending]) -> Head:
        about = self._about(headers)
        return Head(method=None, headers=headers, about=about, good=b"", ending=ending(about))

    def _about(self, headers: Mapping[bytes, bytes]) -> bytes:
        return written(self._revision, *_echoed(headers))


def _echoed(headers: Mapping[bytes, bytes]) -> list[Field]:
    name = headers.get(REQUEST_ID)
    return [(REQUEST_ID, name)] if name is not None else []


_TOO_LONG = b" " * (ID_LENGTH + 1)


def _seconds(said: bytes | None) -> float | None:
    """Return how long a client waits; None: it does not say. Raise BadRequest.

    >>> _seconds(b"250m"), _seconds(b"2M"), _seconds(None)
    (0.25, 120.0, None)
    """
    if said is None:
        return None
    found = _TIMEOUT.fullmatch(said)
    if found is None:
        shown = said[:40].decode("latin-1")
        raise BadRequest(f"grpc-timeout: got {shown!r}, expected at most 8 digits and one of H, M, S, m, u, n")
    return int(found[1]) * UNITS[found[2]]
