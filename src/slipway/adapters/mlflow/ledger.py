"""The ledger of releases: one MLflow run per release. MLflow is the history; there is no database of ours."""

import json
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, TypeVar, cast

from pydantic import ValidationError
from pydantic_core import to_json

from slipway.adapters.mlflow import artifacts, runs
from slipway.adapters.mlflow.refusals import MlflowRefused
from slipway.adapters.mlflow.rest import MlflowRest
from slipway.adapters.mlflow.runs import RunTag
from slipway.domain.release import history
from slipway.domain.release.record import HistoryEntry, ReleaseRecord
from slipway.domain.release.version import ReleaseState
from slipway.domain.stored.format import NUMBER, Format
from slipway.domain.stored.formats import ENTRY, RECORD
from slipway.errors import ArtifactBroken, NotFound

EXPERIMENTS = "slipway/"
"""Prefix of the name of our experiments, before the model's name."""
RECORD_FILE, REPORT_FILE = "release.json", "report.html"
STATUS = {
    ReleaseState.RELEASING: "RUNNING",
    ReleaseState.PROMOTED: "FINISHED",
    ReleaseState.SUPERSEDED: "KILLED",
    ReleaseState.ROLLED_BACK: "FAILED",
    ReleaseState.STOPPED: "FAILED",
}
PAGE = 1000
"""Runs, experiments, or values per call: MLflow's own limit."""


T = TypeVar("T", ReleaseRecord, HistoryEntry)


class MlflowLedger:
    """Implements `ports.ledger.ReleaseLedger` for an MLflow server."""

    def __init__(self, uri: str, timeout_seconds: float) -> None:
        """Store the address of MLflow and the time limit of one call; nothing is sent. Raises SettingsError."""
        self._rest = MlflowRest(uri, timeout_seconds)

    def write(self, record: ReleaseRecord, report: Path | None) -> str:
        """Write a release's run, artifacts first and its final status last, and return the run's id.

        Written again, the same release keeps its run: tags and artifacts are replaced, existing parameters and metrics
        are kept. Raises RegistryUnavailable, and ArtifactBroken when the report can't be read.
        """
        run = self._find_run(record.release_id) or self._create_run(record)
        run_id, uri = str(run["info"]["run_id"]), str(run["info"]["artifact_uri"])
        artifacts.upload_file(self._rest, uri, RECORD_FILE, _dump_json(RECORD, record))
        if report is not None:
            artifacts.upload_file(self._rest, uri, REPORT_FILE, _read_report(report))
        line = history.make_entry(record, run_id)
        entry = _dump_json(ENTRY, replace(line, reason=line.reason[: runs.REASON_CHARACTERS])).decode()
        params, tags = runs.read_known(run)
        self._log_batches(run_id, "params", runs.list_parameters(record, params))
        metrics = runs.list_metrics(record, after=int(tags.get(RunTag.MEASURED_UNTIL, "0")))
        self._log_batches(run_id, "metrics", metrics)
        self._log_batches(run_id, "tags", runs.list_tags(record, entry, metrics))
        ended = {} if record.state is ReleaseState.RELEASING else {"end_time": round(record.ended_at * 1000)}
        self._rest.call("POST", "runs/update", body={"run_id": run_id, "status": STATUS[record.state]} | ended)
        return run_id

    def read(self, release_id: str) -> ReleaseRecord:
        """Return one record; raises NotFound (also while it is first written), RegistryUnavailable.

        Raises ArtifactBroken for a damaged one.
        """
        run = self._find_run(release_id)
        if run is None:
            raise NotFound(
                f"release {release_id}",
                seen="no run with this tag in MLflow",
                expected="a release that was recorded",
                do="`slipway history MODEL` lists the releases of a model",
            )
        try:
            content = artifacts.read_file(self._rest, str(run["info"]["artifact_uri"]), RECORD_FILE)
        except ArtifactBroken as missing:
            if run["info"]["status"] != STATUS[ReleaseState.RELEASING]:
                raise
            raise NotFound(
                f"release {release_id}",
                seen="a run whose record is still being written",
                expected="a whole record",
                do="look again in a moment",
            ) from missing
        try:
            return RECORD.load(json.loads(content), f"release {release_id}")
        except ValueError as error:
            raise _make_damaged_error(str(run["info"]["run_id"]), RECORD_FILE, error) from error

    def read_history(self, model: str) -> list[HistoryEntry]:
        """Return what happened to a model's versions, oldest first; empty: it never had a release.

        Two calls, whatever the number of releases (up to 1000 per call). Raises RegistryUnavailable, and
        ArtifactBroken for a run whose tag was edited.
        """
        experiment = self._find_experiment(model)
        if experiment is None:
            return []
        request = {"experiment_ids": [experiment["experiment_id"]], "max_results": PAGE}
        found = self._rest.list_items("POST", "runs/search", "runs", request)
        return history.find_serving_periods(entry for run in found if (entry := _read_entry(run)) is not None)

    def _find_run(self, release_id: str) -> dict[str, Any] | None:
        """Return the run of a release, from any model's experiment."""
        request = {"filter": f"name LIKE '{EXPERIMENTS}%'", "max_results": PAGE}
        experiments = self._rest.list_items("POST", "experiments/search", "experiments", request)
        ids = [str(experiment["experiment_id"]) for experiment in experiments]
        if not ids or "'" in release_id:  # release ids are made of model names: there is no quote in them
            return None
        request = {
            "experiment_ids": ids,
            "filter": f"tags.`{RunTag.RELEASE_ID}` = '{release_id}'",
            "order_by": ["attributes.start_time ASC"],
            "max_results": 1,
        }
        found: list[dict[str, Any]] = self._rest.call("POST", "runs/search", body=request).get("runs", [])
        return found[0] if found else None

    def _create_run(self, record: ReleaseRecord) -> dict[str, Any]:
        request = {
            "experiment_id": self._get_experiment_id(record.model),
            "run_name": record.release_id,
            "start_time": round(record.started_at * 1000),
            "tags": [
                {"key": RunTag.RELEASE_ID, "value": record.release_id},
                {"key": "mlflow.user", "value": "slipway"},
            ],
        }
        return dict(self._rest.call("POST", "runs/create", body=request)["run"])

    def _find_experiment(self, model: str) -> dict[str, Any] | None:
        try:
            found = self._rest.call("GET", "experiments/get-by-name", query={"experiment_name": EXPERIMENTS + model})
        except MlflowRefused as error:
            if error.missing:
                return None
            raise
        return dict(found["experiment"])

    def _get_experiment_id(self, model: str) -> str:
        """Return the id of the model's experiment: created if missing, restored if deleted."""
        experiment = self._find_experiment(model)
        if experiment is None:
            return self._create_experiment(model)
        if experiment.get("lifecycle_stage") == "deleted":
            self._rest.call("POST", "experiments/restore", body={"experiment_id": experiment["experiment_id"]})
        return str(experiment["experiment_id"])

    def _create_experiment(self, model: str) -> str:
        try:
            return str(
                self._rest.call("POST", "experiments/create", body={"name": EXPERIMENTS + model})["experiment_id"]
            )
        except MlflowRefused as error:
            experiment = self._find_experiment(model) if error.code == "RESOURCE_ALREADY_EXISTS" else None
            if experiment is None:
                raise
            return str(experiment["experiment_id"])  # another process was faster

    def _log_batches(self, run_id: str, kind: str, items: list[dict[str, Any]]) -> None:
        for batch in _split_batches(items, runs.BATCH[kind]):
            self._rest.call("POST", "runs/log-batch", body={"run_id": run_id, kind: batch})


