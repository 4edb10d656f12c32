"""Verdicts on a rehearsal: the service answers as the original model does, within its limits."""

import numpy as np
from numpy.typing import NDArray

from slipway.domain.spec.release import ConversionSpec, RehearsalSpec
from slipway.domain.verdict import Outcome, Verdict

TIES = 0.01
"""Share of labels that may differ: rows on a tie or a split, which the parity gate checks one by one."""


def judge_answers(original: NDArray[np.generic], answered: NDArray[np.generic], spec: ConversionSpec) -> Verdict:
    """Compare the service's answers with the original's predictions; requests cycle through the rows.

    Shapes (rows, ...) and (requests, ...). Integers and text are labels; floats are numbers with the parity tolerances.
    """
    wanted = np.take(original, np.arange(len(answered)) % max(1, len(original)), axis=0)
    if not len(answered):
        return Verdict(check="answers", outcome=Outcome.NO_DATA, reason="no request was answered")
    if wanted.dtype.kind == "f":
        close = np.isclose(
            np.asarray(answered, dtype=float).reshape(wanted.shape),
            wanted,
            rtol=spec.relative_tolerance,
            atol=spec.absolute_tolerance,
            equal_nan=True,
        )
        same, allowed = int(close.reshape(len(answered), -1).all(axis=1).sum()), 0
    else:
        same = int((np.asarray(answered).astype(str).ravel() == np.asarray(wanted).astype(str).ravel()).sum())
        allowed = int(TIES * len(answered))
    outcome = Outcome.PASS if len(answered) - same <= allowed else Outcome.FAIL
    reason = f"{same:,} of {len(answered):,} answers over HTTP are the original model's"
    return Verdict(check="answers", outcome=outcome, reason=reason, numbers={"same": same, "requests": len(answered)})


def judge_limits(p99_milliseconds: float, memory_mebibytes: float, spec: RehearsalSpec) -> tuple[Verdict, Verdict]:
    """Compare measured values with the spec's limits; without a limit a value is only shown."""
    return (
        _judge_limit("p99 latency", p99_milliseconds, spec.p99_limit_milliseconds, "ms"),
        _judge_limit("memory", memory_mebibytes, spec.memory_limit_mebibytes, "MiB"),
    )


def _judge_limit(check: str, seen: float, limit: float | None, unit: str) -> Verdict:
    outcome = Outcome.FAIL if limit is not None and seen > limit else Outcome.PASS
    allowed = "no limit set" if limit is None else f"allowed {limit:,.0f} {unit}"
    return Verdict(
        check=check,
        outcome=outcome,
        reason=f"{seen:,.1f} {unit}; {allowed}",
        numbers={"seen": seen},
        blocking=limit is not None,
    )
