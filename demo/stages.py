"""The progress of a release while its gates run: its task runs, read from Prefect's API."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx

_SUFFIX = re.compile(r"-[0-9a-f]{3,}$")
"""Prefect ends the names of task runs with a few hex digits."""
GATES = ("fetch", "check contract", "validate data", "validate model", "convert", "optimize", "package", "rehearse")
"""The tasks before any traffic, in the order of their beginning."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StageSeen:
    """One task run."""

    name: str
    """The task's own name: `validate data`."""
    state: str
    """Prefect's: PENDING, RUNNING, COMPLETED, FAILED, ..."""
    seconds: float
    """How long it ran, so far."""

    @property
    def ended(self) -> bool:
        """Whether it has ended."""
        return self.state in {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSeen:
    """One flow run of `release`, with its tasks in the order in which they began."""

    run_id: str
    state: str
    message: str = ""
    """The message of its state; after a failure, the reason."""
    stages: tuple[StageSeen, ...] = ()

    @property
    def broken(self) -> bool:
        """Whether it ended without a decision."""
        return self.state in {"FAILED", "CRASHED", "CANCELLED"}


class Releases:
    """Looks releases up in Prefect."""

    def __init__(self, api: str) -> None:
        """Store the API's address; nothing is sent."""
        self._http = httpx.Client(base_url=api, timeout=5, trust_env=False)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def run_of(self, model: str, version: int) -> RunSeen | None:
        """Return the newest flow run for a version; None: none yet, or Prefect does not answer now."""
        names = {"flow_runs": {"name": {"any_": [f"release {model} {version}"]}}, "sort": "START_TIME_DESC", "limit": 1}
        try:
            runs = self._post("/flow_runs/filter", names)
            if not runs:
                return None
            tasks = self._post(
                "/task_runs/filter",
                {"flow_runs": {"id": {"any_": [runs[0]["id"]]}}, "sort": "EXPECTED_START_TIME_ASC", "limit": 200},
            )
        except (httpx.HTTPError, ValueError):
            return None  # then the display is slightly old
        return seen(runs[0], tasks)

    def _post(self, path: str, body: dict[str, Any]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._http.post(path, json=body).raise_for_status().json()
        return found


def seen(run: dict[str, Any], tasks: list[dict[str, Any]]) -> RunSeen:
    """Return a flow run and its task runs from Prefect's API as our types."""
    state = run.get("state") or {}
    begun = sorted((task for task in tasks if task.get("start_time")), key=lambda task: str(task["start_time"]))
    return RunSeen(
        run_id=str(run["id"]),
        state=str(run.get("state_type") or "SCHEDULED"),
        message=str(state.get("message") or ""),
        stages=tuple(_stage(task) for task in begun),
    )


def _stage(task: dict[str, Any]) -> StageSeen:
    return StageSeen(
        name=_SUFFIX.sub("", str(task["name"])),
        state=str(task.get("state_type") or "PENDING"),
        seconds=_seconds(task),
    )


def _seconds(task: dict[str, Any]) -> float:
    """Return the time from the task's first start to its end; to Prefect's own estimate if it still runs."""
    if task.get("end_time"):
        began, ended = (datetime.fromisoformat(str(task[name])) for name in ("start_time", "end_time"))
        return (ended - began).total_seconds()
    return float(task.get("estimated_run_time") or 0.0)
