"""Names of headers as bytes, as servers and parsers have them."""

from slipway_interface import headers

REVISION = headers.REVISION.encode()
COMPARE = headers.COMPARE.encode()
RESCUE = headers.RESCUE.encode()
RESCUED_FROM = headers.RESCUED_FROM.encode()
RESCUED = headers.RESCUED.encode()
REQUEST_ID = headers.REQUEST_ID.encode()
DEADLINES = tuple(name.encode() for name in headers.DEADLINES)
TRACE_PARENT, TRACE_STATE = b"traceparent", b"tracestate"
"""W3C's trace context."""
