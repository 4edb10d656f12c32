"""What schemathesis has to know of the service beside its document; run in schemathesis' own environment."""

import schemathesis

ENOUGH_MILLISECONDS = 1000.0
"""A request that gives so much time is answered in it."""
GATEWAY_TIMEOUT = 504


@schemathesis.serializer("text/csv")
def as_it_is(_: schemathesis.SerializationContext, value: object) -> bytes:
    """Send texts as they are."""
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogatepass")


@schemathesis.check
def no_failure(_: schemathesis.CheckContext, response: schemathesis.Response, case: schemathesis.Case) -> None:
    """Fail on any 5xx, but for the answer to a request that itself gives next to no time."""
    given = dict(case.headers or {}).get("x-request-timeout-ms")
    hurried = given is not None and response.status_code == GATEWAY_TIMEOUT and float(given) < ENOUGH_MILLISECONDS
    assert response.status_code < 500 or hurried, response.text
