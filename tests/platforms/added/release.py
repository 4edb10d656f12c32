"""Release two versions through the use cases, on whatever target the settings name; print what became of them."""

import json
import sys
import time
from pathlib import Path

import httpx
import yaml

from slipway import wiring
from slipway.domain.release.lifecycle import new_status
from slipway.domain.release.version import ModelVersion
from slipway.settings import settings
from slipway.stack import make_environment
from slipway.usecases.active_release import find_release_spec
from slipway.usecases.roll_out import roll_out_revision
from tests.adapters.local.place import Place
from tests.usecases.conftest import QUICK


def main() -> None:
    """Release a version that serves and one that does not start."""
    here = settings()
    place = Place(here.target_home)  # writes packages; its own target is not used
    document = {"model": "two", "data": {"path": "rows.csv", "label": "y"}, "rollout": QUICK}
    (here.models / "two.yaml").write_text(yaml.safe_dump(document))
    Path(here.models / "rows.csv").write_text("x,y\n1,0\n")
    spec, phases = find_release_spec("two"), []
    for version, behaviour in ((1, {}), (2, {"exit": 3})):
        named = ModelVersion(model="two", version=version, source="")
        fresh = new_status(named, f"two-v{version}-a1", time.time(), None)
        phases.append(roll_out_revision(spec, place.revision("two", version, **behaviour), fresh).phase.value)
    answer = httpx.post(f"{here.front_door}/two/x", content=b"row", trust_env=False)
    said = {"phases": phases, "answers": answer.headers["x-slipway-revision"]}
    said |= {
        "there": list(wiring.get_revisions().observe("two")),
        "label": make_environment(here)["SLIPWAY_SHELF_LABEL"],
    }
    sys.stdout.write(json.dumps(said | {"images": wiring.get_image_store(), "scaler": wiring.get_scaler()}))


wiring.get_platform().revisions().start_all()
try:
    main()
finally:
    wiring.get_platform().revisions().supervisor.stop()
