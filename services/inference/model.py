"""The served model and what belongs to it: its runtime, its queue, its counters and summaries."""

import logging
from dataclasses import dataclass, field
from math import inf

import numpy as np
from numpy.typing import NDArray

from services.inference.manifest import Manifest
from services.inference.refusals import ModelFailed
from services.inference.rescue import Rescuer
from services.inference.runtime.engine import Engine
from services.inference.runtime.model_runtime import ModelRuntime, make_warm_up_rows
from services.inference.telemetry.compared_answers import ComparedAnswers
from services.inference.telemetry.meter import Meter
from services.inference.telemetry.observer import RequestObserver
from services.inference.telemetry.prediction_summary import PredictionSummary
from services.inference.tensors import get_array_datatype
from slipway_interface.logs import LOGGER

log = logging.getLogger(LOGGER)


@dataclass(frozen=True, slots=True)
class TensorType:
    """The type and shape of an output."""

    datatype: str
    """The Open Inference Protocol's name of the type."""
    shape: tuple[int, ...]
    """-1 is the row axis."""

    @classmethod
    def of_array(cls, values: NDArray[np.generic]) -> "TensorType":
        """Return those of an array.

        >>> TensorType.of_array(np.zeros((1, 10), dtype=np.float32))
        TensorType(datatype='FP32', shape=(-1, 10))
        """
        return cls(get_array_datatype(values), (-1, *values.shape[1:]))


@dataclass(slots=True, kw_only=True)
class Model:
    """One model; `ready` after its first run, on a row of zeros."""

    manifest: Manifest
    runtime: ModelRuntime
    meter: Meter = field(default_factory=Meter)
    objective: float = inf
    """Seconds within which every response must be given; requests that can't be are refused."""
    compared_answers: ComparedAnswers = field(default_factory=ComparedAnswers)
    summary: PredictionSummary = field(init=False)
    engine: Engine = field(init=False)
    outputs: dict[str, TensorType] = field(default_factory=dict)
    """The outputs of the model's first run; empty if it failed."""
    ready: bool = False
    observer: RequestObserver = field(init=False)
    rescuer: Rescuer = field(init=False)

    def __post_init__(self) -> None:
        """Create the parts that depend on the manifest."""
        self.summary = PredictionSummary(self.manifest)
        self.observer = RequestObserver(self.manifest)
        self.rescuer = Rescuer(self.manifest.revision, self.meter)
        self.engine = Engine(
            self.runtime, batchable=self.manifest.batchable, meter=self.meter, objective=self.objective
        )

    @property
    def device(self) -> str | None:
        """The device it runs on; None before it is loaded."""
        return self.runtime.device if self.ready else None

    @property
    def draining(self) -> bool:
        """Whether the replica is ending: it answers requests, and asks clients to go elsewhere."""
        return self.engine.draining

    async def start(self) -> None:
        """Load the model and run it once. A failure on zeros is only logged, because live rows differ."""
        result = await self.engine.start(make_warm_up_rows(self.manifest))
        if isinstance(result, ModelFailed):
            log.warning("warm-up: the model failed on a row of zeros: %s", result)
        else:
            self.outputs = {name: TensorType.of_array(values) for name, values in result.items()}
        self.ready = True

    def drain(self) -> None:
        """Stop being ready; requests that still arrive are answered."""
        self.ready = False
        self.engine.draining = True

    async def stop(self) -> None:
        """Release the model after the requests in flight."""
        self.drain()
        await self.engine.stop()
        await self.rescuer.close()
