"""Forwards requests that this revision can't answer to the previous revision.

The route sets a header on each request: which revision may forward, to which address, how many requests at a time, and
how long the first revision may take. So roles change with the route, at once, for every replica. A forwarded request
names the revision it comes from; it is never forwarded again, and is counted separately.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from functools import lru_cache
from ipaddress import ip_address
from math import isfinite
from time import perf_counter
from typing import TYPE_CHECKING, Protocol

from services.inference.headers import COMPARE, DEADLINES, REQUEST_ID, RESCUE, RESCUED, RESCUED_FROM
from services.inference.request import Header, Request, Response
from services.inference.telemetry.meter import ANSWER_KINDS
from slipway_interface import environment as variables
from slipway_interface.logs import LOGGER
from slipway_interface.rescue import RescueRule, parse_rule

if TYPE_CHECKING:
    import httpx

SUCCESSES = range(200, 300)
LEAST_SECONDS = 0.005
"""With less time left a request is not forwarded."""
LONGEST_SECONDS = 600.0
_OURS = frozenset([RESCUE, RESCUED_FROM, COMPARE, *DEADLINES])
_OF_CONNECTION = frozenset([
    *(b"host", b"connection", b"keep-alive", b"te", b"trailer", b"transfer-encoding", b"upgrade", b"expect"),
    *(b"content-length", b"content-encoding", b"accept-encoding", b"proxy-connection"),
])  # fmt: skip
_NOT_RETURNED = frozenset([b"content-type", b"content-length", b"connection", b"date", b"server", REQUEST_ID])

log = logging.getLogger(LOGGER)
Reply = Callable[[Response], None]


class RescueCounter(Protocol):
    """Counts requests that were forwarded."""

    def count_rescued(self, protocol: str, status: int) -> None:
        """Count one by this revision's own status."""


@lru_cache(maxsize=16)
def find_rule(header: bytes, revision: str) -> RescueRule | None:
    """Return the rule that a header states for this revision; None: none, or one that can't be read (logged once).

    >>> find_rule(b"of=digits-v2; by=10.96.0.7:3000; at-once=16; after=10", "digits-v2")
    RescueRule(of='digits-v2', by='10.96.0.7:3000', at_once=16, after_seconds=10.0)
    >>> find_rule(b"of=digits-v2; by=10.96.0.7:3000; at-once=16; after=10", "digits-v1") is None
    True
    """
    try:
        rule = parse_rule(header.decode("ascii"))
        _check_address(rule.by)
    except (KeyError, ValueError) as error:
        log.warning("%s: got %r, which can't be read (%s); no request is forwarded", RESCUE.decode(), header, error)
        return None
    if rule.of != revision:
        return None
    if not (rule.at_once > 0 and isfinite(rule.after_seconds) and 0 < rule.after_seconds <= LONGEST_SECONDS):
        log.warning("%s: got %r, expected at-once and after over 0; no request is forwarded", RESCUE.decode(), header)
        return None
    return rule


def _check_address(address: str) -> None:
    """Raise ValueError for an address that is not in a private network, and for names."""
    host, _, port = address.rpartition(":")
    if not ip_address(host.strip("[]")).is_private or not 0 < int(port) < 1 << 16:
        message = f"{address} is no private address with a port"
        raise ValueError(message)


