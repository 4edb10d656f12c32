"""The content of an MLflow event, as far as it is used here. Pure."""

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from services.webhook.rejection import Rejected

BODY_LIMIT = 64 * 1024
"""Bytes; MLflow's own events have a few hundred."""


class _Event(BaseModel):
    entity: Annotated[str, Field(min_length=1, max_length=100)]
    action: Annotated[str, Field(min_length=1, max_length=100)]
    data: dict[str, Any] = {}


class _Named(BaseModel):
    model_config = ConfigDict(coerce_numbers_to_str=True)

    name: Annotated[str, Field(min_length=1, max_length=256)]
    version: Annotated[str, Field(pattern=r"^[0-9]{1,9}$")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Created:
    """A new version, by name and number: nothing else of an event is trusted. The rest is read from the registry."""

    model: str
    version: str


def parse(body: bytes) -> Created | None:
    """Return the version that an event announces; None for any other event. Raises Rejected (400).

    >>> parse(b'{"entity": "model_version", "action": "created", "data": {"name": "digits", "version": "7"}}')
    Created(model='digits', version='7')
    >>> parse(b'{"entity": "model_version_alias", "action": "created", "data": {}}') is None
    True
    """
    try:
        event = _Event.model_validate_json(body)
        if (event.entity, event.action) != ("model_version", "created"):
            return None
        named = _Named.model_validate(event.data)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part)[:40] for part in first["loc"]) or "the body"
        raise Rejected(400, "malformed", f"{where}: {first['msg'][:200]}") from error
    return Created(model=named.name, version=named.version)
