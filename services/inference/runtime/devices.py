"""What a replica may run its model on, as environment variables say: only the cluster knows."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from math import isfinite

from slipway_interface.environment import CPUS, GPU, MODEL_PROCESSES

WORKERS_NOW = "SLIPWAY_WORKERS_NOW"
"""Set by the supervisor for its workers: how many of them there are."""
CUDA = "CUDAExecutionProvider"
CPU = "CPUExecutionProvider"


class DevicesError(Exception):
    """An environment variable has a value that is not allowed."""


class Gpu(StrEnum):
    """Values of SLIPWAY_GPU."""

    NONE = ""
    """Unset: the CPU, even if there is a GPU."""
    ALLOW = "allow"
    """The GPU if it can be used, else the CPU; the log says which."""
    REQUIRE = "require"
    """The GPU, or the process ends: responses slower than planned would be an outage without an error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Devices:
    """What a model may run on."""

    gpu: Gpu = Gpu.NONE
    cpus: int = 1
    """Threads of one inference; 1 if several revisions share a machine."""
    workers: int = 1
    """Processes of this server, each with the model."""
    processes: int | None = None
    """Most processes that run a model through MLflow; None: one for each core, one alone with a GPU."""

    @property
    def most_processes(self) -> int:
        """How many processes may run a model through MLflow.

        >>> [one.most_processes for one in (Devices(cpus=4), Devices(cpus=4, gpu=Gpu.ALLOW), Devices(processes=3))]
        [4, 1, 3]
        """
        return self.processes or (self.cpus if self.gpu is Gpu.NONE else 1)

    @property
    def providers(self) -> list[str]:
        """The execution providers that ONNX Runtime tries, in this order.

        >>> Devices(gpu=Gpu.ALLOW).providers
        ['CUDAExecutionProvider', 'CPUExecutionProvider']
        """
        return [CPU] if self.gpu is Gpu.NONE else [CUDA, CPU]


def read_devices(environment: Mapping[str, str]) -> Devices:
    """Read SLIPWAY_GPU, SLIPWAY_CPUS (cores, rounded down, one at least), SLIPWAY_MODEL_PROCESSES; raise DevicesError.

    >>> read_devices({"SLIPWAY_GPU": "require", "SLIPWAY_CPUS": "2.5"})
    Devices(gpu=<Gpu.REQUIRE: 'require'>, cpus=2, workers=1, processes=None)
    """
    gpu, cpus = environment.get(GPU, ""), environment.get(CPUS, "1")
    if gpu not in set(Gpu):
        message = f"{GPU} is {gpu!r}; expected require, allow or nothing"
        raise DevicesError(message)
    try:
        cores = float(cpus)
    except ValueError:
        cores = 0
    if not (isfinite(cores) and cores > 0):
        message = f"{CPUS} is {cpus!r}; expected a number of cores over 0"
        raise DevicesError(message)
    said = environment.get(MODEL_PROCESSES, "")
    if said and not (said.isdecimal() and int(said)):
        message = f"{MODEL_PROCESSES} is {said!r}; expected a whole number from 1 on, or nothing"
        raise DevicesError(message)
    workers, processes = int(environment.get(WORKERS_NOW, "1")), int(said) if said else None
    return Devices(gpu=Gpu(gpu), cpus=max(1, int(cores)), workers=workers, processes=processes)