def _read_entry(run: dict[str, Any]) -> HistoryEntry | None:
    """Return the line in a run; None for a run without one, which is not ours or not complete yet."""
    _, tags = runs.read_known(run)
    if RunTag.ENTRY not in tags:
        return None
    try:
        return ENTRY.load(json.loads(tags[RunTag.ENTRY]), f"MLflow run {run['info']['run_id']}")
    except ValueError as error:
        raise _make_damaged_error(str(run["info"]["run_id"]), f"tag {RunTag.ENTRY}", error) from error


def _dump_json(kept: Format[T], value: T) -> bytes:
    """Return a value as JSON; infinities as text, because JSON has none and an e-value can be infinite."""
    named = {one.name: getattr(value, one.name) for one in fields(cast("Any", value))}
    return to_json({NUMBER: kept.number, **named}, inf_nan_mode="strings", fallback=runs.convert_to_plain)


def _make_damaged_error(run_id: str, part: str, error: ValueError) -> ArtifactBroken:
    seen = str(error)
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        seen = f"{'.'.join(map(str, first['loc'])) or 'the document'}: {first['msg']}"
    return ArtifactBroken(
        f"{part} of MLflow run {run_id}",
        seen=seen,
        expected="what Slipway wrote",
        do="restore it, or delete the run in MLflow: its release then leaves the history",
    )


def _read_report(report: Path) -> bytes:
    try:
        return report.read_bytes()
    except OSError as error:
        raise ArtifactBroken(
            f"report {report.name}",
            seen=error.strerror or type(error).__name__,
            expected="the page that was just written",
            do="look at SLIPWAY_HOME/reports, then record the release again",
        ) from error


def _split_batches(items: list[dict[str, Any]], size: int) -> Iterator[list[dict[str, Any]]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
