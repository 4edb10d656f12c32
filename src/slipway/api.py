"""The Python API: what the command line does, for notebooks and other orchestrators. Exported by `import slipway`.

Settings come from the environment (SLIPWAY_...), as for the command line. Nothing of it needs a Prefect server.
"""

from slipway import wiring
from slipway.domain.release.record import HistoryEntry
from slipway.domain.rollout.actions import Approval
from slipway.domain.rollout.status import RolloutStatus
from slipway.usecases import roll_back as rolling_back
from slipway.usecases.begin import NEWEST
from slipway.usecases.here import ThreadRunner
from slipway.usecases.release import ReleaseEnd, ReleaseRequest, answer_release, release_version


def release(model: str, version: str = NEWEST, *, attempt: int = 0, trigger: str = "python") -> ReleaseEnd:
    """Take a version through gates and rollout in this process; return how it ended, or that it is held.

    `version` is a number or an alias; `attempt` 0 continues the latest attempt. Raises NotFound for an unknown model,
    version or spec, PermanentError while a newer version is being released.
    """
    request = ReleaseRequest(model=model, version=version, attempt=attempt, trigger=trigger)
    with ThreadRunner() as runner:
        return release_version(request, runner, answer=lambda: None)


def answer(model: str, *, approve: bool, by: str) -> ReleaseEnd:
    """Answer a release that is held, and drive it on in this process. Raises NotFound where none is held."""
    with ThreadRunner() as runner:
        return answer_release(model, Approval(by=by, approve=approve), runner)


def roll_back(model: str, reason: str) -> str:
    """Take back what is under way, or restore the version before; return what was done, in words."""
    return rolling_back.roll_back(model, reason)


def load_status(model: str) -> RolloutStatus | None:
    """Return the model's latest rollout; None: it never had one."""
    return wiring.get_rollout_store().load(model)


def load_history(model: str) -> list[HistoryEntry]:
    """Return the model's releases, oldest first, with when each version served."""
    return wiring.get_ledger().read_history(model)
