"""Output of commands: tables and lines for people, JSON for scripts, errors as one block on standard error."""

import dataclasses
import json
import sys
import textwrap
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

import typer

from slipway.errors import SlipwayError

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
"""The option of every command that prints a result."""

Row = Sequence[str]


def print_line(text: str) -> None:
    """Print a line for people; control characters are shown, not sent."""
    sys.stdout.write(escape_control_characters(text) + "\n")
    sys.stdout.flush()


def print_json(value: object) -> None:
    """Print a value as JSON; dataclasses become objects, infinities and paths text."""
    sys.stdout.write(json.dumps(_make_jsonable(value), indent=2, ensure_ascii=False) + "\n")


def print_table(header: Row, rows: Sequence[Row]) -> None:
    """Print a table: with rules and colour on a terminal, aligned columns elsewhere."""
    if sys.stdout.isatty():
        _print_rich_table(header, rows)
        return
    lines = [[escape_control_characters(cell) for cell in row] for row in (header, *rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        sys.stdout.write("  ".join(cells).rstrip() + "\n")


def format_time(unix_seconds: float | None, otherwise: str = "") -> str:
    """Return a moment in local time; `otherwise` for None."""
    if unix_seconds is None:
        return otherwise
    return datetime.fromtimestamp(unix_seconds).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def format_error_block(error: SlipwayError) -> str:
    """Return an error as text: four labelled parts."""
    lines = [f"error: {escape_control_characters(error.what)}"]
    for label, text in (("seen", error.seen), ("expected", error.expected), ("next", error.do)):
        first, *rest = escape_control_characters(text).rstrip().split("\n")
        lines.append(f"  {label + ':':<10}{first}")
        lines.extend(textwrap.indent(line, "  ") for line in rest)
    return "\n".join(lines) + "\n"


def format_error_json(error: SlipwayError, code: int) -> str:
    """Return an error as one JSON object."""
    parts = {"what": error.what, "seen": error.seen.rstrip(), "expected": error.expected, "next": error.do}
    return json.dumps({"error": type(error).__name__, **parts, "exit_code": code}, ensure_ascii=False) + "\n"


def escape_control_characters(text: str) -> str:
    r"""Return text with control characters escaped.

    >>> escape_control_characters("a\x1b[31mb")
    'a\\x1b[31mb'
    """
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)


def make_change_printer(show: Callable[[str], None] = print_line) -> Callable[[str], None]:
    """Return a function that shows a line only when it differs from the last one."""
    last: list[str] = []

    def show_if_changed(line: str) -> None:
        if [line] != last:
            last[:] = [line]
            show(line)

    return show_if_changed


def _print_rich_table(header: Row, rows: Sequence[Row]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    view = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name in header:
        view.add_column(name, overflow="fold")
    for row in rows:
        view.add_row(*(Text(escape_control_characters(cell), style=_STYLES.get(cell, "")) for cell in row))
    Console().print(view)


_STYLES = {
    **dict.fromkeys(("ok", "up", "promoted", "succeeded"), "green"),
    **dict.fromkeys(("problem", "failed", "rolled-back", "stopped"), "red"),
    **dict.fromkeys(("warning", "starting", "held", "superseded"), "yellow"),
}


def _make_jsonable(value: object) -> Any:  # noqa: ANN401 - any JSON value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _make_jsonable(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _make_jsonable(one) for key, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_make_jsonable(one) for one in value]
    if value is None or isinstance(value, bool | int | str):
        return value
    return value if isinstance(value, float) and abs(value) < float("inf") else str(value)
