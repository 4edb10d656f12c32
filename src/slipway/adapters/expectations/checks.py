"""The checks of the rows, and the wording of their results.

One expectation per column and check would take seconds for a wide table, and fill a report with checks that pass. So
columns with the same check are concatenated into one column of cells and checked once; a cell's position gives its row
and column. Checks that pass are reported in one sentence, those that fail column by column.
"""

import difflib
import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from slipway.adapters.expectations import wording
from slipway.adapters.expectations.wording import Demand
from slipway.domain.release.version import Column, Signature
from slipway.domain.spec.release import Expectation, Severity
from slipway.domain.verdict import Verdict

if TYPE_CHECKING:
    import pandas as pd

Result = Mapping[str, Any]
LARGEST = float(np.finfo(np.float64).max)
NUMERIC = "iuf"
"""Kinds of numpy types that have a smallest and a largest value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One expectation of one table, and how its answer becomes verdicts."""

    table: "pd.DataFrame"
    expectation: str
    """Name of its class in great_expectations.expectations."""
    arguments: Mapping[str, Any]
    make_verdicts: Callable[[Result], list[Verdict]]
    severity: Severity = Severity.CRITICAL


def ask_rows(frame: "pd.DataFrame", minimum: int) -> Question:
    """Ask for enough rows."""

    def make_verdicts(result: Result) -> list[Verdict]:
        reason = f"{len(frame)} rows, of {minimum} needed at least"
        return [wording.make_verdict("rows", reason, passed=result["success"], rows=len(frame), minimum_rows=minimum)]

    arguments = {"min_value": minimum}
    return Question(
        table=frame, expectation="ExpectTableRowCountToBeBetween", arguments=arguments, make_verdicts=make_verdicts
    )


def ask_columns(frame: "pd.DataFrame", inputs: Sequence[str], label: str) -> Question:
    """Ask for the model's input columns and the label; more columns do no harm."""

    def make_verdicts(result: Result) -> list[Verdict]:
        missing = [name for name in inputs if name not in frame.columns]
        if not missing:
            reason = f"{wording.format_count(inputs)} that the model takes, and label {label!r}, are there"
            return [wording.make_verdict("columns", reason, passed=result["success"])]
        others = [str(name) for name in frame.columns if name not in inputs]
        close = [match for name in missing for match in difflib.get_close_matches(name, others, n=1)]
        hint = (
            f"; did you mean {wording.list_names(close)}?" if close else f"; the file has {wording.list_names(others)}"
        )
        names = wording.list_names(missing)
        reason = f"{len(missing)} of {wording.format_count(inputs)} that the model takes missing: {names}{hint}"
        return [wording.make_verdict("columns", reason, passed=result["success"], missing=len(missing))]

    arguments = {"column_set": [*inputs, label], "exact_match": False}
    return Question(
        table=frame, expectation="ExpectTableColumnsToMatchSet", arguments=arguments, make_verdicts=make_verdicts
    )


def ask_types(frame: "pd.DataFrame", inputs: Sequence[Column]) -> Iterator[Question]:
    """Ask that each column holds what the signature says; whole numbers serve as numbers too, nulls as anything."""
    import pandas as pd

    if not inputs:
        return
    wanted = [wording.describe_wanted(column.kind) for column in inputs]
    found = [wording.describe_values(frame[column.name], want) for column, want in zip(inputs, wanted, strict=True)]
    fitting = {(want, have) for want in wanted for have in (want, wording.NULLS)} | {("numbers", "whole numbers")}

    def make_verdicts(result: Result) -> list[Verdict]:
        wrong = set(result.get("unexpected_index_list") or [])
        passed: dict[str, list[str]] = defaultdict(list)
        verdicts = []
        for position, column in enumerate(inputs):
            if position in wrong:
                reason = wording.describe_misfit(frame[column.name], column, found[position])
                verdicts.append(wording.make_verdict("types", reason, passed=False))
            else:
                passed[column.kind].append(column.name)
        kept = [f"{wording.name_columns(names)} fit the model's {kind} inputs" for kind, names in passed.items()]
        return verdicts + [wording.make_verdict("types", said, passed=True) for said in kept]

    yield Question(
        table=pd.DataFrame({"wanted": wanted, "found": found}),
        expectation="ExpectColumnPairValuesToBeInSet",
        arguments={"column_A": "wanted", "column_B": "found", "value_pairs_set": sorted(fitting)},
        make_verdicts=make_verdicts,
    )


def ask_nulls(frame: "pd.DataFrame", names: Sequence[str]) -> Iterator[Question]:
    """Ask for a value in every cell."""
    demand = Demand(check="nulls", broken="are null", kept="without nulls")
    yield from _ask_cells(frame, names, demand, "ExpectColumnValuesToNotBeNull", {})


