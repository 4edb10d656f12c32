"""Parsers of the pages that a revision serves about itself; every reader uses them."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, NonNegativeInt, TypeAdapter

from slipway.domain.judge.readings import Summary, Sums
from slipway.domain.rollout.shadow import ShadowAnswer

_ANSWERS = TypeAdapter(dict[str, list[ShadowAnswer]])


class _SumsPage(BaseModel):
    model_config = ConfigDict(strict=True)

    count: NonNegativeInt
    total: FiniteFloat
    squares: Annotated[FiniteFloat, Field(ge=0)]


class _SummaryPage(BaseModel):
    """What every page has, so that another server's JSON is no empty summary, and what older ones have not."""

    model_config = ConfigDict(strict=True)

    scores: _SumsPage | None
    classes: dict[str, Annotated[FiniteFloat, Field(ge=0)]]
    inputs: dict[str, list[NonNegativeInt]]
    requests: NonNegativeInt = 0
    nonfinite: NonNegativeInt = 0
    warm: bool | None = None


def read_summary(page: object) -> Summary:
    """Return the summary that a page's JSON holds; raise ValueError for a page that is none."""
    read = _SummaryPage.model_validate(page)
    return Summary(
        scores=Sums(**read.scores.model_dump()) if read.scores else None,
        classes=read.classes,
        inputs={name: tuple(counts) for name, counts in read.inputs.items()},
        requests=read.requests,
        nonfinite=read.nonfinite,
        warm=read.warm,
    )


def read_answers(page: object) -> list[ShadowAnswer]:
    """Return the answers that a page's JSON holds, oldest first; raise ValueError for a page that is none."""
    read = _ANSWERS.validate_python(page)
    if "answers" not in read:
        message = "no key `answers`"
        raise ValueError(message)
    return read["answers"]
