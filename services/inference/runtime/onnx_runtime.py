"""ONNX models: run by ONNX Runtime in this process."""

import asyncio
import logging
import os
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from services.inference.manifest import Manifest
from services.inference.refusals import ModelFailed, reject
from services.inference.rows import Rows
from services.inference.runtime.devices import CUDA, Devices, Gpu
from services.inference.runtime.model_runtime import Feeds, Result, find_unwritable
from services.inference.tensors import cast_values, get_datatype
from slipway_interface.environment import GPU
from slipway_interface.logs import LOGGER

_TYPES = {
    "tensor(bool)": np.dtype("bool"),
    "tensor(int8)": np.dtype("int8"),
    "tensor(int16)": np.dtype("int16"),
    "tensor(int32)": np.dtype("int32"),
    "tensor(int64)": np.dtype("int64"),
    "tensor(uint8)": np.dtype("uint8"),
    "tensor(uint16)": np.dtype("uint16"),
    "tensor(uint32)": np.dtype("uint32"),
    "tensor(uint64)": np.dtype("uint64"),
    "tensor(float16)": np.dtype("float16"),
    "tensor(float)": np.dtype("float32"),
    "tensor(double)": np.dtype("float64"),
    "tensor(string)": np.dtype(object),
}
"""ONNX Runtime's names of types, and numpy's."""
_UNKNOWN_TYPE = np.dtype("V")
_NICENESS = 10
"""Niceness of background runs, so that the event loop goes first."""

log = logging.getLogger(LOGGER)


