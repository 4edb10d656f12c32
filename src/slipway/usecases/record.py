"""Record a release: aliases, tags, its run in MLflow, its page, and a notification."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from slipway import wiring
from slipway.domain.release.lifecycle import find_moved_aliases
from slipway.domain.release.record import ReleaseRecord, StageName, StageRecord
from slipway.domain.release.version import ReleaseState, VersionTag
from slipway.domain.rollout.status import RolloutStatus
from slipway.errors import NotFound
from slipway.settings import settings
from slipway.usecases.active_release import ActiveRelease
from slipway.usecases.notify import notify
from slipway.usecases.retrying import idempotent


@idempotent
def record_release(
    active: ActiveRelease,
    state: ReleaseState,
    reason: str,
    stages: tuple[StageRecord, ...] = (),
    status: RolloutStatus | None = None,
) -> ReleaseRecord:
    """Write down what was decided and why, where people and the next release look. Doing it twice changes nothing.

    `stages` are added to those of the record that is there. Without `status` the record keeps its timeline.
    """
    record = _continue_record(active, state, reason, stages, status)
    _move_aliases(active, record)
    page = wiring.get_reporter().write_page(record, report_path(active.model, active.release_id))
    wiring.get_ledger().write(record, page)
    notify(active, state.value, reason, wiring.get_reporter().render_summary(record))
    return record


def report_path(model: str, release_id: str) -> Path:
    """Return the path of a release's page."""
    return settings().reports / model / f"{release_id}.html"


def _continue_record(
    active: ActiveRelease,
    state: ReleaseState,
    reason: str,
    stages: tuple[StageRecord, ...],
    status: RolloutStatus | None,
) -> ReleaseRecord:
    """Continue the record that is there (a release that waited, or was watched), or begin one."""
    fresh = ReleaseRecord(
        release_id=active.release_id,
        model=active.model,
        version=active.version.version,
        digest="",
        state=state,
        reason=reason,
        replaced=status.stable.version if status and status.stable else None,
        trigger=active.trigger,
        started_at=active.started_at,
        ended_at=time.time(),
        parameters=_read_parameters(active),
    )
    try:
        earlier = wiring.get_ledger().read(active.release_id)
    except NotFound:
        earlier = fresh
    known = {stage.name: stage for stage in (*earlier.stages, *stages)}
    return replace(
        fresh,
        started_at=min(earlier.started_at, fresh.started_at),
        trigger=earlier.trigger,
        digest=known[StageName.FETCH].details.get("digest", "") if StageName.FETCH in known else "",
        stages=tuple(sorted(known.values(), key=lambda stage: stage.started_at)),
        timeline=status.timeline if status else earlier.timeline,
        judged=(status.verdicts if status else ()) or earlier.judged,
    )


def _read_parameters(active: ActiveRelease) -> dict[str, Any]:
    spec = active.spec.model_dump(mode="json")
    spec["data"]["path"] = active.spec.data.path.name  # its path is of no use elsewhere
    page = f"{_public(settings().mlflow)}/#/models/{active.model}/versions/{active.version.version}"
    return spec | {"links": {"The version in MLflow": page}}


def _public(address: str) -> str:
    """Return an address without the user and password that it may hold."""
    parts = urlsplit(address)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _move_aliases(active: ActiveRelease, record: ReleaseRecord) -> None:
    """Move the registry's aliases, and write on the version what became of it."""
    registry, model, version = wiring.get_registry(), active.model, active.version.version
    aliases = registry.get_version(model, str(version)).aliases
    for alias, points_at in find_moved_aliases(record.state, version, record.replaced, aliases).items():
        registry.set_alias(model, alias, points_at)
    tags: dict[str, str] = {VersionTag.STATE: record.state.value, VersionTag.RELEASE: active.release_id}
    registry.set_tags(model, version, tags)
