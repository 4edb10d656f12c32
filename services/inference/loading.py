"""Opens the package's model and its runtime."""

import logging
import os
from pathlib import Path

from services.inference.manifest import Manifest, read_manifest
from services.inference.model import Model
from services.inference.package import MODEL_FOLDER
from services.inference.rescue import Rescuer
from services.inference.runtime.admission import read_objective_seconds
from services.inference.runtime.devices import Devices, Gpu, read_devices
from services.inference.runtime.model_runtime import ModelRuntime
from services.inference.telemetry.meter import Meter
from services.inference.telemetry.observer import RequestObserver
from services.inference.termination import report_termination
from slipway_interface.environment import GPU
from slipway_interface.logs import LOGGER

log = logging.getLogger(LOGGER)


def open_model() -> Model:
    """Return this package's model with the runtime and observer that environment variables ask for, not loaded yet."""
    with report_termination():
        manifest = read_manifest(MODEL_FOLDER)
        watch = RequestObserver.of_environment(manifest, os.environ)
        runtime = open_runtime(manifest, MODEL_FOLDER, read_devices(os.environ))
        objective = read_objective_seconds(os.environ)
    model = Model(manifest=manifest, runtime=runtime, meter=Meter.of_process(), objective=objective)
    model.observer = watch
    model.rescuer = Rescuer.of_environment(manifest.revision, model.meter, os.environ)
    return model


def open_runtime(manifest: Manifest, folder: Path, devices: Devices | None = None) -> ModelRuntime:
    """Return the manifest's runtime, not started yet; `devices` default to one CPU."""
    devices = devices or Devices()
    path = folder / manifest.file
    if manifest.runtime == "onnx":
        from services.inference.runtime.onnx_runtime import (
            OnnxRuntime,  # a process needs one of the two, and imports only that
        )

        return OnnxRuntime(manifest, path, devices)
    from services.inference.runtime.pyfunc import PyfuncRuntime

    if devices.gpu is Gpu.REQUIRE:
        log.warning("%s=require: what the model's own framework runs on can't be checked", GPU)
    return PyfuncRuntime(manifest, path, devices.most_processes)
