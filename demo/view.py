"""The view in the terminal: pure functions from the observed state to objects that rich can print."""

import math
from collections.abc import Iterable

from rich import box
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from demo.stages import GATES, StageSeen
from demo.tally import Counts
from demo.watch import Line, Note, Seen
from slipway.domain.release.version import ReleaseState, revision_name
from slipway.domain.rollout.status import Phase, RolloutStatus

BAR_CELLS = 20
NOTES = 9
"""Lines of the log that are shown."""
SHORT = {"check contract": "contract", "validate data": "data", "validate model": "quality"}
"""Short names of gates whose names would not fit."""
COLOURS = {
    ReleaseState.PROMOTED: "green",
    ReleaseState.ROLLED_BACK: "red",
    ReleaseState.STOPPED: "yellow",
    ReleaseState.SUPERSEDED: "magenta",
}
SERVING_COLOUR, CANARY_COLOUR, FAINT = "green", "cyan", "bright_black"
MILLION = 1e6


def screen(seen: Seen, notes: int = NOTES) -> RenderableType:
    """Return the whole view; `notes` lines of the log fit below it."""
    parts: list[RenderableType] = [header(seen)]
    if seen.lines:
        parts.append(versions(seen))
    if seen.releasing is not None:
        parts.append(release(seen))
    if seen.counts.sent:
        parts.append(requests(seen.counts))
    return Group(*parts, log(seen.notes, notes))


def header(seen: Seen) -> RenderableType:
    """Return the addresses, and the state of the stack while it starts."""
    places = Table.grid(padding=(0, 2))
    for name, address in seen.addresses.items():
        places.add_row(Text(name, style=FAINT), Text(address, style=f"link {address} underline"))
    rows: list[RenderableType] = [places]
    if seen.parts and not seen.lines:
        marks = [_mark(name, up="up" in state.split()) for name, state in seen.parts.items()]
        rows.append(Text.assemble("\n", *_joined(marks, "   ")))
    title = Text.assemble((" Slipway ", "bold white on blue"), (f" {clock(seen.elapsed)} ", "bold"))
    return Panel(Group(*rows), title=title, title_align="left", border_style="blue", padding=(0, 1))


def versions(seen: Seen) -> RenderableType:
    """Return the table of versions: each with its description, its release's state, and its share of live requests."""
    table = Table(box=box.SIMPLE_HEAD, expand=True, pad_edge=False, header_style=FAINT)
    table.add_column("version", justify="right", width=7)
    table.add_column("model", ratio=2, no_wrap=True)
    table.add_column("holdout", justify="right", width=8)
    table.add_column("release", ratio=1, no_wrap=True)
    table.add_column("live requests", width=BAR_CELLS + 7, no_wrap=True)
    for line in seen.lines:
        weight = seen.weights.get(revision_name("digits", line.version))
        table.add_row(
            str(line.version),
            line.title,
            f"{line.accuracy:.1%}",
            _state(line, seen),
            _share(weight, canary=seen.releasing == line.version),
        )
    return table


def release(seen: Seen) -> RenderableType:
    """Return the release under way: its gates, its position in the rollout, the evidence, and the reason."""
    status = seen.status if seen.status and seen.status.version == seen.releasing else None
    rows: list[RenderableType] = [gates(seen.run.stages if seen.run else ())]
    if status is not None and status.canary is not None:
        rows.append(path(status, seen.steps, shadow=seen.shadow))
        if status.stable is not None:
            rows.append(evidence(status, *seen.evidence_needed))
    if status is not None and status.reason:
        rows.append(Text(status.reason, style="italic"))
    title = Text(f" release of version {seen.releasing} ", style="bold")
    return Panel(Group(*rows), title=title, title_align="left", border_style=CANARY_COLOUR, padding=(0, 1))


def gates(stages: Iterable[StageSeen]) -> Text:
    """Return every gate with a mark: waiting, running, passed (with its duration), or failed."""
    by_name = {stage.name: stage for stage in stages}
    return Text.assemble(("gates    ", FAINT), *_joined([_gate(name, by_name.get(name)) for name in GATES], "  "))


def path(status: RolloutStatus, steps: tuple[int, ...], *, shadow: bool) -> Text:
    """Return the stops of the rollout, with the current one marked."""
    first_release = status.stable is None
    stops = ["start"] if first_release else ["start", *(["shadow"] if shadow else []), *(f"{step} %" for step in steps)]
    stops.append("100 %")
    here = _place(status, stops, shadow=shadow and not first_release)
    back = status.phase in {Phase.ROLLING_BACK, Phase.ROLLED_BACK}
    marked = [_stop(name, number - here, back=back) for number, name in enumerate(stops)]
    way = Text.assemble(("traffic  ", FAINT), *_joined(marked, " → "))
    if back:
        way.append("   ↩ taken back", style="bold red")
    return way


def evidence(status: RolloutStatus, against_needed: float, for_needed: float) -> RenderableType:
    """Return the judge's two evidence bars, on a logarithmic scale up to the value that decides."""
    table = Table.grid(padding=(0, 2))
    rows = (
        ("against", status.evidence_against, against_needed, "red"),
        ("for", status.evidence_for, for_needed, "green"),
    )
    canary, stable = status.evidence.canary, status.evidence.stable
    errors = {
        "against": f"errors: canary {canary.errors:,} of {canary.requests:,}",
        "for": f"        stable {stable.errors:,} of {stable.requests:,}",
    }
    for name, value, needed, colour in rows:
        scale = bar(math.log(max(value, 1.0)) / math.log(needed), colour)
        said = f"{short(value)} of {short(needed)}"
        table.add_row(Text(f"{name:<7}", style=FAINT), scale, Text(said), Text(errors[name], style=FAINT))
    return table


