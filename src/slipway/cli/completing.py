"""Shell completion of a model's name: the models that have release specs. Reads only `model:` lines."""

import os
import re
from pathlib import Path
from typing import Annotated

import typer

_MODEL = re.compile(r"^model:\s*[\"']?([a-z0-9-]+)", re.MULTILINE)


def complete_model(incomplete: str) -> list[str]:
    """Return the models whose names begin with this; nothing after any error: completion must never print."""
    folder = Path(os.environ.get("SLIPWAY_MODELS", "deployments/models"))
    found = set()
    for path in [*folder.glob("*.yaml"), *folder.glob("*.yml")]:
        try:
            match = _MODEL.search(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError):
            continue
        found.add(match.group(1) if match else path.stem)
    return sorted(name for name in found if name.startswith(incomplete))


Model = Annotated[
    str, typer.Argument(metavar="MODEL", help="The model's name in the registry.", autocompletion=complete_model)
]
"""A model that must be named."""
AnyModel = Annotated[
    str | None, typer.Argument(metavar="MODEL", help="One model; all of them without.", autocompletion=complete_model)
]
"""A model that may be named."""
