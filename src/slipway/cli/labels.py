"""`slipway labels`: record which answers were wrong, once the truth is known."""

import csv
import io
import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, TextIO

import typer

from slipway.cli import output
from slipway.cli.completing import Model
from slipway.domain.judge.labels import COLUMNS, Label, label_of
from slipway.errors import DataBroken, NotFound

JSON_LINES = (".jsonl", ".ndjson")
STANDARD_INPUT = "-"
PROBLEMS_SHOWN = 10

Rows = Iterator[tuple[int, object]]
"""Line number, and the line's content: a mapping, or the line itself if it is none."""


def labels(
    model: Model,
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="A .csv, .jsonl or .ndjson file; - for JSON lines on standard input.")
    ],
    *,
    as_json: output.AsJson = False,
) -> None:
    """Record which answers were wrong, once the truth is known.

    A row has three values. request_id and revision are what the answer's headers x-request-id and x-slipway-revision
    said; keep both with each answer that you will check. wrong is 0, 1, true or false.

    A CSV file begins with the header request_id,revision,wrong; a JSON line is an object with these keys. A request's
    first label counts, later ones change nothing: giving a file twice is safe. With one row that can't be used nothing
    is recorded.
    """
    known = list(_read_labels(model, file))
    from slipway import wiring

    done = wiring.get_label_store().record(model, known)
    if as_json:
        output.print_json({"model": model, "added": done.added, "duplicates": done.duplicates})
    else:
        output.print_line(
            f"{done.added} label{'' if done.added == 1 else 's'} recorded, {done.duplicates} known before"
        )


def _read_labels(model: str, file: str) -> Iterator[Label]:
    """Yield the labels of a file; raise DataBroken at its end if any row can't be used."""
    problems, rows = [], 0
    with _open_file(file) as lines:
        for line, row in _read_rows(file, lines):
            rows += 1
            try:
                yield label_of(row, model)
            except ValueError as error:
                problems.append(f"line {line}: {error}")
    if problems:
        more = [f"and {len(problems) - PROBLEMS_SHOWN} more"] if len(problems) > PROBLEMS_SHOWN else []
        shown = "\n".join([f"{len(problems)} of {rows} rows can't be used", *problems[:PROBLEMS_SHOWN], *more])
        raise _make_broken_error(file, shown)


@contextmanager
def _open_file(file: str) -> Iterator[TextIO]:
    """Yield the text of a file, or of standard input."""
    try:
        # a byte order mark, as spreadsheets write it, is no part of the header
        if file == STANDARD_INPUT:
            yield io.TextIOWrapper(sys.stdin.buffer, encoding="utf-8-sig", newline="")
        else:
            with Path(file).open(encoding="utf-8-sig", newline="") as lines:
                yield lines
    except UnicodeDecodeError as error:
        raise _make_broken_error(file, f"it is not UTF-8 text ({error.reason})") from error
    except OSError as error:
        raise NotFound(
            f"labels {file}",
            seen=error.strerror or type(error).__name__,
            expected="a file that can be read",
            do="check the path; - reads JSON lines from standard input",
        ) from error


def _read_rows(file: str, lines: TextIO) -> Rows:
    suffix = Path(file).suffix.lower()
    if suffix == ".csv":
        return _read_csv_rows(file, lines)
    if file == STANDARD_INPUT or suffix in JSON_LINES:
        return _read_json_rows(lines)
    message = f"{file}: the suffix names the format: .csv, {' or '.join(JSON_LINES)}"
    raise typer.BadParameter(message, param_hint="FILE")


def _read_json_rows(lines: Iterable[str]) -> Rows:
    for number, text in enumerate(lines, 1):
        line = text.strip()
        if not line:
            continue
        try:
            yield number, json.loads(line)
        except (ValueError, RecursionError):
            yield number, line


def _read_csv_rows(file: str, lines: Iterable[str]) -> Rows:
    table = csv.reader(lines, strict=True)
    try:
        header = [name.strip() for name in next(table, [])]
        if sorted(header) != sorted(COLUMNS):
            raise _make_broken_error(file, f"its header is {','.join(header)!r}")
        for cells in table:
            if cells:
                yield table.line_num, dict(zip([*header, *_name_surplus_columns(cells)], cells, strict=False))
    except csv.Error as error:
        raise _make_broken_error(file, f"line {table.line_num}: {error}") from error


def _name_surplus_columns(cells: list[str]) -> list[str]:
    return [f"column {number}" for number in range(len(COLUMNS) + 1, len(cells) + 1)]


def _make_broken_error(file: str, seen: str) -> DataBroken:
    return DataBroken(
        f"labels {'on standard input' if file == STANDARD_INPUT else file}",
        seen=seen,
        expected=f"rows of {', '.join(COLUMNS)}",
        do="correct it and run the command again: nothing was recorded",
    )
