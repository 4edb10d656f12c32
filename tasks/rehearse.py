"""Rehearse: the packaged service as a real process, its answers compared with the original model's."""

import numpy as np
from numpy.typing import NDArray
from prefect import task

from slipway import wiring
from slipway.domain.rehearsal import judge_answers, judge_limits
from slipway.domain.revision import Package
from slipway.domain.spec import ConversionSpec, RehearsalSpec
from tasks.caching import by_content
from tasks.fetch import Holdout
from tasks.stage import Stage, begin_stage


@task(
    name="rehearse",
    tags=["slipway", "gate"],
    cache_policy=by_content("built", "rows", "spec"),
    persist_result=True,
)
def rehearse(
    built: Package, rows: Holdout, original: NDArray[np.generic], spec: RehearsalSpec, parity: ConversionSpec
) -> Stage[None]:
    """Send recorded rows through the package's HTTP door; p50, p99 and memory are measured, answers compared."""
    watch = begin_stage("rehearse")
    seen = wiring.rehearsal().rehearse(built, rows.path, rows.columns, spec)
    half, tail = np.percentile(seen.latencies_milliseconds, [50, 99])
    verdicts = (
        judge_answers(original, seen.predictions, parity),
        *judge_limits(float(tail), seen.memory_mebibytes, spec),
    )
    return watch.stage(
        None,
        verdicts,
        requests=len(seen.latencies_milliseconds),
        p50_milliseconds=float(half),
        p99_milliseconds=float(tail),
        memory_mebibytes=seen.memory_mebibytes,
        ready_seconds=seen.ready_seconds,
    )
