"""Rollouts of which more is known: evidence that the tests of analysis share."""

from dataclasses import replace
from typing import Any

from slipway.domain.judge.checks import Check
from slipway.domain.judge.statistics.dispersion import KNOWN_BLOCKS
from slipway.domain.judge.statistics.shared_faults import SharedFault
from slipway.domain.rollout.status import RolloutStatus
from tests.domain.judged import counted
from tests.domain.looks import HALF, NOW, SPEC, seen, update_verdicts

FAULT = SharedFault(usual=0.004, requests=9000, now=True, stable_share=0.34, canary_share=0.31)
WELL = {"new": counted(590), "old": counted(590)}


def knowing(status: RolloutStatus, **more: Any) -> RolloutStatus:  # noqa: ANN401 - parts of the evidence
    """Return the rollout with more evidence."""
    return replace(status, evidence=replace(status.evidence, **more))


def knowing_gusts(status: RolloutStatus) -> RolloutStatus:
    """Return the rollout with ten blocks of stable known, in which nothing came in gusts."""
    errors = status.evidence.rate(Check.ERRORS)
    known = replace(errors, dispersion=replace(errors.dispersion, pairs=KNOWN_BLOCKS))
    return knowing(status, rates={**status.evidence.rates, Check.ERRORS: known})


def well(status: RolloutStatus) -> RolloutStatus:
    """Return the rollout with good evidence, from looks of twenty requests."""
    for number in range(1, 60):
        live = {"new": counted(10 * number), "old": counted(10 * number)}
        status = update_verdicts(SPEC, status, seen(traffic=HALF, live=live), NOW - 60 + number)
    return status
