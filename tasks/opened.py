"""A release that may go on: what every stage of it needs to know."""

from dataclasses import dataclass

from slipway import wiring
from slipway.domain.model import ModelVersion
from slipway.domain.pending import attempt_of, champion_of
from slipway.domain.spec import ReleaseSpec
from slipway.domain.status import RolloutStatus
from slipway.errors import NotFound
from slipway.ports.rollouts import Lease
from slipway.settings import settings
from slipway.specs import find_spec


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


def reopened(status: RolloutStatus, lease: Lease, trigger: str) -> Opened:
    """Return a release that another run began, from its status and the registry. Raises NotFound."""
    _path, spec = find_spec(settings().models, status.model)
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
