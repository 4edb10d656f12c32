"""The head of a call: which method is called, its deadline, and the metadata that the service uses."""

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
"""Longest request id that is echoed, because it takes room in the response's metadata."""
MEDIA_TYPE = b"application/grpc"
KEPT_HEADERS = (REQUEST_ID, COMPARE, TRACE_PARENT, TRACE_STATE, RESCUE, RESCUED_FROM)
UNITS = {b"H": 3600.0, b"M": 60.0, b"S": 1.0, b"m": 1e-3, b"u": 1e-6, b"n": 1e-9}
_TIMEOUT = re.compile(rb"([0-9]{1,8})([HMSmun])")
METADATA_BYTES = 16384
"""Most bytes of one call's metadata, counted as HTTP/2 does."""


@dataclass(slots=True, kw_only=True)
class CallHead:
    """The parsed head of a call, shared by all calls whose metadata have the same bytes."""

    method: GrpcMethod | None
    """None: the call ends with `ending`."""
    headers: dict[bytes, bytes]
    """The metadata that the service uses, without values that are too long to be echoed."""
    response_fields: bytes
    """Encoded fields of every response: the revision, and the request's id."""
    ok_trailers: bytes
    """Encoded trailers of a successful response."""
    fields_without_revision: bytes = b""
    """`response_fields` without the revision."""
    encoding: bytes = b"identity"
    """Compression of messages that are compressed."""
    timeout_seconds: float = PATIENCE_SECONDS
    """How long the client waits for one response, within the service's own limit."""
    call_timeout_seconds: float | None = None
    """How long it waits for the end of a call of several messages; None: unlimited."""
    refusal: Refused | None = None
    """Why a call of a known method is refused."""
    ending: CallEnding | None = None
    """How a call without a known method ends."""


class CallHeadReader:
    """Parses heads of calls."""

    def __init__(self, methods: Mapping[bytes, GrpcMethod], revision: str) -> None:
        """Use these methods, by path, and the revision that every response names."""
        self._methods = methods
        self._revision = (REVISION, revision.encode())

    def parse_head(self, fields: Sequence[Field] | None) -> CallHead:
        """Return the head of a call with these fields (None: too many); raise MalformedRequest."""
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
    """Return how long a client waits in seconds; None: no value. Raises BadRequest.

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
