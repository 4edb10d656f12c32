"""Where the time of a request goes: our own functions, called one after the other as a worker does, and timed."""

import asyncio
import json
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

from benchmarks.serving.asking import oip_json
from benchmarks.serving.models import Model
from services.inference.loading import open_runtime
from services.inference.manifest import parse_manifest
from services.inference.model import Model as ServedModel
from services.inference.protocols.oip import OpenInferenceHttp
from services.inference.request import Request
from services.inference.runtime.onnx_runtime import OnnxRuntime
from services.inference.telemetry.prediction_summary import PredictionSummary

CALLS, REPEATS = 1000, 5


def stages(model: Model) -> Iterator[dict[str, Any]]:
    """Yield the microseconds of each stage of one JSON request."""
    manifest = parse_manifest(json.loads((model.folder / "slipway.json").read_text(encoding="utf-8")))
    runtime = open_runtime(manifest, model.folder)
    if not isinstance(runtime, OnnxRuntime):
        raise TypeError(f"{model.name}: {type(runtime).__name__}, expected ONNX Runtime in this process")
    asyncio.run(runtime.start())
    form = oip_json(model)
    served = ServedModel(manifest=manifest, runtime=runtime)
    inference = OpenInferenceHttp(served).build_routes().exact[form.path].codec
    if inference is None:
        raise TypeError(f"{form.path}: no inference, expected the protocol's inference route")
    call = Request("POST", form.path, b"", {}, form.bodies[0])
    asked = inference.parse(call)
    feeds = runtime.make_feeds(asked.rows)
    (outputs,) = runtime.run([feeds])
    summary = PredictionSummary(manifest)
    steps: dict[str, Callable[[], object]] = {
        "parse and check": lambda: inference.parse(call),
        "to the model's types": lambda: runtime.make_feeds(asked.rows),
        "run the model": lambda: runtime.run([feeds]),
        "write the answer": lambda: inference.write(asked, outputs),
        "summaries": lambda: summary.count(asked.rows, outputs["prediction"]),
    }
    for stage, step in steps.items():
        yield {"model": model.name, "stage": stage, "us": _microseconds(step)}


def _microseconds(step: Callable[[], object]) -> float:
    times = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        for _ in range(CALLS):
            step()
        times.append(1e6 * (time.perf_counter() - began) / CALLS)
    return statistics.median(times)
