"""The text at the end: what served when and why, the results of the requests, where to read more."""

from rich import box
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from demo import view
from demo.ending import Ending, Released
from slipway.domain.release.record import HistoryEntry
from slipway.settings import Settings


def tell(console: Console, ending: Ending) -> None:
    """Print the end of the story."""
    console.print()
    console.print(Text("What served when, and why", style="bold"))
    console.print(served(ending))
    console.print(Text("From registration to decision, in seconds", style="bold"))
    console.print(times(ending.releases))
    console.print(requests(ending))
    console.print(Text("Reports", style="bold"))
    for one in ending.releases:
        console.print(f"  {one.report}", highlight=False, soft_wrap=True)
    console.print()
    console.print(verdict(ending))


def served(ending: Ending) -> RenderableType:
    """Return the outcome of every version; times are minutes and seconds since the beginning."""
    table = Table(box=box.SIMPLE_HEAD, header_style=view.FAINT)
    table.add_column("version", justify="right")
    table.add_column("became", no_wrap=True)
    table.add_column("served", no_wrap=True)
    table.add_column("why", overflow="fold")
    for entry in ending.history:
        state = Text(entry.state.value, style=view.COLOURS.get(entry.state, ""))
        table.add_row(str(entry.version), state, _reign(entry, ending.began_at), entry.reason)
    return table


def times(releases: tuple[Released, ...]) -> RenderableType:
    """Return the lead times, a column per release."""
    table = Table(box=box.SIMPLE_HEAD, header_style=view.FAINT)
    table.add_column("stage", no_wrap=True)
    for one in releases:
        table.add_column(f"version {one.record.version}", justify="right")
    for stage in dict.fromkeys(name for one in releases for name in one.lead_time.stages):
        table.add_row(stage, *(_seconds(one.lead_time.stages.get(stage)) for one in releases), style=view.FAINT)
    table.add_section()
    table.add_row("lead time", *(_seconds(one.lead_time.total) for one in releases))
    table.add_row("waiting for evidence", *(_seconds(one.lead_time.evidence) for one in releases))
    table.add_row("all else", *(_seconds(one.lead_time.overhead) for one in releases), style="bold")
    return table


def requests(ending: Ending) -> Text:
    """Return the results of the client's requests, in one sentence."""
    counts = ending.counts
    failed = [f"{number:,} failures of version {version} seen" for version, number in counts.failed.items()]
    rescued = [
        f"version {version} failed {number:,}, which another version answered"
        for version, number in counts.rescued.items()
    ]
    lost = (f"lost {counts.lost:,}", "bold red" if counts.lost else "bold green")
    said = f"sent {counts.sent:,}, answered right {counts.answered:,}, wrong {counts.wrong:,}"
    return Text.assemble(
        ("Requests  ", "bold"), f"{said}; {'; '.join([*failed, *rescued]) or 'none failed'}; ", lost, "\n"
    )


def verdict(ending: Ending) -> Text:
    """Return whether the story went as expected."""
    took = f"{ending.seconds:.0f} s, of which the stack took {ending.stack_seconds:.0f} s to come up"
    if not ending.problems:
        return Text(f"The run went as expected, in {took}.", style="bold green")
    listed = "".join(f"\n  - {problem}" for problem in ending.problems)
    return Text(f"The run differed from the expected one ({took}):{listed}", style="bold red")


def kept(console: Console, here: Settings) -> None:
    """Describe where everything is if the stack stays up, and how to stop it."""
    console.print(f"\nMLflow      {here.mlflow}", highlight=False)
    console.print(f"Prefect     {here.prefect.removesuffix('/api')}", highlight=False)
    console.print(f"front door  {here.front_door}/digits/v2/models/digits/infer", highlight=False)
    console.print(f"\nEnd it with: SLIPWAY_HOME={here.home} .venv/bin/slipway down", highlight=False, soft_wrap=True)


def _reign(entry: HistoryEntry, began_at: float) -> str:
    if entry.served_from is None:
        return "never"
    since = view.clock(entry.served_from - began_at)
    return f"{since} to {view.clock(entry.served_until - began_at)}" if entry.served_until else f"since {since}"


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"
