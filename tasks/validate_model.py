"""Validate the model: it works on its own example, and it is good enough beside the champion."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from prefect import task

from slipway import wiring
from slipway.domain.model import Artifact
from slipway.domain.quality import judge_quality
from slipway.domain.spec import Inconclusive, QualitySpec
from slipway.domain.verdict import Outcome, Verdict
from slipway.rows import read_labels
from tasks.caching import by_content
from tasks.fetch import Holdout
from tasks.retrying import RETRIED
from tasks.stage import Stage, begin_stage


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What the model says of the holdout, and whether a person must agree before promotion."""

    predictions: NDArray[np.generic]
    """Shape (rows,) or (rows, outputs)."""
    needs_approval: bool


@task(
    name="validate model",
    tags=["slipway", "gate"],
    cache_policy=by_content("challenger", "champion", "rows", "spec"),
    persist_result=True,
    **RETRIED,
)
def validate_model(challenger: Artifact, champion: Artifact | None, rows: Holdout, spec: QualitySpec) -> Stage[Judged]:
    """Run challenger and champion on the same rows, each in a process of its own, and compare row by row."""
    watch = begin_stage("validate model")
    runner = wiring.runner()
    with ThreadPoolExecutor() as side_by_side:
        answers = side_by_side.submit(runner.predict, challenger.path, rows.path, rows.columns)
        before = runner.predict(champion.path, rows.path, rows.columns) if champion else None
        predictions = answers.result()
    runner.check_example(challenger.path)  # the runner tried it in the same process as the rows
    quality = judge_quality(read_labels(rows.path, rows.label), predictions, before, spec)
    example = Verdict(check="input example", outcome=Outcome.PASS, reason="the model answers its own input example")
    judged = Judged(predictions=predictions, needs_approval=_needs_approval(quality, spec))
    return watch.stage(judged, (example, _weighed(quality, spec)))


def _needs_approval(quality: Verdict, spec: QualitySpec) -> bool:
    return quality.outcome is Outcome.INCONCLUSIVE and spec.on_inconclusive is Inconclusive.APPROVE


def _weighed(quality: Verdict, spec: QualitySpec) -> Verdict:
    """Let the spec say what an inconclusive comparison does."""
    if quality.outcome is Outcome.INCONCLUSIVE and spec.on_inconclusive is Inconclusive.STOP:
        return replace(quality, outcome=Outcome.FAIL, reason=f"{quality.reason}; the spec stops what is inconclusive")
    return quality
