"""A cheap check of the rows file that a spec names: that it exists, and has the columns that the spec names."""

import csv
import fnmatch
from collections.abc import Iterator
from pathlib import Path

from slipway.domain.spec.release import DataSpec, ReleaseSpec
from slipway.specs.explaining import make_problem
from slipway.specs.files import check_spec, read_spec_document
from slipway.specs.problem import Key, Problem

KNOWN = (".csv", ".parquet")


def check_file(path: Path) -> tuple[ReleaseSpec | None, list[Problem]]:
    """Return a spec and what is wrong with its document and with the rows file it names. Raises NotFound."""
    spec, problems = check_spec(path)
    if spec is None:
        return None, problems
    reading = read_spec_document(path)
    found = [
        make_problem(key, reading, seen=seen, expected=expected) for key, seen, expected in _find_problems(spec.data)
    ]
    return (None if found else spec), [*problems, *found]


def _find_problems(data: DataSpec) -> Iterator[tuple[Key, str, str]]:
    if data.path.suffix.lower() not in KNOWN:
        yield ("data", "path"), f"suffix {data.path.suffix!r}", f"one of {', '.join(KNOWN)}"
    elif not data.path.is_file():
        yield ("data", "path"), "no such file", f"a file, relative to the spec's own folder ({data.path.parent})"
    elif data.path.suffix.lower() == ".csv":
        yield from _find_column_problems(data, _read_header(data.path))


def _find_column_problems(data: DataSpec, header: list[str]) -> Iterator[tuple[Key, str, str]]:
    columns = ", ".join(header[:8]) + (f" and {len(header) - 8} more" if len(header) > 8 else "")  # noqa: PLR2004
    expected = f"one of the file's columns: {columns}" if header else "a file with a header"
    if data.label not in header:
        yield ("data", "label"), f"no column {data.label!r}", expected
    for number, expectation in enumerate(data.expectations):
        if not fnmatch.filter(header, expectation.column):
            yield ("data", "expectations", number, "column"), f"no column {expectation.column!r}", expected


def _read_header(path: Path) -> list[str]:
    """Return a CSV file's column names; none for a file that can't be read (the data gate reports more)."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            return next(csv.reader(file), [])
    except (OSError, UnicodeDecodeError, csv.Error):
        return []
