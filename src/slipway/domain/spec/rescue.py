"""When another version answers in the place of one that can't."""

from typing import Annotated

from pydantic import Field

from slipway.domain.spec.document import Document, PositiveSeconds


class RescueSpec(Document):
    """A request that the new version can't answer is answered by the old one, and counts against the new one."""

    at_once: Annotated[int, Field(ge=1, le=1000)] = 16
    """Most requests at a time that are answered so: beyond it clients get the new version's own answer, as the old one
    must not be overloaded by them."""
    after_seconds: Annotated[PositiveSeconds, Field(le=30)] = 10
    """How long the new version may hold a request before the old one gets it too; the first good answer counts.

    Set it below the time that clients wait: a client that disconnects earlier is not rescued. A service gives up
    after 30 s.
    """
