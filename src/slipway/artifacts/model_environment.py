"""Environment variables of processes that run a model's code: all that they may have of ours, each with its reason.

A model's code can read its environment and send it anywhere. So it gets no variable that is not in a table here: no
token, no password, no address of a server. The tables are in docs/limits.md too; a test compares them.
"""

from collections.abc import Iterable, Mapping

from slipway_interface import environment as variables

INHERITED = {
    "PATH": "programs that a framework starts, and shared libraries beside them",
    "HOME": "caches of frameworks; without it they write where they may not",
    "LANG": "the encoding of text",
    "LC_ALL": "as LANG",
    "LC_CTYPE": "as LANG; Python sets it where no locale is set",
    "TZ": "dates: the same zone as the rest of Slipway",
    "TMPDIR": "temporary files; the sandbox sets it to the process's own folder",
    "LD_LIBRARY_PATH": "shared libraries that are not in the system's folders, such as CUDA's",
    "CUDA_VISIBLE_DEVICES": "which GPUs may be used",
    "PYTHONPATH": "where Slipway is imported from, if it is not installed; for a service its package's own source",
    "VIRTUAL_ENV": "the virtual environment that Python runs in, for programs of its own",
}
"""Passed on from our own environment, where they are set."""

SERVICE_INHERITED = {
    variables.LOG: "the format of log lines",
    variables.LABELS: "names by which TensorFlow Serving's clients request a version",
    variables.GPU: "whether the service uses a GPU",
    variables.CPUS: "threads of one inference",
    "OTEL_TRACES_EXPORTER": "where traces go",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "where traces go",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "where traces go",
    "OTEL_SERVICE_NAME": "the service's name in traces",
    "OTEL_RESOURCE_ATTRIBUTES": "attributes of every trace",
    "OTEL_TRACES_SAMPLER": "which requests are traced",
    "OTEL_TRACES_SAMPLER_ARG": "which requests are traced",
}
"""Passed on to inference services besides: settings of the service that docs/serving.md names."""

SERVICE_SET = {
    "BENTOML_HOME": "a folder for BentoML's pages",
    "BENTOML_DO_NOT_TRACK": "nothing is reported to anyone",
    "DO_NOT_TRACK": "nothing is reported to anyone",
    "MLFLOW_DISABLE_TELEMETRY": "nothing is reported to anyone",
    "OMP_NUM_THREADS": "threads, as several revisions share a machine",
    "OPENBLAS_NUM_THREADS": "as OMP_NUM_THREADS",
    "MKL_NUM_THREADS": "as OMP_NUM_THREADS",
    "PYTHONSAFEPATH": "nothing is imported from the working folder",
    "PYTHONUNBUFFERED": "log lines appear at once",
    variables.CAPTURE: "share of the requests that are recorded (`serving.capture_share`)",
    variables.OBJECTIVE: "time in which requests should be answered (`serving.objective_milliseconds`)",
    variables.MODEL_PROCESSES: "most processes with the model (`serving.model_processes`)",
    variables.RESCUE: "whether a route sets the headers of a rescue",
    "SLIPWAY_SUPERVISOR": "the folder of the supervisor: by it a process is found again after a crash",
    variables.WORKERS: "how many workers there are",
    "SLIPWAY_WORKERS_NOW": "how many workers there are",
    "SLIPWAY_FD": "the number of the listening socket",
    "SLIPWAY_RUN": "the folder that the service's workers share",
    "SLIPWAY_SLOT": "the worker's place in that folder",
}
"""Set by Slipway for inference services, with values that are no secret."""


SERVICE_NAMES = (*INHERITED, *SERVICE_INHERITED)
"""All that inference services inherit."""


def select_inherited(environment: Mapping[str, str], names: Iterable[str] = tuple(INHERITED)) -> dict[str, str]:
    """Return what of an environment is passed on.

    >>> select_inherited({"PATH": "/bin", "MLFLOW_TRACKING_TOKEN": "t"})
    {'PATH': '/bin'}
    """
    return {name: environment[name] for name in names if name in environment}
