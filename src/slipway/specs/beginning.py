"""A first spec for a model, written from its signature: short, commented, and valid without changes."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from slipway.domain.release.version import Column, Signature
from slipway.errors import SpecError
from slipway.specs.files import format_path, load_spec

SCHEMA = "../release-spec.schema.json"
"""Path of the schema, relative to a folder of specs."""
SUGGESTED = 40
"""Columns that expectations are suggested for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """The user's input on a model that has no spec yet."""

    model: str
    label: str
    """Column that holds the truth."""
    data: Path
    """Rows file, relative to the current folder (in `format_spec`: to the spec's)."""
    allow_pickle: bool = False


def begin_spec(path: Path, draft: Draft, signature: Signature) -> Path:
    """Write a commented spec for a model to a new file, and return the file.

    Raises SpecError if the file exists, or if the spec would be invalid; then no file is left.
    """
    relative = Path(os.path.relpath(draft.data.absolute(), path.absolute().parent))
    text = format_spec(replace(draft, data=relative), signature)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as there:
        raise SpecError(
            f"release spec {format_path(path)}",
            seen="a file of that name",
            expected="none yet",
            do="edit it, or write elsewhere with --out",
        ) from there
    try:
        load_spec(path)
    except SpecError:
        path.unlink()
        raise
    return path


def format_spec(draft: Draft, signature: Signature) -> str:
    """Return a spec's text; keys that are left out have the schema's defaults."""
    columns = [column for column in signature.inputs if len(column.shape) == 1]
    metric = _guess_metric(signature.outputs)
    pickle = "allow_pickle: true  # loading this model runs code from its file\n" if draft.allow_pickle else ""
    return f"""\
# yaml-language-server: $schema={SCHEMA}
# How {draft.model} is released. Keys that are left out have defaults: hover over a key in your editor, or see the
# schema.
model: {_quote_text(draft.model)}
description: ""  # for people
{pickle}
data:
  path: {_quote_text(draft.data.as_posix())}
  label: {_quote_text(draft.label)}  # the truth; it is not shown to the model
  minimum_rows: 50
{_suggest_expectations(columns)}
quality:
  metric: {metric}
  tolerance: {_TOLERANCES[metric]}  # how much worse than the champion is acceptable, in the metric's unit
  on_inconclusive: pass  # the canary will tell; or: stop, approve

rehearsal:
  requests: 100
  # p99_limit_milliseconds: 50  # over it the release stops
  # memory_limit_mebibytes: 1024

rollout:
  shadow:
    duration_seconds: 900  # a copy of live requests; its answers go to nobody
    at_least_seconds: 120  # over from here on, once copies have shown that the canary is no worse
  steps:  # weights go up, from at_least_seconds on as soon as the evidence allows; `slipway plan` predicts how long
    - {{weight_percent: 1, duration_seconds: 300, at_least_seconds: 60}}
    - {{weight_percent: 5, duration_seconds: 600, at_least_seconds: 240}}
    - {{weight_percent: 25, duration_seconds: 600, at_least_seconds: 180}}
    - {{weight_percent: 50, duration_seconds: 600, at_least_seconds: 60}}
  deadline_seconds: 3600  # how long the last step may wait for evidence
  on_deadline: hold  # or: roll-back, promote
  approval: false  # true: ask a person before promotion
  bake_seconds: 3600  # the old version stays warm for this long
  hold_back_percent: 5  # and keeps so many of the requests: faults that begin late are found

judge:
  alpha: 0.01  # chance of ever rolling back a healthy version
  errors:
    tolerance: 2.0  # failing this many times as often as the stable version counts as worse
    negligible: 0.002  # a share of errors that nobody minds
  latency:
    quantile: 0.95  # slow is what the slowest 5 % of the stable version's answers take; or threshold_milliseconds
  # scores: {{tolerance: 0.1}}  # the mean predicted number must stay within this
  # classes: {{tolerance: 0.1}}  # the mix of predicted labels must stay within this
  # labels: {{}}  # answers that turn out wrong, told with `slipway labels`
  # drift: {{action: warn}}  # inputs compared with the validation rows
"""


_TOLERANCES = {"accuracy": 0.01, "mean_absolute_error": 0.0}
"""The suggested metric; only a person knows how large an error of a regression is harmless."""


def _suggest_expectations(columns: Sequence[Column]) -> str:
    """Return suggestions as comments: ranges and choices are not in a signature, so a person must fill them in."""
    if not columns:
        return "  # expectations:              # on top of types, shapes and nulls\n"
    lines = ["  # Types, shapes and nulls follow from the model's signature. What only you know, in these places:"]
    lines.append("  # expectations:")
    lines += [f"  #   - {_suggest_expectation(column)}" for column in columns[:SUGGESTED]]
    if len(columns) > SUGGESTED:
        lines.append(f"  # ... and {len(columns) - SUGGESTED} columns more")
    return "\n".join(lines) + "\n"


def _suggest_expectation(column: Column) -> str:
    if column.kind in {"str", "object"}:
        return f"{{column: {_quote_text(column.name)}, allowed: [one, another], severity: critical}}"
    if column.kind == "bool":
        return f"{{column: {_quote_text(column.name)}, allowed: [true, false], severity: warning}}"
    return f"{{column: {_quote_text(column.name)}, minimum: 0, maximum: 1, severity: critical}}"


def _guess_metric(outputs: Sequence[Column]) -> str:
    """Guess: a floating-point answer is a regression's, anything else a class."""
    first = outputs[0].kind if outputs else ""
    return "mean_absolute_error" if first.startswith("float") else "accuracy"


def _quote_text(value: str) -> str:
    """Return text as YAML: unquoted if it is unambiguous, otherwise quoted."""
    plain = value.replace("-", "a").replace("_", "a").replace("/", "a").replace(".", "a")
    words = {"null", "true", "false", "yes", "no", "on", "off", "y", "n"}
    simple = plain.isascii() and plain.isalnum() and value[0].isalpha() and value.lower() not in words
    return value if simple else json.dumps(value)
