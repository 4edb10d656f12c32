"""Which adapter stands behind which port: those of the target that `SLIPWAY_TARGET` names, and those that all share.

Every adapter is imported when it is needed.
"""

from typing import TYPE_CHECKING

from slipway.once import once
from slipway.platforms import Platform, find_platform
from slipway.ports.data import DataValidator
from slipway.ports.images import ImageStore
from slipway.ports.labels import LabelStore
from slipway.ports.ledger import ReleaseLedger
from slipway.ports.metrics import MetricSource
from slipway.ports.models import ModelRunner
from slipway.ports.notifier import Notifier
from slipway.ports.optimizer import Optimizer
from slipway.ports.orchestrator import Orchestrator
from slipway.ports.packager import Packager
from slipway.ports.recorded import RecordedRequests
from slipway.ports.registry import ModelRegistry
from slipway.ports.rehearsal import Rehearsal
from slipway.ports.reporter import Reporter
from slipway.ports.revisions import Revisions, Scaler
from slipway.ports.rollouts import HeldLeases, Leases, RolloutStore
from slipway.ports.router import Router
from slipway.project import find_root
from slipway.settings import settings

if TYPE_CHECKING:
    from slipway.adapters.mlflow.webhooks import MlflowWebhooks


@once
def get_registry() -> ModelRegistry:
    """Return the model registry: MLflow."""
    from slipway.adapters.mlflow.registry import MlflowRegistry

    return MlflowRegistry(settings().mlflow, settings().registry_timeout_seconds)


@once
def get_ledger() -> ReleaseLedger:
    """Return the record of releases: MLflow runs."""
    from slipway.adapters.mlflow.ledger import MlflowLedger

    return MlflowLedger(settings().mlflow, settings().registry_timeout_seconds)


def make_webhooks(timeout_seconds: float | None = None) -> "MlflowWebhooks":
    """Return MLflow's webhooks; `timeout_seconds` limits one call, None: as the settings say."""
    from slipway.adapters.mlflow.webhooks import MlflowWebhooks

    return MlflowWebhooks(settings().mlflow, timeout_seconds or settings().registry_timeout_seconds)


@once
def get_validator() -> DataValidator:
    """Return the check of data: Great Expectations."""
    from slipway.adapters.expectations import GreatExpectationsValidator

    return GreatExpectationsValidator()


@once
def get_runner() -> ModelRunner:
    """Return what runs a downloaded model, in a process of its own."""
    from slipway.adapters.runner.runner import SubprocessModelRunner

    return SubprocessModelRunner()


@once
def get_optimizer() -> Optimizer:
    """Return the converter and optimizer: ONNX and ONNX Runtime."""
    from slipway.adapters.onnx.optimizer import OnnxOptimizer

    return OnnxOptimizer()


@once
def get_packager() -> Packager:
    """Return the packager: BentoML."""
    from slipway.adapters.bento.packager import BentoPackager

    return BentoPackager(settings().home / "bentoml", find_root())


@once
def get_rehearsal() -> Rehearsal:
    """Return what tries a package: the Bento as a process."""
    from slipway.adapters.bento.rehearsal import ProcessRehearsal

    return ProcessRehearsal(settings().home / "rehearsals")


def get_platform() -> Platform:
    """Return the target. Raises SettingsError for a name that is none."""
    return find_platform(settings().target)


def get_revisions() -> Revisions:
    """Return the model versions that run."""
    return get_platform().revisions()


def get_router() -> Router:
    """Return what shares live requests between revisions."""
    return get_platform().router()


def get_scaler() -> Scaler | None:
    """Return what scales revisions; None: a revision is one process."""
    scaler = get_platform().scaler
    return scaler() if scaler else None


def get_image_store() -> ImageStore | None:
    """Return where packages are pushed as images; None: they are served from their folders."""
    images = get_platform().images
    return images() if images else None


def get_rollout_store() -> RolloutStore:
    """Return the rollouts' status: it lies with the target."""
    return get_platform().rollouts()


def get_leases() -> Leases:
    """Return the leases: they lie with the target."""
    return get_platform().leases()


def get_held_leases() -> HeldLeases:
    """Return the leases that others hold."""
    return get_platform().held_leases()


def get_metric_source() -> MetricSource:
    """Return the counters of the target's router, and what revisions count themselves."""
    return get_platform().metrics()


def get_recorded_requests() -> RecordedRequests:
    """Return the live requests that revisions recorded: in their logs."""
    return get_platform().recorded()


def find_addresses(model: str) -> dict[str, str]:
    """Return where a model takes requests, by protocol; empty: Slipway does not know."""
    addresses = get_platform().addresses
    return addresses(settings(), model) if addresses else {}


@once
def get_label_store() -> LabelStore:
    """Return the labels that came late: a file of this home, wherever models serve."""
    from slipway.adapters.local.labels import LocalLabels

    return LocalLabels(settings().target_home)


@once
def get_orchestrator() -> Orchestrator:
    """Return what starts flow runs: Prefect."""
    from slipway.adapters.prefect.orchestrator import PrefectOrchestrator

    return PrefectOrchestrator(settings().prefect)


@once
def get_notifier() -> Notifier:
    """Return what tells others: Prefect events."""
    from slipway.adapters.prefect.notifier import PrefectNotifier

    return PrefectNotifier(settings().prefect)


@once
def get_reporter() -> Reporter:
    """Return what writes the release's page."""
    from slipway.adapters.report.html import HtmlReporter

    return HtmlReporter()
