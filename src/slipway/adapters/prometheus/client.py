"""One instant query to Prometheus: bounded in time, with failures as our errors, without its password."""

import math
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Literal

import httpx
from pydantic import BaseModel, BeforeValidator, ValidationError

from slipway.errors import MetricsUnavailable, SettingsError

TIMEOUT_SECONDS = 5.0
"""Seconds that connecting, and each wait for more of the answer, may take."""
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
SHOWN_CHARACTERS = 300
"""Characters of a foreign text that a message shows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One number of an answer."""

    labels: Mapping[str, str]
    value: float
    """May be NaN or infinite."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The result of a query."""

    at: float
    """When Prometheus evaluated it, by its own clock: seconds since 1970."""
    samples: tuple[Sample, ...]


class QueryRefused(Exception):
    """Prometheus understood the request and rejects the query; the text is its own."""


class PrometheusClient:
    """Queries one Prometheus; threads may share it."""

    def __init__(self, address: str, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        """Keep the address, `http://[USER:PASSWORD@]HOST[:PORT][/PATH]`; nothing is sent. Raises SettingsError."""
        try:
            url = httpx.URL(address.rstrip("/"))
        except httpx.InvalidURL as error:
            raise _make_address_error("no address at all") from error
        if url.scheme not in {"http", "https"} or not url.host:
            raise _make_address_error(f"scheme {url.scheme!r}, host {url.host!r}")
        self._url, self._timeout_seconds = url, timeout_seconds
        self.asked = 0
        """Requests sent so far."""

    @property
    def name(self) -> str:
        """`Prometheus at http://host:port`, without user and password.

        >>> PrometheusClient("http://me:secret@127.0.0.1:9090/prometheus/").name
        'Prometheus at http://127.0.0.1:9090/prometheus'
        """
        return f"Prometheus at {self._url.scheme}://{self._url.netloc.decode()}{self._url.path.rstrip('/')}"

    def query(self, promql: str) -> Answer:
        """Evaluate an expression now. Raises QueryRefused, and MetricsUnavailable for every other failure."""
        self.asked += 1
        try:
            response = self._client.post("api/v1/query", data={"query": promql})
        except httpx.TimeoutException as error:
            raise self._make_unavailable_error(f"no answer within {self._timeout_seconds:g} s") from error
        except (httpx.TransportError, httpx.DecodingError) as error:
            raise self._make_unavailable_error(" ".join(str(error).split()) or type(error).__name__) from error
        return self._read_answer(response)

    def _read_answer(self, response: httpx.Response) -> Answer:
        try:
            page = _Page.model_validate_json(response.content)
        except ValidationError as error:
            raise self._make_unavailable_error(_describe_stranger(response)) from error
        if page.status == "error" and page.errorType in {"bad_data", "execution"}:
            raise QueryRefused(page.error[:SHOWN_CHARACTERS])
        if page.status == "error" or page.data is None:
            raise self._make_unavailable_error(f"{page.errorType}: {page.error}"[:SHOWN_CHARACTERS])
        if page.warnings:  # of stores that return partial data: part of the counters is no evidence
            raise self._make_unavailable_error(
                f"an answer with warnings: {'; '.join(page.warnings)}"[:SHOWN_CHARACTERS]
            )
        samples = tuple(Sample(labels=one.metric, value=one.value[1]) for one in page.data.result)
        at = max((one.value[0] for one in page.data.result), default=math.nan)
        return Answer(at=at, samples=samples)

    def _make_unavailable_error(self, seen: str) -> MetricsUnavailable:
        return MetricsUnavailable(
            self.name,
            seen=seen,
            expected="an answer to an instant query",
            do="see that Prometheus runs and that SLIPWAY_PROMETHEUS is its address (`slipway doctor`)",
        )

    @cached_property
    def _client(self) -> httpx.Client:
        client = httpx.Client(
            base_url=self._url,  # httpx sends user and password of it as basic authentication
            timeout=self._timeout_seconds,
            trust_env=self._url.host not in LOOPBACK,  # a proxy can't reach this machine's own loopback
        )
        weakref.finalize(self, client.close)
        return client


def _parse_number(text: object) -> object:
    # Prometheus writes numbers as text: "NaN" and "+Inf" are among them
    return float(text) if isinstance(text, str) else text


class _Vector(BaseModel):
    metric: dict[str, str]
    value: tuple[float, Annotated[float, BeforeValidator(_parse_number)]]


class _Data(BaseModel):
    resultType: Literal["vector"]  # noqa: N815 - Prometheus' own name
    result: list[_Vector]


class _Page(BaseModel):
    status: Literal["success", "error"]
    data: _Data | None = None
    errorType: str = ""  # noqa: N815 - Prometheus' own name
    error: str = ""
    warnings: list[str] = []


def _describe_stranger(response: httpx.Response) -> str:
    kind = response.headers.get("content-type", "no content type").split(";")[0]
    return f"status {response.status_code} with {kind[:SHOWN_CHARACTERS]}, which is no answer of Prometheus' API"


def _make_address_error(seen: str) -> SettingsError:
    return SettingsError(
        "Prometheus' address (SLIPWAY_PROMETHEUS)",
        seen=seen,
        expected="an http or https address, such as http://prometheus.monitoring.svc:9090",
        do="correct SLIPWAY_PROMETHEUS",
    )
