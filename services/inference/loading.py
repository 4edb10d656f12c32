"""Opens what runs the model that a package describes."""

import logging
from pathlib import Path

from services.inference.devices import Devices, Gpu
from services.inference.manifest import Manifest
from services.inference.runtime import Runtime

log = logging.getLogger("slipway.inference")


def open_runtime(manifest: Manifest, folder: Path, devices: Devices | None = None) -> Runtime:
    """Return the manifest's runtime, not started yet; without `devices` it gets one CPU."""
    devices = devices or Devices()
    path = folder / manifest.file
    if manifest.runtime == "onnx":
        from services.inference.onnx_runtime import OnnxRuntime  # a process has one of the two, and imports no other

        return OnnxRuntime(manifest, path, devices)
    from services.inference.pyfunc import PyfuncRuntime

    if devices.gpu is Gpu.REQUIRE:
        log.warning("SLIPWAY_GPU=require: what the model's own framework runs on can't be checked")
    return PyfuncRuntime(manifest, path)