def requests(counts: Counts) -> RenderableType:
    """Return the results of the client's requests."""
    cells = [
        ("sent", f"{counts.sent:,}", "bold"),
        ("right", f"{counts.answered:,}", "green"),
        *((f"failed by {version}", f"{number:,}", "red") for version, number in counts.failed.items()),
        *((f"answered for {version}", f"{number:,}", "yellow") for version, number in counts.rescued.items()),
        ("wrong", f"{counts.wrong:,}", "bold red" if counts.wrong else FAINT),
        ("lost", f"{counts.lost:,}", "bold red" if counts.lost else "bold green"),
    ]
    if counts.p50_milliseconds is not None and counts.p99_milliseconds is not None:
        cells.append(("p50 / p99", f"{counts.p50_milliseconds:.0f} / {counts.p99_milliseconds:.0f} ms", ""))
    said = [Text.assemble((f"{name} ", FAINT), (value, style)) for name, value, style in cells]
    return Panel(Text.assemble(*_joined(said, "   ")), title=" requests ", title_align="left", border_style=FAINT)


def log(notes: tuple[Note, ...], limit: int) -> RenderableType:
    """Return the last lines of the log, one screen line each."""
    table = Table.grid(padding=(0, 1), expand=True)
    table.add_column(width=6, justify="right", style=FAINT)
    table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
    for note in notes[-limit:] if limit > 0 else ():
        table.add_row(clock(note.seconds), Text(note.text, style=note.style))
    return table


def bar(share: float, colour: str, cells: int = BAR_CELLS) -> Text:
    """Return a bar filled by a share between 0 and 1.

    >>> bar(0.5, "red", 4).plain
    '━━━━'
    """
    full = round(min(max(share, 0.0), 1.0) * cells)
    return Text.assemble(("━" * full, colour), ("━" * (cells - full), FAINT))


def clock(seconds: float) -> str:
    """Return a time as minutes and seconds.

    >>> clock(83.4)
    '1:23'
    """
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def short(value: float) -> str:
    """Return an e-value as text.

    >>> short(3.14159), short(12345.6), short(1e9)
    ('3.1', '12,346', 'over a million')
    """
    if value > MILLION:
        return "over a million"
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.1f}"  # noqa: PLR2004 - three digits


def _mark(name: str, *, up: bool) -> Text:
    return Text.assemble(("✓ ", "green") if up else ("… ", "yellow"), name)


def _joined(texts: list[Text], between: str) -> list[Text]:
    separated = [item for text in texts for item in (Text(between, style=FAINT), text)]
    return separated[1:]


def _state(line: Line, seen: Seen) -> Text:
    if line.state is ReleaseState.PROMOTED:
        serves = seen.weights.get(revision_name("digits", line.version), 0) > 0
        return Text("serves" if serves else "replaced", style="green" if serves else FAINT)
    if line.state is not None:
        return Text(line.state.value, style=COLOURS.get(line.state, ""))
    status = seen.status
    if seen.releasing != line.version:
        return Text("waits", style=FAINT)
    if status is None or status.version != line.version:
        return Text("webhook …", style=CANARY_COLOUR)
    return Text("gates" if status.phase is Phase.PENDING else status.phase.value, style=CANARY_COLOUR)


def _share(weight: int | None, *, canary: bool) -> Text:
    if weight is None:
        return Text("")
    filled = bar(weight / 100, CANARY_COLOUR if canary else SERVING_COLOUR)
    return Text.assemble(filled, f" {weight:>3} %")


def _gate(name: str, stage: StageSeen | None) -> Text:
    name = SHORT.get(name, name)
    if stage is None:
        return Text(f"· {name}", style=FAINT)
    if stage.state == "COMPLETED":
        return Text.assemble(("✓ ", "green"), name, (f" {stage.seconds:.1f}", FAINT))
    if stage.state in {"FAILED", "CRASHED"}:
        return Text(f"✗ {name}", style="red")
    return Text(f"▸ {name}", style="bold yellow")


def _place(status: RolloutStatus, stops: list[str], *, shadow: bool) -> int:
    """Return the stop of a rollout; after a rollback, the last one in its timeline."""
    phase = status.phase
    if phase in {Phase.ROLLING_BACK, Phase.ROLLED_BACK, Phase.HELD}:
        phase = next(
            (at.phase for at in reversed(status.timeline) if at.phase in {Phase.SHIFTING, Phase.SHADOW}), Phase.STARTING
        )
    match phase:
        case Phase.PENDING | Phase.STARTING:
            return 0
        case Phase.SHADOW:
            return 1
        case Phase.SHIFTING:
            return 1 + shadow + status.step
        case Phase.SUCCEEDED | Phase.BAKING:
            return len(stops)
        case _:
            return len(stops) - 1


def _stop(name: str, distance: int, *, back: bool) -> Text:
    if distance < 0:
        return Text(f"✓ {name}", style="green")
    if distance == 0:
        return Text(f"✗ {name}" if back else f"▸ {name}", style="bold red" if back else f"bold {CANARY_COLOUR}")
    return Text(f"· {name}", style=FAINT)