class OnnxRuntime:
    """One session, which computes in the calling thread; the engine chooses the thread."""

    def __init__(self, manifest: Manifest, path: Path, devices: Devices) -> None:
        """Remember which model to load, and on which devices."""
        self._manifest, self._path, self._devices = manifest, path, devices
        self._session: onnxruntime.InferenceSession | None = None
        self._kinds: dict[str, np.dtype[Any]] = {}
        self._names = dict(zip(manifest.outputs, manifest.output_names, strict=False))
        self._wanted = list(self._names)
        self._beside = ThreadPoolExecutor(1, "model", _lower_priority)

    @property
    def device(self) -> str:
        """`cuda` or `cpu`, once it is loaded."""
        return "cuda" if self._session is not None and CUDA in self._session.get_providers() else "cpu"

    @property
    def concurrency(self) -> int:
        """1, because ONNX Runtime itself uses all threads that it may."""
        return 1

    def scale_up(self) -> None:
        """Do nothing: a server has a worker for each core already."""

    async def start(self) -> None:
        """Load the model and check that its inputs and outputs are those of the manifest; raise ModelFailed."""
        self._load()

    async def stop(self) -> None:
        """End the background thread; the session ends with the process."""
        self._beside.shutdown(wait=False)

    async def run_in_background(self, requests: Sequence[Feeds]) -> list[Result]:
        """Compute in the background thread."""
        return await asyncio.get_running_loop().run_in_executor(self._beside, self.run, requests)

    def make_feeds(self, rows: Rows) -> Feeds:
        """Return rows as inputs of the session; arrays that have its type already are not copied."""
        names = self._manifest.inputs
        if self._manifest.single_matrix:
            whole = rows.matrix
            if whole is None:
                parts = [values.reshape(len(values), -1) for values in rows.columns.values()]
                whole = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)
            if whole.shape[1:] != self._manifest.inner_shape:
                whole = whole.reshape(len(whole), *self._manifest.inner_shape)
            return {names[0]: _convert_type(whole, self._kinds[names[0]], "input")}
        if rows.matrix is not None:
            parts = np.split(rows.matrix, rows.matrix.shape[1], axis=1)
        else:
            parts = [values.reshape(len(values), -1) for values in rows.columns.values()]
        kinds = self._kinds
        return {  # most columns have their type already: no error text is built for them
            name: part if part.dtype == kinds[name] else _convert_type(part, kinds[name], f"input {column.name!r}")
            for name, part, column in zip(names, parts, self._manifest.columns, strict=True)
        }

    def run(self, requests: Sequence[Feeds]) -> list[Result]:
        """Run requests in one pass. If that fails, run each alone, so that a bad row fails its own request only."""
        if len(requests) == 1:
            return [self._compute(requests[0])]
        counts = [_count_rows(feeds) for feeds in requests]
        merged = {name: np.concatenate([feeds[name] for feeds in requests]) for name in requests[0]}
        outputs = self._compute(merged)
        if isinstance(outputs, ModelFailed):
            return [self._compute(feeds) for feeds in requests]
        results: list[Result] = []
        start = 0
        for count in counts:
            results.append({name: values[start : start + count] for name, values in outputs.items()})
            start += count
        return results

    def _load(self) -> None:
        self._session = self._open_session()
        self._kinds = {entry.name: _TYPES.get(entry.type, _UNKNOWN_TYPE) for entry in self._session.get_inputs()}
        outputs = {entry.name for entry in self._session.get_outputs()}
        if set(self._kinds) != set(self._manifest.inputs) or not outputs.issuperset(self._manifest.outputs):
            message = (
                f"the model has inputs {sorted(self._kinds)} and outputs {sorted(outputs)}; "
                f"the manifest says {list(self._manifest.inputs)} and {list(self._manifest.outputs)}"
            )
            raise ModelFailed(message)

    def _open_session(self) -> onnxruntime.InferenceSession:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self._devices.cpus
        options.inter_op_num_threads = 1  # several revisions share a machine
        options.log_severity_level = 3
        if self._devices.workers > 1 and self._path.with_name(f"{self._path.name}.data").exists():
            # use the weights as they are in the mapped file, whose pages all workers share. Prepacked weights make
            # products of large matrices a third faster, but each worker would have its own copy
            options.add_session_config_entry("session.disable_prepacking", "1")
        try:
            session = onnxruntime.InferenceSession(self._path, options, providers=self._list_providers())
        except Exception as error:  # ONNX Runtime's errors have no common class but Exception
            message = f"the model {self._manifest.file!r} can't be loaded: {_get_first_line(error)}"
            raise ModelFailed(message) from error
        if self._devices.gpu is not Gpu.NONE:
            self._check_gpu(session)
        return session

    def _list_providers(self) -> list[str]:
        """Return the wanted providers that this build has: for a missing one ONNX Runtime would only warn."""
        wanted, there = self._devices.providers, onnxruntime.get_available_providers()
        if CUDA in wanted and CUDA in there:
            onnxruntime.preload_dlls()  # CUDA's libraries, if they were installed as Python packages
        return [name for name in wanted if name in there]

    def _check_gpu(self, session: onnxruntime.InferenceSession) -> None:
        """Log the device; raise ModelFailed if the GPU is required and can't be used."""
        found = CUDA in session.get_providers()
        if found:
            session.disable_fallback()  # or a failing GPU would be replaced by the CPU within a request
            log.info("device: the GPU")
        elif self._devices.gpu is Gpu.REQUIRE:
            missing = "ONNX Runtime can't use a GPU here"
            if CUDA not in onnxruntime.get_available_providers():
                missing = "this ONNX Runtime is built without CUDA"
            message = f"{GPU}=require: {missing}; expected {CUDA}: an image for GPUs, on a node with a driver"
            raise ModelFailed(message)
        else:
            log.warning("device: the CPU, as ONNX Runtime can't use a GPU here (%s=allow)", GPU)

    def _compute(self, feeds: Feeds) -> Result:
        if self._session is None:
            return ModelFailed("the model is not loaded")
        try:
            results = self._session.run(self._wanted, feeds)
        except Exception as error:  # noqa: BLE001 - ONNX Runtime's errors have no common class but Exception
            return ModelFailed(_get_first_line(error))
        outputs = {
            name: _drop_unit_axis(np.asarray(values))
            for name, values in zip(self._names.values(), results, strict=True)
        }
        return find_unwritable(outputs, _count_rows(feeds)) or outputs


def _lower_priority() -> None:
    """Lower this thread's priority: if it shares a core with the event loop, probes would wait for a run."""
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)


def _convert_type(values: NDArray[np.generic], dtype: np.dtype[Any], what: str) -> NDArray[np.generic]:
    """Return values in the model's own type; raise BadRequest for a number that does not fit into it."""
    if values.dtype == dtype:
        return values
    if values.dtype.kind in "iu" and dtype.kind in "iu":
        return cast_values(values, dtype, what)
    try:
        with np.errstate(over="raise"):
            return values.astype(dtype)
    except FloatingPointError:
        with np.errstate(over="ignore"):
            lost = np.isfinite(values) & ~np.isfinite(values.astype(dtype))
        return reject(
            what, str(values[lost][0]), f"values within the range of {get_datatype(dtype.name)}, the model's own"
        )


def _count_rows(feeds: Feeds) -> int:
    return len(next(iter(feeds.values())))


def _drop_unit_axis(values: NDArray[np.generic]) -> NDArray[np.generic]:
    """Turn shape (rows, 1) into (rows,): one prediction per row is one value, whichever converter made the model."""
    return values.reshape(-1) if values.ndim == 2 and values.shape[1] == 1 else values  # noqa: PLR2004 - a matrix


def _get_first_line(error: Exception) -> str:
    return str(error).strip().split("\n", 1)[0][:500] or type(error).__name__
