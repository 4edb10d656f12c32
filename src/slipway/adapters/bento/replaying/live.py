"""Live requests of the champion's clients, sent again to both services; their values are sent nowhere else.

They are sent as bytes over the Open Inference Protocol, which carries every value exactly, NaN too. A service's error
message is left out of all sentences, because it may quote the value.
"""

import math
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from slipway.adapters.bento.replaying.asking import ServiceClients
from slipway.adapters.bento.replaying.requests import make_binary_request
from slipway.adapters.bento.replaying.samples import RequestRows
from slipway.domain.gates.contract.difference import count_words
from slipway.domain.gates.contract.recorded import RecordedSample, Value
from slipway.domain.gates.contract.replay import RECORDED, ReplayedAnswer, ReplayedExchange, ReplayResult
from slipway.domain.judge.answers import AnswerKind
from slipway.domain.release.version import Column

LIVE_SECONDS = 20.0
"""Seconds after which no further recorded request is sent."""
TOGETHER = ""
"""The key of the values of all columns together."""


def replay_live(
    champion: ServiceClients, challenger: ServiceClients, recorded: RecordedSample, ordinary: RequestRows
) -> ReplayResult:
    """Send to both, to the challenger only what the champion answers; `ordinary` is a row that both accept."""
    ends = time.monotonic() + LIVE_SECONDS
    known = [make_rows(one, ordinary.columns) for one in recorded.requests]
    samples = [one for one in known if one is not None]
    said = [recorded.remark] if recorded.remark else []
    if len(samples) < len(known):
        said.append(
            f"{count_words(len(known) - len(samples), 'recorded request')} had not the champion's columns, whole"
        )
    search = _ColumnSearch(challenger=challenger, ordinary=ordinary, ends=ends)
    exchanges: list[ReplayedExchange] = []
    for place, sample in enumerate(samples):
        if time.monotonic() > ends:
            said.append(f"{count_words(len(samples) - place, 'recorded request')} not sent: it took {LIVE_SECONDS:g} s")
            break
        request = make_binary_request(champion.model, sample)
        before = champion.send_request(request)
        if before.kind is AnswerKind.RIGHT:
            after = challenger.send_request(request)
            form = request.form if after.kind is AnswerKind.RIGHT else search.find_refused_columns(sample)
            exchanges.append(
                ReplayedExchange(protocol=RECORDED, form=form, champion=before, challenger=_drop_message(after))
            )
    return ReplayResult(exchanges=tuple(exchanges), unrecorded="; ".join(said))


def _drop_message(answer: ReplayedAnswer) -> ReplayedAnswer:
    """Leave out a service's message: only the kind of its answer is kept."""
    return answer if answer.kind is AnswerKind.RIGHT else replace(answer, message=answer.kind.value)


@dataclass(slots=True, kw_only=True)
class _ColumnSearch:
    """Finds the column at fault: the request is answered if its values are replaced."""

    challenger: ServiceClients
    ordinary: RequestRows
    ends: float
    found: list[Column] = field(default_factory=list)
    """Columns that were at fault before: they are tried first."""

    def find_refused_columns(self, sample: RequestRows) -> str:
        """Describe the columns whose values the challenger refuses."""
        others = [column for column in sample.columns if column not in self.found]
        for column in (*self.found, *others):
            if time.monotonic() > self.ends:
                return "no time to find the column"
            usual = np.repeat(self.ordinary.values[column.name][:1], sample.rows, axis=0)
            request = make_binary_request(self.challenger.model, sample.replace_values({column.name: usual}))
            if self.challenger.send_request(request).kind is AnswerKind.RIGHT:
                self.found = [column, *(one for one in self.found if one != column)]
                return f"values of column {column.name!r}, {column.kind}"
        return "values of more than one column, or a number of rows"


def make_rows(inputs: dict[str, list[Value]], columns: Sequence[Column]) -> RequestRows | None:
    """Return the whole rows among recorded values, as the champion's columns; None: they do not fit those.

    A record is cut after some values, so the last row may not be whole. A missing value (NaN) is null in it.
    """
    widths = [math.prod(column.shape[1:]) for column in columns]
    with suppress(ValueError, KeyError, TypeError, OverflowError):
        lists = (
            _split_columns(inputs[TOGETHER], widths)
            if inputs.keys() == {TOGETHER}
            else [inputs[c.name] for c in columns]
        )
        rows = min(len(values) // width for values, width in zip(lists, widths, strict=True))
        values = {
            column.name: _convert_values(ours[: rows * width], column.kind).reshape(rows, *column.shape[1:])
            for column, ours, width in zip(columns, lists, widths, strict=True)
        }
        return RequestRows(columns=tuple(columns), values=values) if rows and len(inputs) in {1, len(columns)} else None
    return None


def _split_columns(values: list[Value], widths: Sequence[int]) -> list[list[Value]]:
    """Return the values of each column, from rows of all of them."""
    rows = len(values) // sum(widths)
    table = np.array(values[: rows * sum(widths)], dtype=object).reshape(rows, -1)
    return [part.ravel().tolist() for part in np.split(table, np.cumsum(widths)[:-1], axis=1)]


def _convert_values(values: list[Value], kind: str) -> NDArray[np.generic]:
    """Return values as the type of their column; raise ValueError or TypeError for others."""
    if kind == "str":
        if not all(isinstance(value, str) for value in values):
            raise TypeError(kind)
        return np.array(values, dtype=object)
    numbers = np.array([math.nan if value is None else value for value in values])
    if numbers.dtype.kind not in "biuf":
        raise TypeError(kind)
    with np.errstate(invalid="ignore", over="ignore"):
        typed = numbers.astype(kind)
    if typed.dtype.kind != "f" and not (typed == numbers).all():
        raise ValueError(kind)
    return typed
