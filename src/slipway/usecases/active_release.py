"""A release under way: what every step of it needs to know."""

import logging
from dataclasses import dataclass

from slipway import wiring
from slipway.domain.release.version import ModelVersion, find_champion
from slipway.domain.rollout.revision import Package, Revision
from slipway.domain.rollout.status import RolloutStatus
from slipway.domain.spec.fitting import fit_spec
from slipway.domain.spec.release import ReleaseSpec
from slipway.errors import NotFound
from slipway.ports.rollouts import Lease
from slipway.settings import settings
from slipway.specs import find_spec

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ActiveRelease:
    """One release of one version, by its spec; it holds the model's lease."""

    release_id: str
    version: ModelVersion
    attempt: int
    champion: ModelVersion | None
    """The version that the registry calls champion; None: none yet."""
    spec: ReleaseSpec
    lease: Lease
    trigger: str
    """What started it: `webhook`, `schedule`, `command line`, ...; kept in the record."""
    started_at: float
    """Unix seconds."""

    @property
    def model(self) -> str:
        """The model's name."""
        return self.version.model


def find_release_spec(model: str) -> ReleaseSpec:
    """Return a model's release spec, adapted to what the router in front of it can do; changes are logged.

    Raises NotFound for a model without a spec, SpecError for one that is wrong.
    """
    _path, spec = find_spec(settings().models, model)
    can = wiring.get_router().get_abilities(model, spec.serving)
    spec, said = fit_spec(spec, copies=can.copies, weights=can.weights, rescues=can.rescues)
    for sentence in said:
        log.warning("%s: %s (%s)", model, sentence, can.why)
    return spec


def make_revision(active: ActiveRelease, package: Package) -> Revision:
    """Return the revision that a release deploys."""
    return Revision(
        name=active.version.name,
        model=active.model,
        version=active.version.version,
        package=package,
        memory_limit_mebibytes=active.spec.rehearsal.memory_limit_mebibytes,
        serving=active.spec.serving,
        rescue=active.spec.rollout.rescue,
    )


def resume_release(status: RolloutStatus, lease: Lease, trigger: str) -> ActiveRelease:
    """Return a release that another process began, from its status and the registry. Raises NotFound."""
    spec = find_release_spec(status.model)
    versions = wiring.get_registry().list_versions(status.model)
    version = next((one for one in versions if one.version == status.version), None)
    if version is None:
        raise NotFound(
            f"model {status.model}",
            seen=f"no version {status.version} in the registry",
            expected="the version of the rollout under way",
            do="restore it in MLflow, or run `slipway rollback`",
        )
    return ActiveRelease(
        release_id=status.release_id,
        version=version,
        attempt=version.attempt,
        champion=find_champion(versions),
        spec=spec,
        lease=lease,
        trigger=trigger,
        started_at=status.started_at,
    )
