"""A release as an MLflow run: parameters, metrics over time and tags, within MLflow's limits. Pure."""

import math
import re
from collections.abc import Iterator
from datetime import date
from enum import StrEnum
from pathlib import PurePath
from typing import Any

from slipway.domain.release.record import ReleaseRecord
from slipway.domain.rollout.status import Moment

BATCH = {"params": 100, "metrics": 1000, "tags": 100}
"""Number that MLflow accepts in one call."""
KEY_CHARACTERS, PARAMETER_CHARACTERS, TAG_CHARACTERS = 250, 6000, 5000
REASON_CHARACTERS = 2000
"""Characters of the reason in a tag: the record in the artifact has all of it."""
LARGEST = 1.7976931348623157e308
"""Stands for infinity, which JSON does not have."""


class RunTag(StrEnum):
    """Tags of a release's run."""

    RELEASE_ID = "slipway.release_id"
    """By it the run is found."""
    MODEL = "slipway.model"
    VERSION = "slipway.version"
    STATE = "slipway.state"
    TRIGGER = "slipway.trigger"
    DIGEST = "slipway.digest"
    REPLACED = "slipway.replaced"
    ENTRY = "slipway.entry"
    """The release's line of the history: one search reads them all."""
    MEASURED_UNTIL = "slipway.measured_until"
    """Timestamp, in milliseconds, up to which metrics are written: MLflow is slow at writing them twice."""
    DESCRIPTION = "mlflow.note.content"
    """MLflow's own: its page shows it as the run's description."""


def read_known(run: dict[str, Any]) -> tuple[set[str], dict[str, str]]:
    """Return the names of the parameters that a run has, and its tags."""
    tags = {str(tag["key"]): str(tag.get("value", "")) for tag in run["data"].get("tags", [])}
    return {str(param["key"]) for param in run["data"].get("params", [])}, tags


def list_parameters(record: ReleaseRecord, known: set[str]) -> list[dict[str, Any]]:
    """Return the spec as flat parameters, without those that the run has: MLflow refuses to write one twice."""
    flat = {
        _clean_key(name): _cut_text(str(value), PARAMETER_CHARACTERS)
        for name, value in flatten_parameters(record.parameters)
    }
    return [{"key": key, "value": value} for key, value in flat.items() if key not in known]


def list_metrics(record: ReleaseRecord, *, after: int) -> list[dict[str, Any]]:
    """Return the timeline as metrics over time (step: seconds since the release began), stages' seconds, numbers.

    The judge's last verdicts are included, one value per metric and number: `judge/error_rate/ratio_low`.
    `after` is a timestamp in milliseconds: values that are not newer were written before.
    """
    found = [
        _make_metric(record, moment.at, *pair) for moment in record.timeline for pair in _list_look_numbers(moment)
    ]
    for stage in record.stages:
        name = stage.name.replace(" ", "_")
        found.append(_make_metric(record, stage.ended_at, f"seconds/{name}", stage.ended_at - stage.started_at))
        for verdict in stage.verdicts:
            prefix = f"{name}/{verdict.check.replace(' ', '_')}"
            found += [
                _make_metric(record, stage.ended_at, f"{prefix}/{key}", value) for key, value in verdict.numbers.items()
            ]
    found += _list_judge_metrics(record)
    found.append(_make_metric(record, record.ended_at, "seconds/release", record.ended_at - record.started_at))
    return [metric for metric in found if metric["timestamp"] > after and not math.isnan(metric["value"])]


def list_tags(record: ReleaseRecord, entry: str, measured: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the tags to filter by in MLflow, the line of the history, and the timestamp of the last metric written."""
    until = {RunTag.MEASURED_UNTIL: str(max(metric["timestamp"] for metric in measured))} if measured else {}
    named = until | {
        RunTag.RELEASE_ID: record.release_id,
        RunTag.MODEL: record.model,
        RunTag.VERSION: str(record.version),
        RunTag.STATE: record.state.value,
        RunTag.TRIGGER: record.trigger,
        RunTag.DIGEST: record.digest,
        RunTag.REPLACED: "" if record.replaced is None else str(record.replaced),
        RunTag.DESCRIPTION: record.reason,
        RunTag.ENTRY: entry,
    }
    return [{"key": key, "value": _cut_text(value, TAG_CHARACTERS)} for key, value in named.items()]


def flatten_parameters(value: object, name: str = "") -> Iterator[tuple[str, object]]:
    """Yield the leaves of nested JSON values with dotted names.

    >>> dict(flatten_parameters({"judge": {"alpha": 0.01}, "steps": [{"weight_percent": 5}], "note": None}))
    {'judge.alpha': 0.01, 'steps.0.weight_percent': 5, 'note': None}
    """
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from flatten_parameters(inner, f"{name}.{key}".lstrip("."))
    elif isinstance(value, list | tuple) and value:
        for index, inner in enumerate(value):
            yield from flatten_parameters(inner, f"{name}.{index}".lstrip("."))
    else:
        yield name, value


def convert_to_plain(value: Any) -> Any:  # noqa: ANN401 - whatever JSON can't say
    """Return a JSON value for values in stages' details: numpy's scalars and arrays, paths, dates.

    Raises TypeError for anything else: a record must be readable again.
    """
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, PurePath | date):
        return str(value)
    message = f"a release record holds {type(value).__name__}, which JSON has no form for"
    raise TypeError(message)


def _list_look_numbers(moment: Moment) -> list[tuple[str, float]]:
    return [
        ("weight_percent", moment.weight_percent),
        ("evidence_against", moment.evidence_against),
        ("evidence_for", moment.evidence_for),
        ("canary/requests", moment.canary.requests),
        ("canary/errors", moment.canary.errors),
        ("stable/requests", moment.stable.requests),
        ("stable/errors", moment.stable.errors),
    ]


def _list_judge_metrics(record: ReleaseRecord) -> list[dict[str, Any]]:
    """Return the numbers behind the judge's verdicts, at the moment of its last look."""
    at = record.timeline[-1].at if record.timeline else record.ended_at
    return [
        _make_metric(record, at, "/".join(("judge", re.sub(r"\W+", "_", verdict.check), name)), value)
        for verdict in record.judged
        for name, value in verdict.numbers.items()
    ]


def _make_metric(record: ReleaseRecord, at: float, name: str, value: float) -> dict[str, Any]:
    return {
        "key": _clean_key(name),
        "value": max(-LARGEST, min(LARGEST, float(value))) if not math.isnan(value) else math.nan,
        "timestamp": round(at * 1000),
        "step": round(at - record.started_at),
    }


def _clean_key(name: str) -> str:
    """Return a name in the form that MLflow accepts.

    >>> _clean_key("expectations[0] of pixel#3")
    'expectations_0_ of pixel_3'
    """
    return re.sub(r"[^\w\-. /:]", "_", name, flags=re.ASCII)[:KEY_CHARACTERS] or "_"


def _cut_text(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
