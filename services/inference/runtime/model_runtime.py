"""What runs a model: ONNX Runtime in this process, or MLflow's pyfunc in a child process."""

from collections.abc import Sequence
from math import hypot, isfinite
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from services.inference.manifest import Manifest
from services.inference.refusals import ModelFailed
from services.inference.request import Outputs
from services.inference.rows import Rows
from services.inference.tensors import FEW

Result = Outputs | ModelFailed
"""Of one request: outputs by their names in responses, or why there are none."""
Feeds = dict[str, NDArray[np.generic]]
"""Inputs of a run: arrays by the model's own input names, rows first."""


class ModelRuntime(Protocol):
    """A loaded model."""

    @property
    def device(self) -> str:
        """The device after loading: `cpu`, `cuda`, or `unknown`."""
        ...

    @property
    def concurrency(self) -> int:
        """How many runs it can do at the same time now; at least 1."""
        ...

    async def start(self) -> None:
        """Load the model; raise ModelFailed."""
        ...

    def scale_up(self) -> None:
        """Begin to raise the concurrency, if that is possible: requests wait."""
        ...

    def make_feeds(self, rows: Rows) -> Feeds:
        """Return rows as inputs of the model."""
        ...

    async def run_in_background(self, requests: Sequence[Feeds]) -> list[Result]:
        """Run requests off the event loop and return each one's result; a failure affects its own request only."""
        ...

    async def stop(self) -> None:
        """Release the model."""
        ...


@runtime_checkable
class InlineRuntime(ModelRuntime, Protocol):
    """A model that can also be run in the calling thread."""

    def run(self, requests: Sequence[Feeds]) -> list[Result]:
        """Run requests in this thread and return each one's result; a failure affects its own request only."""
        ...


def make_warm_up_rows(manifest: Manifest) -> Rows:
    """Return one row of zeros (empty texts) for the first run, which is the slowest."""
    if manifest.matrix_kind is not None:
        return Rows(np.zeros((1, manifest.width), dtype=manifest.matrix_kind), {})
    columns: dict[str, NDArray[np.generic]] = {}
    for column in manifest.columns:
        shape = (1, *column.shape[1:])
        columns[column.name] = np.full(shape, "", object) if column.kind == "str" else np.zeros(shape, column.kind)
    return Rows(None, columns)


def find_unwritable(outputs: Outputs, rows: int) -> ModelFailed | None:
    """Return why outputs can't be sent: NaN and infinities (JSON has none), or missing rows; None: they can."""
    for name, values in outputs.items():
        if values.shape[:1] != (rows,):
            return ModelFailed(f"output {name!r} has shape {list(values.shape)}, expected {rows} row(s)")
        if values.dtype.kind == "f" and not _is_finite(values):
            row = int(np.argmin(np.isfinite(values).reshape(rows, -1).all(axis=1)))
            return ModelFailed(f"output {name!r} is not a finite number in row {row}")
    return None


def _is_finite(values: NDArray[np.generic]) -> bool:
    """Return whether all values are finite: if the root of the sum of squares is, they all are."""
    if values.size <= FEW and isfinite(hypot(*values.ravel().tolist())):
        return True
    return bool(np.isfinite(values).all())
