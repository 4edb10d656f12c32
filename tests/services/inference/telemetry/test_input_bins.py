"""Rows per bin, beside a plain loop over values."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.inference.manifest import InputColumn
from services.inference.rows import Rows
from services.inference.telemetry.input_bins import InputBins
from slipway.domain.judge.statistics.drift import profile_of
from slipway_interface.manifest import ColumnBins

QUARTERS = st.integers(-40, 40).map(lambda number: number / 4)
"""Exact in every kind of float."""
WORDS = st.sampled_from(["red", "green", "blue", ""])
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "float64": st.floats(),
    "float32": QUARTERS | st.just(np.nan),
    "float16": QUARTERS,
    "int64": st.integers(-(2**63), 2**63 - 1) | st.integers(-10, 10),
    "uint8": st.integers(0, 255),
    "bool": st.booleans(),
    "str": WORDS | st.none() | st.just(float("nan")),
}
EDGES = {"float64": st.floats(allow_nan=False, allow_infinity=False)}


def place(value: Any, profile: ColumnBins) -> int:  # noqa: ANN401 - a number, a truth value, a text or nothing
    """Return the bin of one value, by the definition."""
    if profile.categories is not None:
        last = len(profile.categories) + 1
        if not isinstance(value, str | bool):
            return last
        return profile.categories.index(str(value)) if str(value) in profile.categories else last - 1
    if value != value:  # noqa: PLR0124 - NaN alone is not itself
        return len(profile.edges) + 1
    return int(np.searchsorted(np.array(profile.edges, dtype=np.float64), float(value), side="right"))


def counted(values: Sequence[Any], profile: ColumnBins) -> list[int]:
    """Count bins with a plain loop."""
    categories = profile.categories
    counts = [0] * ((len(profile.edges) if categories is None else len(categories)) + 2)
    for value in values:
        counts[place(value, profile)] += 1
    return counts


def by_column(columns: Sequence[InputColumn], rows: Sequence[Sequence[Any]]) -> Rows:
    """Return a request with one tensor per column."""
    arrays: dict[str, Any] = {}
    for number, column in enumerate(columns):
        kind = object if column.kind == "str" else column.kind
        arrays[column.name] = np.array([row[number] for row in rows], dtype=kind)
    return Rows(None, arrays)


def as_matrix(rows: Any, kind: str) -> Rows:  # noqa: ANN401 - whatever makes an array
    """Return a request with one matrix."""
    return Rows(np.array(rows, dtype=kind), {})


@st.composite
def profiles(draw: st.DrawFn, name: str, kind: str) -> ColumnBins:
    """Return a profile that fits a kind of column."""
    if kind == "str":
        return ColumnBins(name=name, categories=tuple(draw(st.lists(WORDS, max_size=3, unique=True))))
    if kind == "bool" and draw(st.booleans()):
        return ColumnBins(name=name, categories=tuple(draw(st.lists(st.sampled_from(["True", "False"]), unique=True))))
    edges = draw(st.lists(EDGES.get(kind, QUARTERS), max_size=9, unique=True))
    return ColumnBins(name=name, edges=tuple(sorted(edges)))


@st.composite
def tables(draw: st.DrawFn, kinds: Sequence[str], *, one_kind: bool) -> tuple[Any, ...]:
    """Return columns, a profile of some of them in any order, and batches of rows."""
    width = draw(st.integers(1, 4))
    chosen = [draw(st.sampled_from(kinds))] * width if one_kind else draw(st.lists(st.sampled_from(kinds), min_size=1))
    columns = tuple(InputColumn(name=f"c{number}", kind=kind) for number, kind in enumerate(chosen))
    profiled = draw(st.permutations(columns).flatmap(lambda some: st.integers(0, len(some)).map(lambda n: some[:n])))
    row = st.tuples(*(VALUES[column.kind] for column in columns))
    batches = draw(st.lists(st.lists(row, min_size=1, max_size=5), max_size=5))
    return columns, tuple(draw(profiles(column.name, column.kind)) for column in profiled), batches


def expected(columns: Sequence[InputColumn], profile: Sequence[ColumnBins], batches: Any) -> dict[str, list[int]]:  # noqa: ANN401
    """Count all rows with the plain loop."""
    names = [column.name for column in columns]
    rows = [row for batch in batches for row in batch]
    return {one.name: counted([row[names.index(one.name)] for row in rows], one) for one in profile}


@given(tables([*VALUES], one_kind=False))
def test_requests_by_column_are_counted_as_a_plain_loop_does(table: Any) -> None:  # noqa: ANN401 - see tables
    """Every kind of column, any split of the rows into requests."""
    columns, profile, batches = table
    bins = InputBins(columns, None, profile)

    for batch in batches:
        bins.count(by_column(columns, batch))

    assert bins.read_counts() == expected(columns, profile, batches)


@given(tables([kind for kind in VALUES if kind != "str"], one_kind=True))
def test_matrices_are_counted_as_a_plain_loop_does(table: Any) -> None:  # noqa: ANN401 - see tables
    """Columns of one kind, in the manifest's order."""
    columns, profile, batches = table
    bins = InputBins(columns, columns[0].kind, profile)

    for batch in batches:
        bins.count(as_matrix(batch, columns[0].kind))

    assert bins.read_counts() == expected(columns, profile, batches)


