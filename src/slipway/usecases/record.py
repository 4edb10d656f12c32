"""Record: aliases, tags, the release's run in MLflow, its page, and a line for Prefect's UI."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from prefect import task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE

from slipway import wiring
from slipway.domain.model import CHALLENGER, CHAMPION, ReleaseState
from slipway.domain.release import ReleaseRecord, StageRecord
from slipway.domain.status import Phase, RolloutStatus
from slipway.errors import NotFound
from slipway.settings import settings
from slipway.usecases.active_release import Opened
from slipway.usecases.roll_out import tell
from tasks.retrying import RETRIED


@task(name="record", tags=["slipway"], cache_policy=NO_CACHE, **RETRIED)
def record(
    opened: Opened,
    state: ReleaseState,
    reason: str,
    stages: tuple[StageRecord, ...] = (),
    timeline_of: RolloutStatus | None = None,
) -> ReleaseRecord:
    """Write down what was decided and why, where people and the next release look. Doing it twice changes nothing."""
    kept = _written(opened, state, reason, stages, timeline_of)
    _move_aliases(opened, kept)
    page = wiring.reporter().page(kept, report_path(opened.model, opened.release_id))
    wiring.ledger().write(kept, page)
    create_markdown_artifact(
        wiring.reporter().summary(kept), key=f"release-{opened.model}", description=f"{opened.release_id}: {state}"
    )
    tell(opened, state.value, reason)
    return kept


def report_path(model: str, release_id: str) -> Path:
    """Return where a release's page lies."""
    return settings().reports / model / f"{release_id}.html"


def state_of(status: RolloutStatus) -> ReleaseState:
    """Return what a rollout at rest means for its version."""
    if status.phase.serving:
        return ReleaseState.PROMOTED
    if status.yielded:
        return ReleaseState.SUPERSEDED
    return {Phase.ROLLED_BACK: ReleaseState.ROLLED_BACK, Phase.STOPPED: ReleaseState.STOPPED}.get(
        status.phase, ReleaseState.RELEASING
    )


def _written(
    opened: Opened,
    state: ReleaseState,
    reason: str,
    stages: tuple[StageRecord, ...],
    status: RolloutStatus | None,
) -> ReleaseRecord:
    """Continue the record that is there (a release that waited, or was watched), or begin one."""
    fresh = ReleaseRecord(
        release_id=opened.release_id,
        model=opened.model,
        version=opened.version.version,
        digest="",
        state=state,
        reason=reason,
        replaced=status.stable.version if status and status.stable else None,
        trigger=opened.trigger,
        started_at=opened.started_at,
        ended_at=time.time(),
        parameters=_parameters(opened),
    )
    try:
        earlier = wiring.ledger().read(opened.release_id)
    except NotFound:
        earlier = fresh
    known = {stage.name: stage for stage in (*earlier.stages, *stages)}
    return replace(
        fresh,
        started_at=min(earlier.started_at, fresh.started_at),
        trigger=earlier.trigger,
        digest=known["fetch"].details.get("digest", "") if "fetch" in known else "",
        stages=tuple(sorted(known.values(), key=lambda stage: stage.started_at)),
        timeline=status.timeline if status else earlier.timeline,
        judged=(status.verdicts if status else ()) or earlier.judged,
    )


def _parameters(opened: Opened) -> dict[str, Any]:
    spec = opened.spec.model_dump(mode="json")
    spec["data"]["path"] = opened.spec.data.path.name  # where it lies is this machine's business
    page = f"{_public(settings().mlflow)}/#/models/{opened.model}/versions/{opened.version.version}"
    return spec | {"links": {"The version in MLflow": page}}


def _public(address: str) -> str:
    """Return an address without the user and password that it may hold."""
    parts = urlsplit(address)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _move_aliases(opened: Opened, kept: ReleaseRecord) -> None:
    """Point `champion` at what serves, take `challenger` away, and say on the version what became of it."""
    registry, model, version = wiring.registry(), opened.model, opened.version.version
    if kept.state is ReleaseState.PROMOTED:
        registry.set_alias(model, CHAMPION, version)
    elif kept.replaced and CHAMPION in registry.version(model, str(version)).aliases:  # taken back after promotion
        registry.set_alias(model, CHAMPION, kept.replaced)
    if kept.state is not ReleaseState.RELEASING:
        registry.set_alias(model, CHALLENGER, None)
    registry.set_tags(model, version, {"slipway.state": kept.state.value, "slipway.release": opened.release_id})
