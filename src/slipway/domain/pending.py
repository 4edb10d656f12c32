"""Which versions wait for a release, and what a release is called. Level-triggered: from what is, not from events."""

from collections.abc import Sequence

from slipway.domain.model import CHAMPION, ModelVersion, ReleaseState
from slipway.domain.status import Phase, RolloutStatus


def release_id(model: str, version: int, attempt: int) -> str:
    """Return the one name of a release.

    >>> release_id("digits", 7, 1)
    'digits-v7-a1'
    """
    return f"{model}-v{version}-a{attempt}"


def idempotency_key(version: ModelVersion, attempt: int) -> str:
    """Return the key under which the orchestrator starts a release at most once: model, version, digest, attempt."""
    return f"{release_id(version.model, version.version, attempt)}-{version.identity[:16]}"


def champion_of(versions: Sequence[ModelVersion]) -> ModelVersion | None:
    """Return the version that serves, by the registry's alias."""
    return next((version for version in versions if CHAMPION in version.aliases), None)


def waiting(versions: Sequence[ModelVersion]) -> ModelVersion | None:
    """Return the newest version that nobody has begun to release and that is newer than the champion; None: none.

    Older ones that were skipped stay skipped: what they would bring, the newest one brings.
    """
    champion = champion_of(versions)
    newest = max(versions, key=lambda version: version.version, default=None)
    if newest is None or newest.state is not None or (champion and newest.version <= champion.version):
        return None
    return newest


def interrupted(versions: Sequence[ModelVersion]) -> ModelVersion | None:
    """Return the newest version whose release began and did not end; None: none."""
    begun = [version for version in versions if version.state is ReleaseState.RELEASING]
    return max(begun, key=lambda version: version.version, default=None)


def waits(status: RolloutStatus | None, version: int) -> bool:
    """Say whether a version's rollout is held: it waits on purpose.

    One that bakes does not: while its release counts as begun, nobody wrote down that it was promoted.
    """
    return status is not None and status.version == version and status.phase is Phase.HELD


def may_need_a_run(newest: ModelVersion, status: RolloutStatus | None) -> bool:
    """Say whether a model that nobody holds the lease of may need a run, from what can be asked for all models at once.

    Its newest version was not begun or not ended, or its rollout, if one is under way, is one that somebody must drive.
    """
    waits = newest.state is None and CHAMPION not in newest.aliases
    return waits or newest.state is ReleaseState.RELEASING or (status is not None and status.phase.driven)


def attempt_of(version: ModelVersion) -> int:
    """Return the number of the latest attempt to release a version; 0: none yet."""
    return int(version.tags.get("slipway.attempt", "0"))
