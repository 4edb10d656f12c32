"""Validate the model: it works on its own example, and it is good enough beside the champion."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from slipway import wiring
from slipway.artifacts.rows import read_labels
from slipway.domain.gates.contract.difference import Difference
from slipway.domain.gates.contract.outputs import compare_labels
from slipway.domain.gates.contract.verdict import judge_contract, needs_person
from slipway.domain.gates.quality import judge_quality
from slipway.domain.release.record import StageName
from slipway.domain.release.version import Artifact
from slipway.domain.spec.release import Contract, Inconclusive, QualitySpec
from slipway.domain.verdict import Outcome, Verdict
from slipway.usecases.retrying import idempotent
from slipway.usecases.stages.check_contract import describe_differences
from slipway.usecases.stages.fetch import Fetched, Holdout
from slipway.usecases.stages.stage import Stage, begin_stage


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """Challenger and champion, and their predictions for the same rows."""

    challenger: Artifact
    champion: Artifact | None
    predictions: NDArray[np.generic]
    """The challenger's; shape (rows,) or (rows, outputs)."""
    before: NDArray[np.generic] | None
    """The champion's; None: there is none."""

    @property
    def digest(self) -> str:
        """What the comparison is about: predictions follow from the artifacts and the rows."""
        return f"{self.challenger.digest} {self.champion.digest if self.champion else None}"


def pair_predictions(
    fetched: Fetched, predictions: NDArray[np.generic] | None, before: NDArray[np.generic] | None
) -> Compared:
    """Put side by side what was fetched and what was predicted."""
    if predictions is None:
        message = "a challenger always has predictions"
        raise ValueError(message)
    return Compared(challenger=fetched.challenger, champion=fetched.champion, predictions=predictions, before=before)


@idempotent
def validate_model(compared: Compared, rows: Holdout, spec: QualitySpec, contract: Contract) -> Stage[bool]:
    """Try the input example and compare both models row by row; the value is whether a person must approve."""
    watch = begin_stage(StageName.VALIDATE_MODEL)
    wiring.get_runner().check_example(compared.challenger.path)
    truth = read_labels(rows.path, rows.label)
    quality = judge_quality(truth, compared.predictions, compared.before, spec)
    example = Verdict(check="input example", outcome=Outcome.PASS, reason="the model answers its own input example")
    labels = _compare_labels(truth, compared, spec)
    verdicts = (example, _apply_policy(quality, spec), *_judge_labels(compared, labels, contract))
    asks = _needs_approval(quality, spec) or needs_person(labels, contract)
    return watch.stage(asks, verdicts, differences=describe_differences(labels))


def _compare_labels(truth: NDArray[np.generic], compared: Compared, spec: QualitySpec) -> tuple[Difference, ...]:
    """Return the labels that are gone or new; numbers have none."""
    if compared.before is None or spec.metric != "accuracy":
        return ()
    return compare_labels(truth, compared.before, compared.predictions)


def _judge_labels(compared: Compared, labels: tuple[Difference, ...], contract: Contract) -> tuple[Verdict, ...]:
    """Return the verdict on labels, where some are gone or new."""
    if not labels or compared.champion is None:
        return ()
    return (judge_contract("labels", labels, contract, compared.champion.version.name),)


def _needs_approval(quality: Verdict, spec: QualitySpec) -> bool:
    return quality.outcome is Outcome.INCONCLUSIVE and spec.on_inconclusive is Inconclusive.APPROVE


def _apply_policy(quality: Verdict, spec: QualitySpec) -> Verdict:
    """Apply the spec's choice for an inconclusive comparison."""
    if quality.outcome is Outcome.INCONCLUSIVE and spec.on_inconclusive is Inconclusive.STOP:
        return replace(quality, outcome=Outcome.FAIL, reason=f"{quality.reason}; the spec stops what is inconclusive")
    return quality
