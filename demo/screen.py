"""Output of the view: one live picture in a terminal, lines elsewhere."""

from types import TracebackType
from typing import Protocol, Self

from rich.console import Console, RenderableType
from rich.live import Live

from demo import view
from demo.stages import GATES, StageSeen
from demo.watch import Seen

FRAMES_PER_SECOND = 4
ABOVE_THE_LOG = 24
"""Most screen lines that everything except the log needs, in a terminal of 100 columns."""


class Screen(Protocol):
    """Shows what the watch saw."""

    def show(self, seen: Seen) -> None:
        """Show it, from any thread."""
        ...

    def __enter__(self) -> Self:
        """Begin to show."""
        ...

    def __exit__(self, kind: type[BaseException] | None, no: BaseException | None, at: TracebackType | None) -> None:
        """Show the last picture and end."""
        ...


def screen_for(console: Console) -> Screen:
    """Return the live picture for a terminal, lines for anything else (a file, a pipe, CI)."""
    return LiveScreen(console) if console.is_terminal else LineScreen(console)


class LiveScreen:
    """One picture that changes in place."""

    def __init__(self, console: Console) -> None:
        """Prepare the picture; nothing is drawn yet."""
        self._console = console
        self._seen: Seen | None = None
        self._live = Live(
            console=console,
            get_renderable=self._picture,
            refresh_per_second=FRAMES_PER_SECOND,
            vertical_overflow="crop",
        )

    def show(self, seen: Seen) -> None:
        """Draw this from the next frame on."""
        self._seen = seen

    def __enter__(self) -> Self:
        """Begin to draw."""
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Draw once more and keep the picture."""
        self._live.stop()

    def _picture(self) -> RenderableType:
        if self._seen is None:
            return ""
        return view.screen(self._seen, max(3, min(view.NOTES, self._console.height - ABOVE_THE_LOG)))


class LineScreen:
    """A line for everything new."""

    def __init__(self, console: Console) -> None:
        """Store the output for lines."""
        self._console = console
        self._seen = Seen()

    def show(self, seen: Seen) -> None:
        """Write what is new since the last time."""
        before, self._seen = self._seen, seen
        for line in news(before, seen):
            self._console.print(f"{seen.elapsed:7.1f} s  {line}", highlight=False, markup=False, soft_wrap=True)

    def __enter__(self) -> Self:
        """Begin; there is nothing to prepare."""
        return self

    def __exit__(self, *_: object) -> None:
        """End; there is nothing to release."""


def news(before: Seen, after: Seen) -> list[str]:
    """Return in lines what is in `after` and was not in `before`."""
    addresses = [f"{name}: {place}" for name, place in after.addresses.items() if name not in before.addresses]
    parts = [f"{name}: {state}" for name, state in after.parts.items() if before.parts.get(name) != state]
    ended = {(stage.name, stage.seconds) for stage in _ended(before)}
    stages = [
        f"version {after.releasing}: {stage.name} {stage.state.lower()} after {stage.seconds:.1f} s"
        for stage in _ended(after)
        if stage.name in GATES and (stage.name, stage.seconds) not in ended
    ]
    return addresses + parts + stages + [note.text for note in after.notes[len(before.notes) :]]


def _ended(seen: Seen) -> list[StageSeen]:
    return [stage for stage in (seen.run.stages if seen.run else ()) if stage.ended]
