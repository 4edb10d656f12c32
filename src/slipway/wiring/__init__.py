"""Which adapter stands behind which port. The one place that knows both; every import is made when it is needed."""

from typing import TYPE_CHECKING

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
from slipway.ports.rollouts import Leases, RolloutStore
from slipway.ports.target import Target
from slipway.project import find_root
from slipway.settings import settings
from slipway.wiring import cluster
from slipway.wiring.once import once

if TYPE_CHECKING:
    from slipway.adapters.local.rollouts import LocalRollouts
    from slipway.adapters.mlflow.webhooks import MlflowWebhooks


@once
def registry() -> ModelRegistry:
    """Return the model registry: MLflow."""
    from slipway.adapters.mlflow.registry import MlflowRegistry

    return MlflowRegistry(settings().mlflow, settings().registry_timeout_seconds)


@once
def ledger() -> ReleaseLedger:
    """Return the record of releases: MLflow runs."""
    from slipway.adapters.mlflow.ledger import MlflowLedger

    return MlflowLedger(settings().mlflow, settings().registry_timeout_seconds)


def webhooks(timeout_seconds: float | None = None) -> "MlflowWebhooks":
    """Return MLflow's webhooks; `timeout_seconds` limits one call, None: as the settings say."""
    from slipway.adapters.mlflow.webhooks import MlflowWebhooks

    return MlflowWebhooks(settings().mlflow, timeout_seconds or settings().registry_timeout_seconds)


@once
def validator() -> DataValidator:
    """Return the check of data: Great Expectations."""
    from slipway.adapters.expectations import GreatExpectationsValidator

    return GreatExpectationsValidator()


@once
def runner() -> ModelRunner:
    """Return what runs a downloaded model, in a process of its own."""
    from slipway.adapters.runner.runner import SubprocessModelRunner

    return SubprocessModelRunner()


@once
def optimizer() -> Optimizer:
    """Return the converter and optimizer: ONNX and ONNX Runtime."""
    from slipway.adapters.onnx.optimizer import OnnxOptimizer

    return OnnxOptimizer()


@once
def packager() -> Packager:
    """Return the packager: BentoML."""
    from slipway.adapters.bento.packager import BentoPackager

    return BentoPackager(settings().home / "bentoml", find_root())


def images() -> ImageStore | None:
    """Return where packages are pushed as images; None: the target serves them from their folder."""
    return cluster.images() if _on_cluster() else None


@once
def rehearsal() -> Rehearsal:
    """Return what tries a package: the Bento as a process."""
    from slipway.adapters.bento.rehearsal import ProcessRehearsal

    return ProcessRehearsal(settings().home / "rehearsals")


@once
def target() -> Target:
    """Return where models serve: a namespace of a cluster, or Envoy and supervised processes on this machine."""
    if _on_cluster():
        return cluster.target()
    from slipway.adapters.bento.serving import serve_command
    from slipway.adapters.local.target import LocalTarget

    here = settings()
    return LocalTarget(here.target_home, here.host, here.front_door_port, here.envoy_admin_port, serve_command)


@once
def rollouts() -> RolloutStore:
    """Return the rollouts' status: it lies with the target."""
    return cluster.rollouts() if _on_cluster() else _files()


@once
def leases() -> Leases:
    """Return the leases: they lie with the target."""
    return cluster.rollouts() if _on_cluster() else _files()


@once
def metrics() -> MetricSource:
    """Return the counters: Prometheus', or Envoy's."""
    if _on_cluster():
        return cluster.metrics()
    from slipway.adapters.local.metrics import EnvoyMetrics

    return EnvoyMetrics(settings().target_home, settings().envoy_admin_port, settings().host)


@once
def recorded() -> RecordedRequests:
    """Return the live requests that revisions recorded: in their logs."""
    if _on_cluster():
        return cluster.recorded()
    from slipway.adapters.local.recorded import LoggedRequests

    return LoggedRequests(settings().target_home)


@once
def labels() -> LabelStore:
    """Return the labels that came late: a file of this home, wherever models serve."""
    from slipway.adapters.local.labels import LocalLabels

    return LocalLabels(settings().target_home)


@once
def orchestrator() -> Orchestrator:
    """Return what starts flow runs: Prefect."""
    from slipway.adapters.prefect.orchestrator import PrefectOrchestrator

    return PrefectOrchestrator(settings().prefect)


@once
def notifier() -> Notifier:
    """Return what tells others: Prefect events."""
    from slipway.adapters.prefect.notifier import PrefectNotifier

    return PrefectNotifier(settings().prefect)


@once
def reporter() -> Reporter:
    """Return what writes the release's page."""
    from slipway.adapters.report.html import HtmlReporter

    return HtmlReporter()


def _on_cluster() -> bool:
    return settings().target == "kubernetes"


def _files() -> "LocalRollouts":
    from slipway.adapters.local.rollouts import LocalRollouts

    return LocalRollouts(settings().target_home)
