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
    """The Open Inference Protocol's name of it."""
    shape: tuple[int, ...]
    """-1 is the row axis."""

    @classmethod
    def of(cls, values: NDArray[np.generic]) -> "TensorType":
        """Return those of an array.

        >>> TensorType.of(np.zeros((1, 10), dtype=np.float32))
        TensorType(datatype='FP32', shape=(-1, 10))
        """
        return cls(get_array_datatype(values), (-1, *values.shape[1:]))


@dataclass(slots=True, kw_only=True)
class Model:
    """One model; `ready` only after it answered a first request of our own."""

    manifest: Manifest
    runtime: ModelRuntime
    meter: Meter = field(default_factory=Meter)
    objective: float = inf
    """Seconds within which every answer has to be given; what can't be is refused."""
    compared_answers: ComparedAnswers = field(default_factory=ComparedAnswers)
    summary: PredictionSummary = field(init=False)
    engine: Engine = field(init=False)
    outputs: dict[str, TensorType] = field(default_factory=dict)
    """What the model gives, as its first answer showed; empty where it gave none."""
    ready: bool = False
    observer: RequestObserver = field(init=False)
    rescuer: Rescuer = field(init=False)

    def __post_init__(self) -> None:
        """Begin the summary that the manifest asks for."""
        self.summary = PredictionSummary(self.manifest)
        self.observer = RequestObserver(self.manifest)
        self.rescuer = Rescuer(self.manifest.revision, self.meter)
        self.engine = Engine(
            self.runtime, batchable=self.manifest.batchable, meter=self.meter, objective=self.objective
        )

    @property
    def device(self) -> str | None:
        """What it runs on; None before it is loaded."""
        return self.runtime.device if self.ready else None

    @property
    def draining(self) -> bool:
        """It answers what it has, and asks its clients to go elsewhere."""
        return self.engine.draining

    async def start(self) -> None:
        """Load the model and run it. A model that fails on zeros is loaded all the same: live rows differ."""
        result = await self.engine.start(make_warm_up_rows(self.manifest))
        if isinstance(result, ModelFailed):
            log.warning("warm-up: the model failed on a row of zeros: %s", result)
        else:
            self.outputs = {name: TensorType.of(values) for name, values in result.items()}
        self.ready = True

    def drain(self) -> None:
        """Be ready no more; what comes all the same is still answered."""
        self.ready = False
        self.engine.draining = True

    async def stop(self) -> None:
        """Let go of the model once what is in flight is done."""
        self.drain()
        await self.engine.stop()
        await self.rescuer.close()
