"""The worker that measures: all sessions in one clean process, one thread, interleaved rounds in a balanced order."""

import gc
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from slipway.adapters.onnx import session, worker
from slipway.adapters.onnx.build_worker import FEEDS_FILE

if TYPE_CHECKING:
    import onnxruntime as ort

SAMPLE_SECONDS = 0.004
"""Least length of one sample: far above the clock's resolution, far below what a scheduler's slice disturbs often."""
BUDGET_SECONDS = 20.0
"""All rounds together take about this at most: slow models get fewer rounds, and wider intervals."""
LEAST_ROUNDS = 5
WARM_UP_SECONDS = 0.05


def main(request: dict[str, Any]) -> dict[str, Any]:
    """Return seconds per call, by session and round."""
    sessions = [
        session.open_session(Path(each["path"]), providers=request["providers"], optimize=each["optimize"])
        for each in request["sessions"]
    ]
    feeds = _load_feeds()
    calls = [_calibrate_session(each, feeds) for each in sessions]
    rounds = request["rounds"]
    lasting = sum(_measure_sample(each, feeds, count) * count for each, count in zip(sessions, calls, strict=True))
    rounds = max(min(rounds, LEAST_ROUNDS), min(rounds, int(BUDGET_SECONDS / lasting)))
    seconds = np.empty((len(sessions), rounds))
    gc.disable()
    for number in range(rounds):
        for which in order_sessions(number, len(sessions)):
            seconds[which, number] = _measure_sample(sessions[which], feeds, calls[which])
    return {"seconds": seconds.tolist()}


def order_sessions(number: int, sessions: int) -> list[int]:
    """Return the order of a round: over time each session comes equally often at each place, after each other one.

    >>> [order_sessions(number, 2) for number in range(4)]
    [[0, 1], [1, 0], [1, 0], [0, 1]]
    """
    start = number // 2 % sessions
    order = [(start + place) % sessions for place in range(sessions)]
    return order[::-1] if number % 2 else order


def _load_feeds() -> list[session.Feed]:
    """Return one feed per batch."""
    with np.load(FEEDS_FILE, allow_pickle=False) as arrays:
        whole = {name: _convert_for_runtime(arrays[name]) for name in arrays.files}
    return [
        {name: values[number] for name, values in whole.items()} for number in range(len(next(iter(whole.values()))))
    ]


def _convert_for_runtime(values: Any) -> Any:  # noqa: ANN401 - any array
    return values.astype(object) if values.dtype.kind == "U" else values


def _calibrate_session(opened: "ort.InferenceSession", feeds: list[session.Feed]) -> int:
    """Warm a session up and return how many calls make one sample: whole rounds of the batches, if they are quick."""
    end = time.perf_counter() + WARM_UP_SECONDS
    _measure_sample(opened, feeds, 1)
    one = _measure_sample(opened, feeds, len(feeds))
    while time.perf_counter() < end:
        one = min(one, _measure_sample(opened, feeds, len(feeds)))
    calls = int(np.ceil(SAMPLE_SECONDS / one))
    return calls if one * len(feeds) > SAMPLE_SECONDS else -(-calls // len(feeds)) * len(feeds)


def _measure_sample(opened: "ort.InferenceSession", feeds: list[session.Feed], calls: int) -> float:
    """Return the seconds one call took, on average."""
    run, batches = opened.run, len(feeds)
    begin = time.perf_counter()
    for number in range(calls):
        run(None, feeds[number % batches])
    return (time.perf_counter() - begin) / calls


if __name__ == "__main__":
    worker.serve_request(main)
