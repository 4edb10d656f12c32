"""Documents that are kept: their format numbers, and how older ones become what is read today.

A document is a JSON object with its number under `format`; one without a number is format 1, as everything was before
documents had numbers. Whoever changes a document so that an older reader would misread it raises the number and adds a
migration from the number before; a file of the old form goes to tests/fixtures. A reader refuses what is newer.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter

from slipway.errors import FormatTooNew

T = TypeVar("T")
Json = dict[str, Any]
"""A JSON object."""
Migration = Callable[[Json], Json]

NUMBER = "format"


@dataclass(frozen=True, slots=True)
class Format(Generic[T]):
    """How one kind of value is kept."""

    name: str
    """What it is, for errors: `rollout status`."""
    number: int
    """Of what is written today."""
    adapter: TypeAdapter[T]
    migrations: tuple[Migration, ...] = ()
    """The first makes format 2 of format 1, and so on."""

    def dump(self, value: T) -> Json:
        """Return a value as a JSON object with its number; infinities stay numbers."""
        return {NUMBER: self.number, **self.adapter.dump_python(value, mode="json")}

    def load(self, document: object, where: str) -> T:
        """Return the value of a JSON object that this or an earlier Slipway wrote; `where` names it in errors.

        Raises FormatTooNew for a newer format, ValueError (pydantic's ValidationError is one) for what is no such
        document.
        """
        if not isinstance(document, dict):
            message = f"{self.name}: got {type(document).__name__}, expected a JSON object"
            raise ValueError(message)  # noqa: TRY004 - as pydantic's own errors are
        document = dict(document)
        number = document.pop(NUMBER, 1)
        if not isinstance(number, int) or isinstance(number, bool) or number < 1:
            message = f"{self.name}: format {number!r}, expected a number from 1 to {self.number}"
            raise ValueError(message)
        require_known(self.name, number, self.number, where)
        for migrate in self.migrations[number - 1 :]:
            document = migrate(document)
        return self.adapter.validate_python(document)


def require_known(name: str, number: int, newest: int, where: str) -> None:
    """Raise FormatTooNew for a document whose format number is over the newest that is known."""
    if number > newest:
        raise FormatTooNew(
            where,
            seen=f"a {name} of format {number}, which a newer Slipway wrote",
            expected=f"at most format {newest}",
            do="upgrade this Slipway to the version that wrote it; nothing was changed",
        )


def rename_keys(found: Mapping[str, Any], names: Mapping[str, str]) -> Json:
    """Return an object with some of its keys renamed.

    >>> rename_keys({"error rate": 1, "other": 2}, {"error rate": "error_rate"})
    {'error_rate': 1, 'other': 2}
    """
    return {names.get(key, key): value for key, value in found.items()}
