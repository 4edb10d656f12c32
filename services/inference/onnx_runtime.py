"""ONNX models: run by ONNX Runtime on one thread beside the event loop."""

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from services.inference.devices import CUDA, Devices, Gpu
from services.inference.manifest import Manifest
from services.inference.requests import OUTPUTS, InferenceRequest
from services.inference.runtime import ModelFailed, refuse_unwritable

_TYPES = {
    "tensor(bool)": "bool",
    "tensor(int8)": "int8",
    "tensor(int16)": "int16",
    "tensor(int32)": "int32",
    "tensor(int64)": "int64",
    "tensor(uint8)": "uint8",
    "tensor(uint16)": "uint16",
    "tensor(uint32)": "uint32",
    "tensor(uint64)": "uint64",
    "tensor(float16)": "float16",
    "tensor(float)": "float32",
    "tensor(double)": "float64",
    "tensor(string)": "object",
}
"""ONNX Runtime's names of types, and numpy's."""

log = logging.getLogger("slipway.inference")


class OnnxRuntime:
    """One session, one thread: requests wait for one another there, and the event loop answers probes meanwhile."""

    def __init__(self, manifest: Manifest, path: Path, devices: Devices) -> None:
        """Remember what to load, and on what."""
        self._manifest, self._path, self._devices = manifest, path, devices
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="onnx")
        self._session: onnxruntime.InferenceSession | None = None
        self._kinds: dict[str, str] = {}
        self._names = dict(zip(manifest.outputs, OUTPUTS, strict=False))

    async def start(self) -> None:
        """Load the model and check that its inputs and outputs are those of the manifest; raise ModelFailed."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._load)

    @property
    def device(self) -> str:
        """`cuda` or `cpu`, once it is loaded."""
        return "cuda" if self._session is not None and CUDA in self._session.get_providers() else "cpu"

    async def predict(self, request: InferenceRequest) -> dict[str, NDArray[np.generic]]:
        """Run the rows through the session; raise ModelFailed."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._run, request)

    async def stop(self) -> None:
        """Wait for the run in flight, then end the thread."""
        await asyncio.to_thread(self._thread.shutdown)

    def _load(self) -> None:
        self._session = self._opened()
        self._kinds = {entry.name: _TYPES.get(entry.type, entry.type) for entry in self._session.get_inputs()}
        outputs = {entry.name for entry in self._session.get_outputs()}
        if set(self._kinds) != set(self._manifest.inputs) or not outputs.issuperset(self._manifest.outputs):
            message = (
                f"the model has inputs {sorted(self._kinds)} and outputs {sorted(outputs)}; "
                f"the manifest says {list(self._manifest.inputs)} and {list(self._manifest.outputs)}"
            )
            raise ModelFailed(message)

    def _opened(self) -> onnxruntime.InferenceSession:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self._devices.cpus
        options.inter_op_num_threads = 1  # several revisions share a machine
        options.log_severity_level = 3
        try:
            session = onnxruntime.InferenceSession(self._path, options, providers=self._providers())
        except Exception as error:  # ONNX Runtime's errors have no common class but Exception
            message = f"the model {self._manifest.file!r} can't be loaded: {_first_line(error)}"
            raise ModelFailed(message) from error
        if self._devices.gpu is not Gpu.NONE:
            self._check_gpu(session)
        return session

    def _providers(self) -> list[str]:
        """Return what there is of what may be tried: one that the build lacks is only warned about, by ONNX Runtime."""
        wanted, there = self._devices.providers, onnxruntime.get_available_providers()
        if CUDA in wanted and CUDA in there:
            onnxruntime.preload_dlls()  # CUDA's libraries, where they were installed as Python packages
        return [name for name in wanted if name in there]

    def _check_gpu(self, session: onnxruntime.InferenceSession) -> None:
        """Say which device it is; end it all where the GPU was required and can't be used."""
        found = CUDA in session.get_providers()
        if found:
            session.disable_fallback()  # or a failing GPU would be left for the CPU in the middle of a request
            log.info("device: the GPU")
        elif self._devices.gpu is Gpu.REQUIRE:
            missing = "ONNX Runtime can't use a GPU here"
            if CUDA not in onnxruntime.get_available_providers():
                missing = "this ONNX Runtime is built without CUDA"
            message = f"SLIPWAY_GPU=require: {missing}; expected {CUDA}: an image for GPUs, on a node with a driver"
            raise ModelFailed(message)
        else:
            log.warning("device: the CPU, as ONNX Runtime can't use a GPU here (SLIPWAY_GPU=allow)")

    def _run(self, request: InferenceRequest) -> dict[str, NDArray[np.generic]]:
        if self._session is None:
            message = "the model is not loaded"
            raise ModelFailed(message)
        try:
            feeds, rows = self._feeds(request)
            results = self._session.run(list(self._names), feeds)
        except Exception as error:  # ONNX Runtime's errors have no common class but Exception
            raise ModelFailed(_first_line(error)) from error
        outputs = {name: _flat(np.asarray(values)) for name, values in zip(self._names.values(), results, strict=True)}
        refuse_unwritable(outputs, rows)
        return outputs

    def _feeds(self, request: InferenceRequest) -> tuple[dict[str, NDArray[np.generic]], int]:
        names = self._manifest.inputs
        if self._manifest.single_matrix:
            whole = request.matrix
            if whole is None:
                parts = [values.reshape(len(values), -1) for values in request.columns.values()]
                whole = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)
            whole = whole.reshape(len(whole), *self._inner_shape())
            return {names[0]: whole.astype(self._kinds[names[0]], copy=False)}, len(whole)
        if request.matrix is not None:
            parts = np.split(request.matrix, request.matrix.shape[1], axis=1)
        else:
            parts = [values.reshape(len(values), -1) for values in request.columns.values()]
        feeds = {name: part.astype(self._kinds[name], copy=False) for name, part in zip(names, parts, strict=True)}
        return feeds, len(parts[0])

    def _inner_shape(self) -> tuple[int, ...]:
        """Return the matrix's shape without the rows: the signature's own where it is one tensor."""
        columns = self._manifest.columns
        return columns[0].shape[1:] if len(columns) == 1 and len(columns[0].shape) > 1 else (self._manifest.width,)


def _flat(values: NDArray[np.generic]) -> NDArray[np.generic]:
    """Turn (rows, 1) into (rows,): one prediction a row is one value, whatever the converter made of it."""
    return values.reshape(-1) if values.ndim == 2 and values.shape[1] == 1 else values  # noqa: PLR2004 - a matrix


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", 1)[0][:500] or type(error).__name__
