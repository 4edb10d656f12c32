"""`slipway history` and `slipway report`: what was in production when, and why it changed."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from slipway.cli import output
from slipway.cli.completing import Model

if TYPE_CHECKING:
    from slipway.domain.release.record import HistoryEntry


def history(model: Model, *, as_json: output.AsJson = False) -> None:
    """Show what was in production when, and why it changed."""
    from slipway import wiring

    entries = wiring.get_ledger().read_history(model)
    if as_json:
        output.print_json(entries)
    elif not entries:
        output.print_line(f"no release of {model} yet; `slipway release {model}` starts one")
    else:
        output.print_table(
            ("version", "what happened", "served from", "until", "why"), [_make_row(entry) for entry in entries]
        )


def report(
    model: Model,
    version: Annotated[
        int | None, typer.Argument(metavar="[VERSION]", min=1, help="Which version; the latest release without.")
    ] = None,
    *,
    open_it: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
    as_json: output.AsJson = False,
) -> None:
    """Print the path of a release's report.

    A page that is missing is written again from the record.
    """
    entry = _find_entry(model, version)
    path = _find_page(entry)
    if as_json:
        output.print_json({"release_id": entry.release_id, "path": path})
    else:
        output.print_line(str(path))
    if open_it:
        import webbrowser

        webbrowser.open(path.as_uri())


def _find_entry(model: str, version: int | None) -> "HistoryEntry":
    """Return the latest release of a version, or of all."""
    from slipway import wiring
    from slipway.errors import NotFound

    entries = wiring.get_ledger().read_history(model)
    matching = [entry for entry in entries if version in {None, entry.version}]
    if not matching:
        released = sorted({entry.version for entry in entries})
        raise NotFound(
            f"report of {model}" + (f" version {version}" if version else ""),
            seen="no release of it",
            expected=f"one of versions {', '.join(map(str, released))}" if released else "a release",
            do=f"`slipway release {model}` starts one",
        )
    return matching[-1]


def _find_page(entry: "HistoryEntry") -> Path:
    from slipway import wiring
    from slipway.settings import settings

    path = settings().reports / entry.model / f"{entry.release_id}.html"
    return (
        path if path.is_file() else wiring.get_reporter().write_page(wiring.get_ledger().read(entry.release_id), path)
    )


def _make_row(entry: "HistoryEntry") -> tuple[str, ...]:
    until = output.format_time(entry.served_until, "now") if entry.served_from is not None else ""
    return (str(entry.version), entry.state.value, output.format_time(entry.served_from, "never"), until, entry.reason)
