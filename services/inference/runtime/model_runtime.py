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
"""Of one request: outputs by their name on the wire, or why there are none."""
Feeds = dict[str, NDArray[np.generic]]
"""What a run takes: arrays by the model's own input names, rows first."""


class ModelRuntime(Protocol):
    """A loaded model."""

    @property
    def device(self) -> str:
        """What it runs on, once it is loaded: `cpu`, `cuda`, or `unknown`."""
        ...

    @property
    def concurrency(self) -> int:
        """How many runs it can do at the same time now, one at least."""
        ...

    async def start(self) -> None:
        """Load the model; raise ModelFailed."""
        ...

    def scale_up(self) -> None:
        """Hear that requests wait: begin to make another lane, where there may be more of them."""
        ...

    def make_feeds(self, rows: Rows) -> Feeds:
        """Return rows as the model takes them."""
        ...

    async def run_in_background(self, requests: Sequence[Feeds]) -> list[Result]:
        """Run requests beside the event loop and return each one's result; one that fails fails alone."""
        ...

    async def stop(self) -> None:
        """Let go of the model."""
        ...


@runtime_checkable
class InlineRuntime(ModelRuntime, Protocol):
    """A model that can also be run in the calling thread."""

    def run(self, requests: Sequence[Feeds]) -> list[Result]:
        """Run requests in this thread and return each one's result; one that fails fails alone."""
        ...


def make_warm_up_rows(manifest: Manifest) -> Rows:
    """Return one row of zeros (empty texts): the first run of a model is its slowest, so nobody's request is it."""
    if manifest.matrix_kind is not None:
        return Rows(np.zeros((1, manifest.width), dtype=manifest.matrix_kind), {})
    columns: dict[str, NDArray[np.generic]] = {}
    for column in manifest.columns:
        shape = (1, *column.shape[1:])
        columns[column.name] = np.full(shape, "", object) if column.kind == "str" else np.zeros(shape, column.kind)
    return Rows(None, columns)


def find_unwritable(outputs: Outputs, rows: int) -> ModelFailed | None:
    """Say what no answer can carry: NaN and infinities (JSON has none), or lost rows."""
    for name, values in outputs.items():
        if values.shape[:1] != (rows,):
            return ModelFailed(f"output {name!r} has shape {list(values.shape)}, expected {rows} row(s)")
        if values.dtype.kind == "f" and not _is_finite(values):
            row = int(np.argmin(np.isfinite(values).reshape(rows, -1).all(axis=1)))
            return ModelFailed(f"output {name!r} is not a finite number in row {row}")
    return None


def _is_finite(values: NDArray[np.generic]) -> bool:
    """Tell whether there is no NaN and no infinity: the root of all squares is neither then."""
    if values.size <= FEW and isfinite(hypot(*values.ravel().tolist())):
        return True
    return bool(np.isfinite(values).all())
