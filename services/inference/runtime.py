"""What runs a model: ONNX Runtime in this process, or MLflow's pyfunc in a child process."""

import logging
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from services.inference.devices import Devices, Gpu
from services.inference.manifest import Manifest
from services.inference.requests import InferenceRequest

log = logging.getLogger("slipway.inference")


class ModelFailed(Exception):
    """The model raised, died, or gave what no answer can carry: the server's failure, not the client's."""


class Runtime(Protocol):
    """A loaded model."""

    @property
    def device(self) -> str:
        """What it runs on, once it is loaded: `cpu`, `cuda`, or `unknown`."""
        ...

    async def start(self) -> None:
        """Load the model; raise ModelFailed."""
        ...

    async def predict(self, request: InferenceRequest) -> dict[str, NDArray[np.generic]]:
        """Return `prediction`, shape (rows,) or (rows, outputs), and perhaps `probabilities`; raise ModelFailed.

        Never blocks the event loop.
        """
        ...

    async def stop(self) -> None:
        """Let go of the model, once what is in flight is done."""
        ...


def open_runtime(manifest: Manifest, folder: Path, devices: Devices | None = None) -> Runtime:
    """Return the manifest's runtime, not started yet; without `devices` it gets one CPU."""
    devices = devices or Devices()
    path = folder / manifest.file
    if manifest.runtime == "onnx":
        from services.inference.onnx_runtime import OnnxRuntime

        return OnnxRuntime(manifest, path, devices)
    from services.inference.pyfunc import PyfuncRuntime

    if devices.gpu is Gpu.REQUIRE:
        log.warning("SLIPWAY_GPU=require: what the model's own framework runs on can't be checked")
    return PyfuncRuntime(manifest, path)


def warm_up_request(manifest: Manifest) -> InferenceRequest:
    """Return one row of zeros (empty texts): the first run of a model is its slowest, so nobody's request is it."""
    if manifest.matrix_kind is not None:
        matrix = np.zeros((1, manifest.width), dtype=manifest.matrix_kind)
        return InferenceRequest(id=None, matrix=matrix, columns={}, outputs=())
    columns: dict[str, NDArray[np.generic]] = {}
    for column in manifest.columns:
        shape = (1, *column.shape[1:])
        columns[column.name] = np.full(shape, "", object) if column.kind == "str" else np.zeros(shape, column.kind)
    return InferenceRequest(id=None, matrix=None, columns=columns, outputs=())


def refuse_unwritable(outputs: dict[str, NDArray[np.generic]], rows: int) -> None:
    """Raise ModelFailed for outputs that no answer can carry: NaN and infinities (JSON has none), or lost rows."""
    for name, values in outputs.items():
        if values.shape[:1] != (rows,):
            message = f"output {name!r} has shape {list(values.shape)}, expected {rows} row(s)"
            raise ModelFailed(message)
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            row = int(np.argmin(np.isfinite(values).reshape(rows, -1).all(axis=1)))
            message = f"output {name!r} is not a finite number in row {row}"
            raise ModelFailed(message)
