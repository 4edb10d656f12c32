"""The child process that runs a model through MLflow: reads frames from stdin, answers on stdout, ends with its parent.

The one module of the service that imports MLflow. It ignores SIGTERM, because a signal to stop the service may reach
all of its processes while a request in flight still needs its answer. When the service is done it closes the pipe.
"""

import os
import signal
import sys
import warnings
from typing import Any, BinaryIO

import numpy as np
import orjson
from numpy.typing import NDArray

from services.inference.runtime.pipe_frames import HEADER, pack_array, pack_frame, unpack_array


def main(path: str) -> None:
    """Load the model at `path`, report that, then answer until the pipe closes."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what the model prints goes to the log, not between our frames
    try:
        model = _load(path)
    except Exception as error:  # noqa: BLE001 - any model code may run here, and the parent must learn of it
        _send(answers, {"error": f"the model can't be loaded: {_describe_error(error)}"})
        return
    _send(answers, {"ready": True})
    while (message := _receive(sys.stdin.buffer)) is not None:
        _send(answers, _predict(model, message))


def _load(path: str) -> Any:  # noqa: ANN401 - MLflow is untyped for us
    warnings.simplefilter("ignore")
    import mlflow.pyfunc

    return mlflow.pyfunc.load_model(path)


def _predict(model: Any, message: dict[str, Any]) -> dict[str, Any]:  # noqa: ANN401 - MLflow is untyped for us
    import pandas as pd

    try:
        arrays = {name: unpack_array(entry) for name, entry in message["columns"].items()}
        rows: Any = arrays[""] if "" in arrays else pd.DataFrame({name: _to_series(v) for name, v in arrays.items()})
        return {"prediction": pack_array(_to_array(model.predict(rows)))}
    except Exception as error:  # noqa: BLE001 - any model code may run here, and the client must get an answer
        return {"error": _describe_error(error)}


def _to_series(values: NDArray[np.generic]) -> Any:  # noqa: ANN401 - a column of a frame
    return values if values.ndim == 1 else list(values)


def _to_array(result: Any) -> NDArray[np.generic]:  # noqa: ANN401 - whatever a model returns
    values = np.asarray(result.to_numpy() if hasattr(result, "to_numpy") else result)
    values = _replace_missing(values) if values.dtype == object else values
    return values.reshape(-1) if values.ndim == 2 and values.shape[1] == 1 else values  # noqa: PLR2004 - a matrix


def _replace_missing(values: NDArray[np.generic]) -> NDArray[np.generic]:
    """Return objects that are numbers or missing as numbers with NaN; as texts they would be "nan"."""
    whole = values.ravel().tolist()
    missing = [one is None or one != one for one in whole]  # noqa: PLR0124 - only NaN is not itself
    numbers = all(lost or isinstance(one, int | float) for one, lost in zip(whole, missing, strict=True))
    return values.astype(np.float64) if any(missing) and numbers else values


def _describe_error(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".strip()[:500]


def _receive(pipe: BinaryIO) -> dict[str, Any] | None:
    header = pipe.read(HEADER.size)
    if len(header) < HEADER.size:
        return None
    message: dict[str, Any] = orjson.loads(pipe.read(HEADER.unpack(header)[0]))
    return message


def _send(pipe: BinaryIO, message: dict[str, Any]) -> None:
    pipe.write(pack_frame(message))
    pipe.flush()


if __name__ == "__main__":
    main(sys.argv[1])