def test_many_rows_are_counted_in_parts() -> None:
    """More rows than are compared at once."""
    values = np.random.default_rng(7).normal(size=60_000)
    edges = tuple(float(edge) for edge in np.linspace(-2, 2, 9))
    bins = InputBins((InputColumn(name="x", kind="float64"),), "float64", (ColumnBins(name="x", edges=edges),))

    bins.count(as_matrix(values.reshape(-1, 1), "float64"))

    found = np.bincount(np.searchsorted(edges, values, side="right"), minlength=10)
    assert bins.read_counts() == {"x": [*found.tolist(), 0]}


@pytest.mark.parametrize("kind", ["float16", "float32", "float64"])
def test_a_value_that_is_an_edge_reaches_it_in_every_kind_of_float(kind: str) -> None:
    """Edges are values of the validation rows, 0.7 as float32 is less than 0.7: rows would seem to drift."""
    edges = tuple(number / 10 for number in range(1, 10))
    columns, profile = (InputColumn(name="x", kind=kind),), (ColumnBins(name="x", edges=edges),)
    whole, apart = (InputBins(columns, kind, profile) for _ in range(2))

    whole.count(as_matrix([[edge] for edge in edges], kind))
    apart.count(by_column(columns, [[edge] for edge in edges]))

    assert whole.read_counts() == apart.read_counts() == {"x": [0, *[1] * 9, 0]}


def test_edges_that_a_narrow_float_can_not_tell_apart_still_hold_their_value() -> None:
    """A constant column may be profiled as [value, the next float64): its value stays in the bin between."""
    profile = (ColumnBins(name="x", edges=(0.7, float(np.nextafter(0.7, 1)))),)
    bins = InputBins((InputColumn(name="x", kind="float32"),), "float32", profile)

    bins.count(as_matrix([[0.6], [0.7], [0.8]], "float32"))

    assert bins.read_counts() == {"x": [1, 1, 1, 0]}


def test_a_column_behind_a_wide_one_is_found_in_a_matrix() -> None:
    """A column of four values a row is not profiled, the one behind it is."""
    columns = (InputColumn(name="wide", kind="float64", shape=(-1, 2, 2)), InputColumn(name="x", kind="float64"))
    bins = InputBins(columns, "float64", (ColumnBins(name="x", edges=(5.0,)),))

    bins.count(as_matrix([[9, 9, 9, 9, 1], [0, 0, 0, 0, 7]], "float64"))

    assert bins.read_counts() == {"x": [1, 1, 0]}


def test_without_a_profile_nothing_is_counted() -> None:
    """A package may come without one."""
    bins = InputBins((InputColumn(name="x", kind="float64"),), "float64", ())

    bins.count(as_matrix([[1.0]], "float64"))

    assert bins.read_counts() == {}


@given(st.lists(st.floats(-1e6, 1e6) | st.just(np.nan), min_size=1))
def test_the_validation_rows_themselves_spread_as_their_profile_says(values: list[float]) -> None:
    """The judge's own profile of some rows, and the same rows asked live: no bin differs, so nothing drifts."""
    said = profile_of("x", np.array(values))
    bins = InputBins((InputColumn(name="x", kind="float64"),), "float64", (ColumnBins(name="x", edges=said.edges),))

    bins.count(as_matrix([[value] for value in values], "float64"))

    assert bins.read_counts()["x"] == list(said.counts)


@given(st.lists(st.integers(-100, 100), min_size=1), st.data(), st.sampled_from(["float16", "float32"]))
def test_narrow_floats_spread_as_the_numbers_they_were_made_of(
    tenths: list[int], data: st.DataObject, kind: str
) -> None:
    """Where edges are values of the rows; tenths have no exact float at all."""
    values = [number / 10 for number in tenths]
    edges = tuple(sorted(set(data.draw(st.lists(st.sampled_from(values), max_size=9)))))
    profile = ColumnBins(name="x", edges=edges)
    bins = InputBins((InputColumn(name="x", kind=kind),), kind, (profile,))

    bins.count(as_matrix([[value] for value in values], kind))

    assert bins.read_counts()["x"] == counted(values, profile)