class Rescuer:
    """Forwards one process' requests to the previous revision."""

    def __init__(self, revision: str, counting: RescueCounter, *, trusts_headers: bool = False) -> None:
        """Start without connections; `trusts_headers`: a route sets or removes the rescue headers of all requests."""
        self.revision, self.trusts_headers = revision, trusts_headers
        self._counting = counting
        self._client: httpx.AsyncClient | None = None
        self.under_way = 0
        """Requests that are being forwarded."""
        self._failed = False

    @classmethod
    def of_environment(cls, revision: str, counting: RescueCounter, environment: Mapping[str, str]) -> "Rescuer":
        """Return a rescuer that trusts the headers if the environment variable says that a route sets them."""
        return cls(revision, counting, trusts_headers=environment.get(variables.RESCUE) == "route")

    def is_for_another(self, headers: Mapping[bytes, bytes]) -> bool:
        """Return whether a request was forwarded by another revision."""
        return self.trusts_headers and RESCUED_FROM in headers

    def start_rescue(self, call: Request, protocol: str, deadline: float, reply: Reply) -> "RescueAttempt | None":
        """Return the rescue of a request; None: it is not to be forwarded. `deadline` is perf_counter's time."""
        asked = call.headers
        if (
            not (self.trusts_headers and call.path and RESCUE in asked)
            or RESCUED_FROM in asked
            or asked.get(COMPARE) == b"1"
        ):
            return None
        rule = find_rule(call.headers[RESCUE], self.revision)
        return None if rule is None else RescueAttempt(self, rule, call, protocol, deadline, reply)

    def count_rescued(self, protocol: str, status: int) -> None:
        """Count a request that another revision answered."""
        self._counting.count_rescued(protocol, status)

    def take_slot(self, rule: RescueRule) -> bool:
        """Take a slot for a forwarded request; False: none is free."""
        free = self.under_way < rule.at_once
        self.under_way += free
        return free

    def release_slot(self) -> None:
        """Release a slot."""
        self.under_way -= 1

    async def forward(self, rule: RescueRule, call: Request, seconds: float) -> Response | None:
        """Return the other revision's response; None: no successful one within so many seconds."""
        import httpx  # imported only if a request is forwarded

        if self._client is None:
            self._client = httpx.AsyncClient(trust_env=False, limits=httpx.Limits(keepalive_expiry=2.0))
        query = f"?{call.query.decode('latin-1')}" if call.query else ""
        url = f"http://{rule.by}{call.path}{query}"
        headers = self._build_headers(call.headers, seconds)
        try:
            async with asyncio.timeout(seconds):
                came = await self._client.post(url, content=call.body, headers=headers, timeout=seconds)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            self._warn_once(f"{rule.by} gave no answer in the place of {self.revision}: {error!r}")
            return None
        self._failed = False
        if came.status_code not in SUCCESSES:
            return None
        return Response(
            came.status_code, came.content, came.headers.get("content-type", "").encode(), _pick_headers(came)
        )

    async def close(self) -> None:
        """Close connections."""
        if self._client is not None:
            await self._client.aclose()

    def _build_headers(self, asked: Mapping[bytes, bytes], seconds: float) -> list[Header]:
        kept = [(name, value) for name, value in asked.items() if name not in _OURS and name not in _OF_CONNECTION]
        timeout = b"%d" % max(1, int(1000 * seconds))
        return [
            *kept,
            (b"accept-encoding", b"identity"),
            (DEADLINES[0], timeout),
            (RESCUED_FROM, self.revision.encode()),
        ]

    def _warn_once(self, what: str) -> None:
        if not self._failed:  # once until it responds again
            log.warning(what)
        self._failed = True


def _pick_headers(came: "httpx.Response") -> tuple[Header, ...]:
    named = [(name.lower(), value) for name, value in came.headers.raw]
    return tuple((name, value) for name, value in named if name not in _NOT_RETURNED and name not in _OF_CONNECTION)


class RescueAttempt:
    """Handles one request: its client gets this revision's response, or the other one's, once."""

    __slots__ = (
        "_call",
        "_deadline",
        "_forwarding",
        "_own",
        "_protocol",
        "_replied",
        "_reply",
        "_rescuer",
        "_rule",
        "_timer",
    )

    def __init__(  # noqa: PLR0913, PLR0917 - what a request is
        self, rescuer: Rescuer, rule: RescueRule, call: Request, protocol: str, deadline: float, reply: Reply
    ) -> None:
        """Start the timer after which the request is forwarded too."""
        self._rescuer, self._rule, self._call, self._protocol = rescuer, rule, call, protocol
        self._deadline, self._reply = deadline, reply
        self._own: Response | None = None
        self._forwarding: asyncio.Task[None] | None = None
        self._replied = False
        self._timer = asyncio.get_running_loop().call_later(rule.after_seconds, self._start_forwarding)

    def offer(self, own: Response) -> bool:
        """Take this revision's own response, once; return whether the client gets another one, now or already."""
        self._timer.cancel()
        if self._replied:
            self._rescuer.count_rescued(self._protocol, own.status)
            return True
        if own.status in SUCCESSES or own.status in ANSWER_KINDS["not_the_versions"]:
            self.cancel()
            return False
        if self._forwarding is None:
            self._start_forwarding()
        if self._forwarding is None or self._forwarding.done():
            return False
        self._own = own
        return True

    def cancel(self) -> None:
        """Stop forwarding: the client has its response, or is gone."""
        self._timer.cancel()
        if self._forwarding is not None:
            self._forwarding.cancel()

    def _start_forwarding(self) -> None:
        left = self._deadline - perf_counter()
        if left > LEAST_SECONDS and self._rescuer.take_slot(self._rule):
            self._forwarding = asyncio.get_running_loop().create_task(self._forward(left))
            self._forwarding.add_done_callback(lambda _: self._rescuer.release_slot())

    async def _forward(self, seconds: float) -> None:
        try:
            answer = await self._rescuer.forward(self._rule, self._call, seconds)
        except Exception:  # an error of the service must not leave a client without a response
            log.exception("a request could not be handed on")
            answer = None
        if answer is not None:
            self._replied = True
            if self._own is not None:
                self._rescuer.count_rescued(self._protocol, self._own.status)
            said = (RESCUED, self._rescuer.revision.encode())
            self._reply(answer._replace(headers=(*answer.headers, said)))
        elif self._own is not None:
            self._reply(self._own)