def ask_finite(frame: "pd.DataFrame", names: Sequence[str]) -> Iterator[Question]:
    """Ask for no infinity among floating point numbers."""
    floats = [name for name in names if frame[name].dtype.kind == "f"]
    demand = Demand(check="finite values", broken="are infinite", kept="with finite values")
    limits = {"min_value": -LARGEST, "max_value": LARGEST}
    yield from _ask_cells(frame, floats, demand, "ExpectColumnValuesToBeBetween", limits)


def ask_expectations(frame: "pd.DataFrame", asked: Sequence[Expectation]) -> Iterator[Question]:
    """Ask for the spec's ranges and allowed values; columns that share one exactly are asked about together."""
    ranges: dict[tuple[float, float, float, Severity], list[str]] = defaultdict(list)
    for one in asked:
        low = -math.inf if one.minimum is None else one.minimum
        high = math.inf if one.maximum is None else one.maximum
        if (low, high) != (-math.inf, math.inf) and _has_range(frame, one.column):
            ranges[low, high, one.mostly, one.severity].append(one.column)
        if one.allowed is not None and one.column in frame.columns:
            yield from _ask_allowed(frame, one, one.allowed)
    for (low, high, mostly, severity), names in ranges.items():
        broken, kept = wording.describe_range(low, high)
        demand = Demand(check="range", broken=broken, kept=kept, severity=severity, mostly=mostly)
        limits = {"min_value": None if low == -math.inf else low, "max_value": None if high == math.inf else high}
        # a share is meant column by column: only what must hold everywhere can be asked of all of them at once
        for group in [names] if mostly == 1 else [[name] for name in names]:
            yield from _ask_cells(frame, group, demand, "ExpectColumnValuesToBeBetween", limits)


def _ask_allowed(frame: "pd.DataFrame", one: Expectation, values: Sequence[object]) -> Iterator[Question]:
    words = wording.list_names([str(value) for value in values])
    demand = Demand(
        check="allowed values",
        broken=f"are none of {words}",
        kept=f"with none but {words}",
        severity=one.severity,
        mostly=one.mostly,
    )
    yield from _ask_cells(frame, [one.column], demand, "ExpectColumnValuesToBeInSet", {"value_set": list(values)})


def find_unanswerable(frame: "pd.DataFrame", asked: Sequence[Expectation]) -> Iterator[Verdict]:
    """Yield a failure for each of the spec's expectations that no answer can be had for."""
    for one in asked:
        if one.column not in frame.columns:
            close = difflib.get_close_matches(one.column, [str(name) for name in frame.columns], n=1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            reason = f"the spec expects something of column {one.column!r}, which the file lacks{hint}"
            yield wording.make_verdict("expectation", reason, passed=False, severity=one.severity)
        elif (one.minimum is not None or one.maximum is not None) and not _has_range(frame, one.column):
            holds = wording.describe_values(frame[one.column], "")
            reason = f"the spec has a range for column {one.column}, which holds {holds}"
            yield wording.make_verdict("expectation", reason, passed=False, severity=one.severity)


def find_contradictions(inputs: Sequence[Column], signature: Signature, label: str) -> Iterator[Verdict]:
    """Yield a failure where signature, spec and file can't all be right."""
    if label in (column.name for column in inputs):
        reason = f"label {label!r} is also an input of the model, which would be shown the truth"
        yield wording.make_verdict("columns", reason, passed=False)
    width = math.prod(signature.inputs[0].shape[1:])
    if len(signature.inputs[0].shape) > 1 and len(signature.inputs) == 1 and 0 < width != len(inputs):
        reason = f"{len(inputs)} columns besides label {label!r}; the model's matrix has {width}"
        yield wording.make_verdict("columns", reason, passed=False, columns=len(inputs), wanted_columns=width)


def _has_range(frame: "pd.DataFrame", name: str) -> bool:
    return name in frame.columns and frame[name].dtype.kind in NUMERIC


def _ask_cells(
    frame: "pd.DataFrame", names: Sequence[str], demand: Demand, expectation: str, arguments: Mapping[str, Any]
) -> Iterator[Question]:
    """Ask one thing of all cells of some columns, numbers and other values apart; see the module's docstring."""
    import pandas as pd

    numeric = [name for name in names if frame[name].dtype.kind in NUMERIC]
    for group in (numeric, [name for name in names if name not in set(numeric)]):
        if group:
            yield Question(
                table=pd.DataFrame({"cell": pd.concat([frame[name] for name in group], ignore_index=True)}),
                expectation=expectation,
                arguments={"column": "cell", "mostly": demand.mostly, **arguments},
                make_verdicts=wording.make_teller(frame, group, demand),
                severity=demand.severity,
            )
