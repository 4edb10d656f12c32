"""The BentoML service: BentoML starts it, measures it and stops it; the protocol is in `app`."""

import contextlib
import gc
import os
from collections.abc import Iterator
from pathlib import Path

import bentoml

from services.inference.app import Serving, make_app
from services.inference.devices import read_devices
from services.inference.manifest import read_manifest
from services.inference.runtime import open_runtime

MODEL = Path(__file__).parents[2] / "model"
"""The package's model, beside the folder `services`."""
TERMINATION_LOG = "/dev/termination-log"
"""Where Kubernetes reads why a container ended; SLIPWAY_TERMINATION_LOG names another file."""


class _Loaded:
    """The process's one model, once BentoML has made the service."""

    serving: Serving


def _serving() -> Serving:
    return _Loaded.serving


@contextlib.contextmanager
def _telling() -> Iterator[None]:
    """Leave the reason where it is looked for: the log of a process that ends so closes with its supervisor's lines."""
    try:
        yield
    except Exception as error:
        path = Path(os.environ.get("SLIPWAY_TERMINATION_LOG", TERMINATION_LOG))
        with contextlib.suppress(OSError):
            if path.is_file():
                path.write_text(f"{error}\n", encoding="utf-8")
        raise


@bentoml.asgi_app(make_app(_serving, lambda: _Loaded.serving.manifest.revision), path="/")
@bentoml.service(
    name="inference",
    workers=1,
    traffic={"timeout": 30},
    metrics={"enabled": True, "namespace": "bentoml_service"},
    logging={"access": {"enabled": False}},
)
class Inference:
    """Serves the package's model."""

    def __init__(self) -> None:
        """Read what the package holds; a package that is wrong ends the process with the reason."""
        with _telling():
            manifest = read_manifest(MODEL)
            runtime = open_runtime(manifest, MODEL, read_devices(os.environ))
            _Loaded.serving = Serving(manifest=manifest, runtime=runtime)

    @bentoml.on_startup  # type: ignore[untyped-decorator]  # BentoML has no types for us
    async def load(self) -> None:
        """Load and warm up; then tell the garbage collector to leave what was loaded alone (it pauses p99)."""
        with _telling():
            await _Loaded.serving.start()
        gc.collect()
        gc.freeze()

    @bentoml.on_shutdown  # type: ignore[untyped-decorator]  # BentoML has no types for us
    async def unload(self) -> None:
        """Let go of the model after the last request."""
        await _Loaded.serving.stop()

    def __is_ready__(self) -> bool:
        """Say so to BentoML's own /readyz."""
        return _Loaded.serving.ready
