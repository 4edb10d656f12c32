"""The child process that builds one Bento: `python -m slipway.adapters.bento.build`, its input as JSON on stdin.

A process of its own, because BentoML keeps its store and its imports in global state, and imports the service
from the build's own folder, where another `services` may be loaded already.
"""

import json
import re
import shutil
import sys
from pathlib import Path
from typing import TypedDict

EPOCH = "1970-01-01T00:00:00+00:00"
"""Creation time of every Bento: two of the same inputs are the same files, and the same image."""
SERVICE = "services.inference.service:Inference"


class Order(TypedDict):
    """What to build."""

    context: str
    """Folder with `services/`, `slipway_interface/` and `model/`."""
    out: str
    """Existing folder that the Bento is written into."""
    name: str
    version: str
    labels: dict[str, str]
    requirements: list[str]


def build_bento(order: Order) -> None:
    """Build the Bento into BENTOML_HOME, which the caller deletes, and copy it to its place."""
    import bentoml

    bento = bentoml.build(
        SERVICE,
        name=order["name"],
        version=order["version"],
        labels=order["labels"],
        include=["services/**", "slipway_interface/**", "model/**"],
        # pinned already: locking would query a package index, and give a different package on another day
        python={"packages": order["requirements"], "lock_packages": False},
        build_ctx=order["context"],
    )
    shutil.copytree(bento.path, order["out"], dirs_exist_ok=True)
    description = Path(order["out"], "bento.yaml")
    text = description.read_text(encoding="utf-8")
    # only the first one: a user's label may follow
    description.write_text(
        re.sub(r"(?m)^creation_time: .*$", f"creation_time: '{EPOCH}'", text, count=1), encoding="utf-8"
    )


if __name__ == "__main__":
    build_bento(json.loads(sys.stdin.read()))
