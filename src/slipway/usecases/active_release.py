"""A release that may go on: what every stage of it needs to know."""

import logging
from dataclasses import dataclass

from slipway import wiring
from slipway.domain.fitting import fitted
from slipway.domain.model import ModelVersion
from slipway.domain.pending import attempt_of, champion_of
from slipway.domain.revision import Package, Revision
from slipway.domain.spec import ReleaseSpec
from slipway.domain.status import RolloutStatus
from slipway.errors import NotFound
from slipway.ports.rollouts import Lease
from slipway.settings import settings
from slipway.specs import find_spec

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """One release of one version, by its spec; it holds the model's lease."""

    release_id: str
    version: ModelVersion
    attempt: int
    champion: ModelVersion | None
    """The version that the registry calls champion; None: none yet."""
    spec: ReleaseSpec
    lease: Lease
    trigger: str
    started_at: float

    @property
    def model(self) -> str:
        """The model's name."""
        return self.version.model


def spec_of(model: str) -> ReleaseSpec:
    """Return a model's release spec, fitted to what the router in front of it can do; changes are logged."""
    _path, spec = find_spec(settings().models, model)
    can = wiring.target().abilities(model, spec.serving)
    spec, said = fitted(spec, copies=can.copies, weights=can.weights, rescues=can.rescues)
    for sentence in said:
        log.warning("%s: %s (%s)", model, sentence, can.why)
    return spec


def revision_of(opened: Opened, package: Package) -> Revision:
    """Return what is deployed of a release's package."""
    return Revision(
        name=opened.version.name,
        model=opened.model,
        version=opened.version.version,
        package=package,
        memory_limit_mebibytes=opened.spec.rehearsal.memory_limit_mebibytes,
        serving=opened.spec.serving,
        rescue=opened.spec.rollout.rescue,
    )


def reopened(status: RolloutStatus, lease: Lease, trigger: str) -> Opened:
    """Return a release that another run began, from its status and the registry. Raises NotFound."""
    spec = spec_of(status.model)
    versions = wiring.registry().versions(status.model)
    version = next((one for one in versions if one.version == status.version), None)
    if version is None:
        raise NotFound(
            f"model {status.model}",
            seen=f"no version {status.version} in the registry",
            expected="the version of the rollout under way",
            do="restore it in MLflow, or run `slipway rollback`",
        )
    return Opened(
        release_id=status.release_id,
        version=version,
        attempt=attempt_of(version),
        champion=champion_of(versions),
        spec=spec,
        lease=lease,
        trigger=trigger,
        started_at=status.started_at,
    )
