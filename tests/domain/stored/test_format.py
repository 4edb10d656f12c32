"""Documents with format numbers: older ones are migrated, newer ones are refused, and nothing else is guessed."""

from dataclasses import dataclass

import pytest
from pydantic import TypeAdapter

from slipway.domain.stored.format import Format, Json
from slipway.errors import FormatTooNew


@dataclass(frozen=True, kw_only=True)
class Thing:
    """A document."""

    weight_percent: int = 0


def _rename(document: Json) -> Json:
    return {"weight": document["share"]}


def _name_unit(document: Json) -> Json:
    return {"weight_percent": round(100 * document["weight"])}


THING = Format("thing", 3, TypeAdapter(Thing), (_rename, _name_unit))


@pytest.mark.parametrize(
    "document",
    [
        {"share": 0.25},
        {"format": 1, "share": 0.25},
        {"format": 2, "weight": 0.25},
        {"format": 3, "weight_percent": 25},
        THING.dump(Thing(weight_percent=25)),
    ],
)
def test_what_any_version_wrote_is_read(document: Json) -> None:
    """Without a number it is the first format; the document itself is left as it was."""
    before = dict(document)

    assert THING.load(document, "thing 1") == Thing(weight_percent=25)
    assert document == before


def test_what_a_newer_version_wrote_is_refused() -> None:
    """The sentence names the document, both numbers, and what to do."""
    said = r"file x: a thing of format 4, which a newer Slipway wrote; expected at most format 3\. Next: upgrade"
    with pytest.raises(FormatTooNew, match=said):
        THING.load({"format": 4, "weight_percent": 25}, "file x")


NONE_OF_OURS: list[object] = [[], None, "text", *({"format": one} for one in ("2", 0, True, 3.0, None))]


@pytest.mark.parametrize("document", NONE_OF_OURS)
def test_what_is_no_document_is_a_value_error(document: object) -> None:
    """Whoever reads it says where it lies."""
    with pytest.raises(ValueError, match="thing"):
        THING.load(document, "file x")
