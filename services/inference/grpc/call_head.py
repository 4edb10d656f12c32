"""What comes before a message: which method is called, how long its client waits, and what is ours of the metadata."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from services.inference.exchange import PATIENCE_SECONDS, read_deadline
from services.inference.grpc.methods import GrpcMethod
from services.inference.grpc.statuses import CallEnding, Status, make_ending, make_http_ending
from services.inference.headers import COMPARE, REQUEST_ID, RESCUE, RESCUED_FROM, REVISION, TRACE_PARENT, TRACE_STATE
from services.inference.http2.hpack_codec import Field, encode_fields
from services.inference.http2.streams import parse_request_fields
from services.inference.refusals import SHOWN, BadRequest, Refused

ID_LENGTH = 256
"""Characters of a request id that is echoed; longer ones would fill the metadata too."""
MEDIA_TYPE = b"application/grpc"
KEPT_HEADERS = (REQUEST_ID, COMPARE, TRACE_PARENT, TRACE_STATE, RESCUE, RESCUED_FROM)
UNITS = {b"H": 3600.0, b"M": 60.0, b"S": 1.0, b"m": 1e-3, b"u": 1e-6, b"n": 1e-9}
_TIMEOUT = re.compile(rb"([0-9]{1,8})([HMSmun])")
METADATA_BYTES = 16384
"""Bytes of one call's metadata that are taken, counted as HTTP/2 does."""


@dataclass(slots=True, kw_only=True)
class CallHead:
    """A call, before its message. It is the same one for all calls whose metadata have the same bytes."""

    method: GrpcMethod | None
    """None: it ends as `ending` says."""
    headers: dict[bytes, bytes]
    """What is ours of the metadata, as HTTP has it; what is too long to be echoed is left out."""
    response_fields: bytes
    """A header block with what is said beside every answer: the revision, and the request's id."""
    ok_trailers: bytes
    """The block of the trailers behind an answer that is right."""
    fields_without_revision: bytes = b""
    """What `response_fields` says but for the revision."""
    encoding: bytes = b"identity"
    """Of messages that are packed."""
    timeout_seconds: float = PATIENCE_SECONDS
    """How long its client waits for one answer, at most as long as we let it."""
    call_timeout_seconds: float | None = None
    """How long it waits for the end of a call of several messages; None: it does not say."""
    refusal: Refused | None = None
    """What is wrong with it, although its method is there."""
    ending: CallEnding | None = None
    """What is wrong with it, where no method is called."""


class CallHeadReader:
    """Reads what comes before messages."""

    def __init__(self, methods: Mapping[bytes, GrpcMethod], revision: str) -> None:
        """Know the methods by their paths, and the revision that every answer names."""
        self._methods = methods
        self._revision = (REVISION, revision.encode())

    def parse_head(self, fields: Sequence[Field] | None) -> CallHead:
        """Return what a call's fields say (None: there were too many); raise MalformedRequest."""
        if fields is None:
            said = f"metadata: got more than {METADATA_BYTES} bytes, expected less"
            return self._make_refused({}, lambda about: make_ending(Status.RESOURCE_EXHAUSTED, said, about))
        found = parse_request_fields(fields)
        headers = {name: found[name] for name in KEPT_HEADERS if len(found.get(name, _TOO_LONG)) <= ID_LENGTH}
        kind, path = found.get(b"content-type", b""), found[b":path"]
        if found[b":method"] != b"POST":
            return self._make_refused(headers, lambda about: make_http_ending(405, about))
        if not (kind == MEDIA_TYPE or kind.startswith((MEDIA_TYPE + b"+", MEDIA_TYPE + b";"))):
            return self._make_refused(headers, lambda about: make_http_ending(415, about))
        method = self._methods.get(path)
        if method is None:
            expected = ", ".join(one.decode() for one in self._methods)
            said = f"method: got {path[:SHOWN].decode('latin-1')!r}, expected one of {expected}"
            return self._make_refused(headers, lambda about: make_ending(Status.UNIMPLEMENTED, said, about))
        return self._make_call(method, headers, found)

    def _make_call(self, method: GrpcMethod, headers: dict[bytes, bytes], found: dict[bytes, bytes]) -> CallHead:
        seconds, whole_seconds, refusal = PATIENCE_SECONDS, None, None
        try:
            whole_seconds = _parse_timeout(found.get(b"grpc-timeout"))
            seconds = read_deadline(found, 0.0)
        except BadRequest as wrong:
            refusal = wrong
        about = self._encode_response_fields(headers)
        return CallHead(
            method=method,
            headers=headers,
            response_fields=about,
            ok_trailers=encode_fields((b"grpc-status", b"0")) + about,
            fields_without_revision=encode_fields(*_pick_echoed(headers)),
            encoding=found.get(b"grpc-encoding", b"identity"),
            timeout_seconds=seconds if whole_seconds is None else min(seconds, whole_seconds),
            call_timeout_seconds=whole_seconds,
            refusal=refusal,
        )

    def _make_refused(self, headers: dict[bytes, bytes], ending: Callable[[bytes], CallEnding]) -> CallHead:
        about = self._encode_response_fields(headers)
        return CallHead(method=None, headers=headers, response_fields=about, ok_trailers=b"", ending=ending(about))

    def _encode_response_fields(self, headers: Mapping[bytes, bytes]) -> bytes:
        return encode_fields(self._revision, *_pick_echoed(headers))


def _pick_echoed(headers: Mapping[bytes, bytes]) -> list[Field]:
    name = headers.get(REQUEST_ID)
    return [(REQUEST_ID, name)] if name is not None else []


_TOO_LONG = b" " * (ID_LENGTH + 1)


def _parse_timeout(said: bytes | None) -> float | None:
    """Return how long a client waits; None: it does not say. Raise BadRequest.

    >>> _parse_timeout(b"250m"), _parse_timeout(b"2M"), _parse_timeout(None)
    (0.25, 120.0, None)
    """
    if said is None:
        return None
    found = _TIMEOUT.fullmatch(said)
    if found is None:
        shown = said[:40].decode("latin-1")
        raise BadRequest(f"grpc-timeout: got {shown!r}, expected at most 8 digits and one of H, M, S, m, u, n")
    return int(found[1]) * UNITS[found[2]]
