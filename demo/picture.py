"""The last screen of the story as an SVG, for the README."""

import io
import re
from pathlib import Path

from rich.console import Console

from demo import epilogue, view
from demo.ending import Ending
from demo.watch import Seen

COLUMNS = 112
NOTES = 6
"""Lines of the log that are shown."""


def write(seen: Seen, ending: Ending, path: Path) -> None:
    """Write the final screen, with the results of the requests below it."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print(view.screen(seen, NOTES))
    console.print(epilogue.served(ending))
    console.print(epilogue.requests(ending))
    console.print(epilogue.verdict(ending))
    picture = console.export_svg(title="make demo")
    # rich links to fonts on an external server: the reader's own monospaced font is enough
    path.write_text(re.sub(r"@font-face\s*{.*?}", "", picture, flags=re.DOTALL), encoding="utf-8")
