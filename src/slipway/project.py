"""Where flows, tasks, services and prefect.yaml lie: beside `src` in a checkout, in the package in an installed wheel.

The wheel does not put `flows`, `tasks` and `services` beside `slipway`: a model may have packages of such names. They
lie in `slipway/deployed/`, and processes that need them run there, so that Prefect finds them by their module paths.
"""

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
INSTALLED = PACKAGE / "deployed"
"""What the wheel holds of a project; a checkout has no such folder."""
CHECKOUT = PACKAGE.parents[1]


def find_root() -> Path:
    """Return the folder that holds the flows, tasks and services of this Slipway."""
    return INSTALLED if INSTALLED.is_dir() else CHECKOUT


def find_project(folder: Path) -> Path:
    """Return the project to run in a folder: its own if it holds one, else that of this Slipway."""
    folder = folder.absolute()
    return folder if is_project(folder) else find_root()


def is_project(folder: Path) -> bool:
    """Return whether a folder holds what the embedded stack runs."""
    return (folder / "services" / "webhook").is_dir()
