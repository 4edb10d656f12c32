"""Checks prefect.yaml key by key: Prefect drops a misspelt key without a word.

Run as `python -m tests.lint.prefect_yaml prefect.yaml`; every problem is a line; with any the exit code is 1.
"""

import difflib
import importlib
import sys
from pathlib import Path
from typing import Any

import yaml
from prefect.flows import Flow

TOP = {"name", "prefect-version", "definitions", "build", "push", "pull", "deployments"}
DEPLOYMENT = {
    "name", "version", "version_type", "tags", "description", "schedule", "schedules", "paused", "concurrency_limit",
    "flow_name", "entrypoint", "parameters", "enforce_parameter_schema", "work_pool", "triggers", "sla",
    "build", "push", "pull",
}  # fmt: skip
NESTED = {
    "work_pool": {"name", "work_queue_name", "job_variables"},
    "concurrency_limit": {"limit", "collision_strategy", "grace_period_seconds"},
    "schedules": {"interval", "anchor_date", "cron", "day_or", "rrule", "timezone", "active", "parameters", "slug"},
}  # fmt: skip
REQUIRED = {"name", "entrypoint", "description", "tags", "work_pool"}


def problems(document: dict[str, Any]) -> list[str]:
    """Return what is wrong with a prefect.yaml, one sentence each; nothing when it is right."""
    found = _unknown("prefect.yaml", document, TOP)
    for deployment in document.get("deployments", []):
        found += _deployment(deployment)
    return found


def _deployment(deployment: dict[str, Any]) -> list[str]:
    place = f"deployment {deployment.get('name', '(no name)')!r}"
    found = _unknown(place, deployment, DEPLOYMENT)
    found += [f"{place}: no {key}" for key in sorted(REQUIRED - set(deployment))]
    for key, allowed in NESTED.items():
        values = deployment.get(key, [])
        for value in values if isinstance(values, list) else [values]:
            if isinstance(value, dict):
                found += _unknown(f"{place}, {key}", value, allowed)
    return found + _entrypoint(place, deployment)


def _entrypoint(place: str, deployment: dict[str, Any]) -> list[str]:
    """Check that the entry point is a flow, and that every parameter is one of its own and described."""
    module, _, name = str(deployment.get("entrypoint", "")).rpartition(".")
    try:
        flow = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as no:
        return [f"{place}: entrypoint {deployment.get('entrypoint')!r} can't be imported: {no}"]
    if not isinstance(flow, Flow):
        return [f"{place}: {name} is no flow"]
    properties = flow.parameters.properties
    found = [
        f"{place}: flow {name} has no parameter {key!r}"
        for key in deployment.get("parameters") or {}
        if key not in properties
    ]
    return found + [
        f"{place}: parameter {key!r} of flow {name} has no description: the form in Prefect's UI needs one"
        for key, schema in properties.items()
        if not schema.get("description")
    ]


def _unknown(place: str, mapping: dict[str, Any], allowed: set[str]) -> list[str]:
    sentences = []
    for key in mapping:
        if key not in allowed:
            close = difflib.get_close_matches(str(key), allowed, n=1)
            hint = f"; did you mean {close[0]!r}?" if close else f"; allowed: {', '.join(sorted(allowed))}"
            sentences.append(f"{place}: unknown key {key!r}{hint}")
    return sentences


def main(path: str) -> int:
    """Print the problems of one file; return the exit code."""
    found = problems(yaml.safe_load(Path(path).read_text(encoding="utf-8")))
    for sentence in found:
        sys.stderr.write(f"{path}: {sentence}\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
