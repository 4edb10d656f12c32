"""Delayed labels: the truth about an answer, known later, keyed to the revision that gave the answer."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

COLUMNS = ("request_id", "revision", "wrong")
"""The columns of a row of labels; others are refused."""
LONGEST_REQUEST_ID = 200
"""Characters; Envoy's own have 36."""

_REVISION = re.compile(r"(?P<model>[a-z0-9][-a-z0-9]*)-v[1-9][0-9]*")
_WRONG = {"0": False, "1": True, "false": False, "true": True}


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """The truth about one answer."""

    request_id: str
    """From the answer's header x-request-id."""
    revision: str
    """From the answer's header x-slipway-revision: the one that served."""
    wrong: bool
    """Whether the answer was wrong."""

    def __post_init__(self) -> None:
        """Reject values that no header can have had."""
        name = self.request_id
        if not 0 < len(name) <= LONGEST_REQUEST_ID or not name.isprintable() or name != name.strip():
            expected = f"1 to {LONGEST_REQUEST_ID} printable characters without space around them"
            raise ValueError(_describe_problem("request_id", name, expected))
        if not _REVISION.fullmatch(self.revision):
            raise ValueError(_describe_problem("revision", self.revision, "MODEL-vN, as in `digits-v7`"))

    @property
    def model(self) -> str:
        """The model that the revision belongs to.

        >>> Label(request_id="r-1", revision="digits-v7", wrong=True).model
        'digits'
        """
        return self.revision.rpartition("-v")[0]


def label_of(row: object, model: str) -> Label:
    """Read one row of labels: a mapping with `COLUMNS`; `wrong` is a bool, 0, 1, or one of their texts.

    Raises ValueError with what was seen and what was expected.

    >>> label_of({"request_id": "r-1", "revision": "digits-v7", "wrong": "true"}, "digits")
    Label(request_id='r-1', revision='digits-v7', wrong=True)
    >>> label_of({"request_id": "r-1", "revision": "digits-v7", "wrong": "maybe"}, "digits")
    Traceback (most recent call last):
        ...
    ValueError: wrong: seen 'maybe', expected 0, 1, true or false
    """
    if not isinstance(row, Mapping):
        raise ValueError(_describe_problem("row", row, f"an object with {', '.join(COLUMNS)}"))  # noqa: TRY004 - data, no bug
    if set(row) != set(COLUMNS):
        raise ValueError(_describe_problem("columns", ", ".join(map(str, row)), ", ".join(COLUMNS)))
    label = Label(
        request_id=_read_text(row, "request_id"), revision=_read_text(row, "revision"), wrong=_read_wrong(row["wrong"])
    )
    if label.model != model:
        raise ValueError(_describe_problem("revision", label.revision, f"a revision of {model}, as in `{model}-v7`"))
    return label


def _read_text(row: Mapping[object, object], column: str) -> str:
    value = row[column]
    if not isinstance(value, str):
        raise ValueError(_describe_problem(column, value, "text"))  # noqa: TRY004 - wrong data, not a wrong call
    return value


def _read_wrong(value: object) -> bool:
    # not by equality: 1.0 equals 1, and a degree of error must not become a plain yes
    known = _WRONG.get(str(value).lower()) if isinstance(value, bool | int | str) else None
    if known is None:
        raise ValueError(_describe_problem("wrong", value, "0, 1, true or false"))
    return known


def _describe_problem(what: str, seen: object, expected: str) -> str:
    shown = repr(seen)
    return f"{what}: seen {shown if len(shown) <= 80 else shown[:77] + '...'}, expected {expected}"  # noqa: PLR2004 - a line
