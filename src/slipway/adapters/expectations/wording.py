"""Verdicts and sentences about columns and their values."""

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from slipway.domain.release.version import Column
from slipway.domain.spec.release import Severity
from slipway.domain.verdict import Outcome, Verdict

if TYPE_CHECKING:
    import pandas as pd

KINDS = {"f": "numbers", "i": "whole numbers", "u": "whole numbers", "b": "truth values", "M": "dates"}
"""What a column holds, in words, by the kind of its numpy type; every other kind is text."""
NULLS = "nulls only"
EXAMPLES = 3
"""How many offending values a sentence shows."""
NAMES = 8
"""How many names a sentence lists before it counts the rest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """What the cells of some columns must be, in words."""

    check: str
    broken: str
    """Said of offending values: `outside 0 to 16`."""
    kept: str
    """Said of columns where all is well: `within 0 to 16`."""
    severity: Severity = Severity.CRITICAL
    mostly: float = 1.0
    """Share of a column's values that must be well."""


def make_verdict(
    check: str, reason: str, *, passed: bool, severity: Severity = Severity.CRITICAL, **numbers: float
) -> Verdict:
    """Return a verdict that blocks where it is critical."""
    outcome = Outcome.PASS if passed else Outcome.FAIL
    blocking = severity is Severity.CRITICAL
    return Verdict(check=check, outcome=outcome, reason=reason, numbers=numbers, blocking=blocking)


def make_teller(
    frame: "pd.DataFrame", names: Sequence[str], demand: Demand
) -> Callable[[Mapping[str, Any]], list[Verdict]]:
    """Return a function that words a check's result on the cells of these columns, concatenated by column."""

    def make_verdicts(result: Mapping[str, Any]) -> list[Verdict]:
        broken: dict[str, list[int]] = defaultdict(list)
        for position in result.get("unexpected_index_list") or []:
            broken[names[position // len(frame)]].append(position % len(frame))
        failed = (
            []
            if result["success"]
            else [_make_broken_verdict(frame, name, broken[name], demand) for name in names if broken[name]]
        )
        well = [name for name in names if not broken[name]]
        kept = (
            [make_verdict(demand.check, f"{name_columns(well)} {demand.kept}", passed=True, severity=demand.severity)]
            if well
            else []
        )
        borne = [
            _make_tolerated_verdict(name, len(broken[name]), len(frame), demand)
            for name in names
            if broken[name] and result["success"]
        ]
        return [*failed, *borne, *kept]

    return make_verdicts


def _make_broken_verdict(frame: "pd.DataFrame", name: str, at: Sequence[int], demand: Demand) -> Verdict:
    if demand.check == "nulls":
        shown = f", the first in row {at[0] + 1}"
    else:
        values = ", ".join(f"{frame[name].iloc[row]} in row {row + 1}" for row in at[:EXAMPLES])
        shown = f": {values}" if len(at) <= EXAMPLES else f", e.g. {values}"
    allowed = f" ({format_share(1 - demand.mostly)} may be)" if demand.mostly < 1 else ""
    reason = f"column {name}: {len(at)} of {len(frame)} values {demand.broken}{allowed}{shown}"
    return make_verdict(demand.check, reason, passed=False, severity=demand.severity, broken=len(at), rows=len(frame))


def _make_tolerated_verdict(name: str, broken: int, rows: int, demand: Demand) -> Verdict:
    reason = f"column {name}: {broken} of {rows} values {demand.broken}, {format_share(1 - demand.mostly)} may be"
    return make_verdict(demand.check, reason, passed=True, severity=demand.severity, broken=broken, rows=rows)


def describe_wanted(kind: str) -> str:
    """Return in words what an input of a numpy type needs.

    >>> describe_wanted("float32"), describe_wanted("int64"), describe_wanted("str"), describe_wanted("datetime64[ns]")
    ('numbers', 'whole numbers', 'text', 'dates')
    """
    return KINDS.get(np.dtype(kind).kind, "text")


def describe_values(column: "pd.Series[Any]", want: str) -> str:
    """Return in words what a column holds; whole numbers of a floating point type are whole numbers.

    A CSV file's dates are text: where dates are wanted, text that reads as dates holds dates.
    """
    import pandas as pd

    values = column.dropna()
    if values.empty:
        return NULLS
    kind = values.dtype.kind
    if kind == "f":
        return "whole numbers" if bool((values == values.round()).all()) else "numbers"
    if kind in KINDS:
        return KINDS[kind]
    if {type(value) for value in values} == {bool}:  # with nulls beside them
        return "truth values"
    if want == "dates" and pd.to_datetime(values, errors="coerce", format="ISO8601").notna().all():
        return "dates"
    return "text"


def describe_misfit(values: "pd.Series[Any]", column: Column, holds: str) -> str:
    """Describe why values do not fit an input, with the first that does not if there is one."""
    import pandas as pd

    want = describe_wanted(column.kind)
    said = f"column {column.name} holds {holds}; the model's {column.kind} input needs {want}"
    if want == "text" and holds in {"numbers", "whole numbers"}:
        return f"{said}: write the file as Parquet, where text that looks like numbers stays text"
    if want not in {"numbers", "whole numbers"} or values.dtype.kind in "bM":
        return said
    numbers = pd.to_numeric(values, errors="coerce")
    wrong = values.notna() & (numbers.isna() if want == "numbers" else (numbers != numbers.round()))
    row = int(wrong.to_numpy().argmax())
    return f"{said}, not {values.iloc[row]!s:.40} (row {row + 1})" if wrong.any() else said


def describe_range(low: float, high: float) -> tuple[str, str]:
    """Return what is said of values out of a range, and of columns within it.

    >>> describe_range(0, 16)
    ('outside 0 to 16', 'within 0 to 16')
    >>> describe_range(0, math.inf)
    ('under 0', 'at least 0')
    """
    if low == -math.inf:
        return f"over {high:g}", f"at most {high:g}"
    if high == math.inf:
        return f"under {low:g}", f"at least {low:g}"
    return f"outside {low:g} to {high:g}", f"within {low:g} to {high:g}"


def format_share(part: float) -> str:
    """Say a share.

    >>> format_share(0.05)
    '5 %'
    """
    return f"{part * 100:.3g} %"


def format_count(names: Sequence[str]) -> str:
    """Describe how many columns.

    >>> format_count(["a"]), format_count(["a", "b"])
    ('1 column', '2 columns')
    """
    return f"{len(names)} column{'s' * (len(names) != 1)}"


def name_columns(names: Sequence[str]) -> str:
    """Name one column, count several.

    >>> name_columns(["age"]), name_columns(["a", "b"])
    ('column age', '2 columns')
    """
    return f"column {names[0]}" if len(names) == 1 else format_count(names)


def list_names(names: Sequence[str]) -> str:
    """List names, the first few of many.

    >>> list_names(["a", "b"])
    "'a', 'b'"
    """
    rest = f" and {len(names) - NAMES} more" if len(names) > NAMES else ""
    return ", ".join(map(repr, names[:NAMES])) + rest
