"""Rehearse: the packaged service as a real process, its answers beside the original's and the champion's."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from slipway import wiring
from slipway.artifacts.rows import list_input_columns
from slipway.domain.gates.contract.difference import Difference
from slipway.domain.gates.contract.recorded import RecordedSample
from slipway.domain.gates.contract.replay import CHECK, ReplayResult, compare_exchanges, describe_replay
from slipway.domain.gates.contract.verdict import judge_contract, needs_person
from slipway.domain.gates.rehearsal import judge_answers, judge_limits
from slipway.domain.release.record import StageName
from slipway.domain.release.version import revision_name
from slipway.domain.rollout.revision import Package
from slipway.domain.spec.release import Contract, ReleaseSpec
from slipway.domain.verdict import Outcome, Verdict
from slipway.errors import SlipwayError
from slipway.ports.rehearsal import Promise
from slipway.usecases.active_release import ActiveRelease
from slipway.usecases.roll_out import load_status
from slipway.usecases.stages.check_contract import describe_differences
from slipway.usecases.stages.fetch import Fetched, Holdout
from slipway.usecases.stages.stage import Stage, begin_stage


def make_promise(active: ActiveRelease, fetched: Fetched) -> Promise | None:
    """Return what the clients of the version that serves rely on; None: nothing serves."""
    stable = load_status(active).stable
    if stable is None or fetched.promised is None:
        return None
    columns = list_input_columns(fetched.rows.path, fetched.promised, fetched.rows.label)
    return Promise(package=stable.package, signature=fetched.promised, columns=columns)


def read_recorded(champion: Package) -> RecordedSample:
    """Return what its clients sent lately, where it records that; a log that can't be read stops nothing.

    Never the result or parameter of a task: the orchestrator keeps those, and people's data may be in it.
    """
    try:
        return wiring.get_recorded_requests().read_newest(
            champion.model, revision_name(champion.model, champion.version)
        )
    except SlipwayError as error:
        return RecordedSample(missing=f"recorded live requests can't be read: {error.seen}")


def rehearse_package(
    built: Package, rows: Holdout, original: NDArray[np.generic], spec: ReleaseSpec, promise: Promise | None
) -> Stage[bool]:
    """Send recorded rows through HTTP, and the champion's clients' requests over every protocol.

    p50, p99 and memory are measured, answers compared; the value is whether a person must approve.
    """
    watch = begin_stage(StageName.REHEARSE)
    asked = promise and replace(promise, recorded=read_recorded(promise.package))
    seen = wiring.get_rehearsal().rehearse(built, rows.path, rows.columns, spec.rehearsal, asked)
    half, tail = np.percentile(seen.latencies_milliseconds, [50, 99])
    found = compare_exchanges(seen.replayed.exchanges) if seen.replayed else ()
    verdicts = (
        judge_answers(original, seen.predictions, spec.conversion),
        *judge_limits(float(tail), seen.memory_mebibytes, spec.rehearsal),
        *_judge_replay(seen.replayed, found, spec.contract, promise),
    )
    return watch.stage(
        needs_person(found, spec.contract),
        verdicts,
        requests=len(seen.latencies_milliseconds),
        p50_milliseconds=float(half),
        p99_milliseconds=float(tail),
        memory_mebibytes=seen.memory_mebibytes,
        ready_seconds=seen.ready_seconds,
        differences=describe_differences(found),
    )


def _judge_replay(
    replayed: ReplayResult | None, found: tuple[Difference, ...], choice: Contract, promise: Promise | None
) -> tuple[Verdict, ...]:
    """Return the verdict on the champion's clients' requests, where there is a champion."""
    if replayed is None or promise is None:
        return ()
    if not any(one.compared for one in replayed.exchanges):
        reason = replayed.skipped or "the champion answered none of the requests made from its signature"
        return (Verdict(check=CHECK, outcome=Outcome.NO_DATA, reason=reason, blocking=False),)
    verdict = judge_contract(CHECK, found, choice, revision_name(promise.package.model, promise.package.version))
    return (replace(verdict, reason=f"{verdict.reason} ({describe_replay(replayed)})"),)
