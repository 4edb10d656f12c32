"""The page's view model, from a record: words and numbers ready for the template, which decides nothing."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from slipway.adapters.report.wording import THIN, format_duration, format_named, format_rate, format_short, format_time
from slipway.domain.release.record import ReleaseRecord, StageRecord
from slipway.domain.release.version import ReleaseState
from slipway.domain.rollout.status import Moment, Phase
from slipway.domain.verdict import Outcome, Verdict

ROLL_OUT = "roll out"
SHOWN_PASSES = 4
"""Passed checks of one stage that are shown at once; more are folded."""
HIDDEN_DETAILS = {"path", "table", "labels", "differences"}
"""Not in the list of facts: a path of one machine, and values that are shown elsewhere."""

WORDS = {
    ReleaseState.PROMOTED: ("good", "promoted", "Version {version} was promoted: it got all traffic."),
    ReleaseState.ROLLED_BACK: ("bad", "rolled back", "Version {version} was rolled back."),
    ReleaseState.STOPPED: ("bad", "stopped", "Version {version} was stopped before it got any traffic."),
    ReleaseState.SUPERSEDED: ("dim", "superseded", "Version {version} made room for a newer one."),
    ReleaseState.RELEASING: ("busy", "under way", "Version {version} is being released."),
}
"""By state: colour, badge, headline."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One stage in the lead-time chart; left and width in percent of the whole."""

    name: str
    left: float
    width: float
    text: str
    waits: bool
    """Whether it waits for evidence: the rollout."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """One stage's verdicts: those to be seen at once, and passed ones to be folded."""

    stage: str
    shown: tuple[Verdict, ...]
    folded: tuple[Verdict, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A stage's table: the optimizer's."""

    header: tuple[str, ...]
    rows: tuple[tuple[tuple[str, ...], bool], ...]
    """Cells, and whether the row is the chosen one."""


def get_headline(record: ReleaseRecord) -> tuple[str, str, str]:
    """Return the colour, the badge and the headline of a release."""
    colour, badge, sentence = WORDS[record.state]
    return colour, badge, sentence.format(version=record.version)


def list_facts(record: ReleaseRecord) -> list[tuple[str, str]]:
    """Return what identifies the release."""
    replaced = f"version {record.replaced}" if record.replaced is not None else "nothing: the first release"
    return [
        ("model", record.model),
        ("version", str(record.version)),
        ("release", record.release_id),
        ("champion before", replaced),
        ("requested by", record.trigger),
        ("began", format_time(record.started_at)),
        ("ended", format_time(record.ended_at)),
        ("artifact", record.digest or "could not be fetched"),
    ]


def list_figures(record: ReleaseRecord) -> list[tuple[str, str, str]]:
    """Return the most important numbers: label, value, remark."""
    found = [("lead time", format_duration(record.ended_at - record.started_at), _describe_overhead(record))]
    if was_compared(record):
        last = record.timeline[-1]
        for name, arm in (("canary errors", last.canary), ("stable errors", last.stable)):
            if not arm.requests:
                continue  # rolled back under shadow: the canary got no live request
            found.append((name, format_rate(arm.errors, arm.requests), f"{arm.errors:,} of {arm.requests:,} requests"))
    rehearsed = _find_details(record, "rehearse")
    if {"p50_milliseconds", "p99_milliseconds"} <= rehearsed.keys():
        remark = f"half under {format_short(rehearsed['p50_milliseconds'])}{THIN}ms, one row each"
        found.append(("rehearsed p99", f"{format_short(rehearsed['p99_milliseconds'])}{THIN}ms", remark))
    if "memory_mebibytes" in rehearsed:
        found.append(("memory", f"{format_short(rehearsed['memory_mebibytes'])}{THIN}MiB", "at its peak, rehearsed"))
    return found


def was_compared(record: ReleaseRecord) -> bool:
    """Return whether the judge counted anything: a first release has nothing to compare with."""
    return any(
        one.canary.requests or one.stable.requests or one.evidence_against != one.evidence_for
        for one in record.timeline
    )


def list_gates(record: ReleaseRecord) -> list[Gate]:
    """Return every stage with verdicts; those that did not pass are first and never folded."""
    found = []
    for stage in record.stages:
        remarkable = [verdict for verdict in stage.verdicts if verdict.outcome is not Outcome.PASS]
        passed = [verdict for verdict in stage.verdicts if verdict.outcome is Outcome.PASS]
        room = SHOWN_PASSES if len(passed) > SHOWN_PASSES + 1 else len(passed)
        if stage.verdicts:
            gate = Gate(stage=stage.name, shown=(*remarkable, *passed[:room]), folded=tuple(passed[room:]))
            found.append(gate)
    return found


def list_bars(record: ReleaseRecord) -> list[Bar]:
    """Return the stages as bars from the release's beginning to its end; they overlap where the stages did."""
    spans = [(stage.name, stage.started_at, stage.ended_at) for stage in _list_stages(record)]
    begins = min([record.started_at, *(start for _, start, _ in spans)])
    whole = max([record.ended_at, *(end for *_, end in spans)]) - begins or 1.0
    return [
        Bar(
            name=name,
            left=100 * (start - begins) / whole,
            width=max(0.4, 100 * (end - start) / whole),
            text=format_duration(end - start),
            waits=name == ROLL_OUT,
        )
        for name, start, end in spans
    ]


def list_stage_facts(record: ReleaseRecord) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return the details of stages next to their verdicts, by stage."""
    noted = []
    for stage in record.stages:
        plain = {name: value for name, value in stage.details.items() if name not in HIDDEN_DETAILS}
        pairs = [
            format_named(name, value) for name, value in plain.items() if isinstance(value, str | int | float | bool)
        ]
        if pairs:
            noted.append((stage.name, pairs))
    return noted


def list_variants(record: ReleaseRecord) -> Table | None:
    """Return the optimizer's table; None if nothing was measured."""
    rows: list[Mapping[str, Any]] = _find_details(record, "optimize").get("table") or []
    if not rows:
        return None
    header = ("variant", "size", "median", "faster than plain", "parity", "note")
    return Table(header=header, rows=tuple((_format_variant(row), bool(row.get("chosen"))) for row in rows))


def list_differences(record: ReleaseRecord) -> list[tuple[str, str]]:
    """Return the differences for clients of the champion, breaking ones first: kind and sentence."""
    found = [one for stage in record.stages for one in stage.details.get("differences") or ()]
    rows = [(str(one["kind"]), str(one["sentence"])) for one in found]
    return sorted(rows, key=lambda row: row[0] != "breaking")


def list_changes(record: ReleaseRecord) -> list[tuple[str, Moment]]:
    """Return the timeline's moments where phase or weight changed, and the last one, each with its time."""
    kept: list[Moment] = []
    for one in record.timeline:
        if not kept or (one.phase, one.weight_percent) != (kept[-1].phase, kept[-1].weight_percent):
            kept.append(one)
    last = record.timeline[-1] if record.timeline else None
    if last is not None and last is not kept[-1] and last.reason != kept[-1].reason:
        kept.append(last)
    return [(f"+{format_duration(one.at - record.started_at)}", one) for one in kept]


def list_links(record: ReleaseRecord) -> list[tuple[str, str]]:
    """Return the links that may be shown: http and https only, no user and password."""
    named_links = record.parameters.get("links") or {}
    good = []
    for name, address in named_links.items():
        parts = urlsplit(str(address))
        if parts.scheme in {"http", "https"} and parts.hostname:
            good.append((str(name), parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()))
    return good


def flatten_spec(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield the spec's keys and values; `links` is no part of it.

    >>> list(flatten_spec({"judge": {"alpha": 0.01}, "links": {}, "steps": [{"w": 1}]}))
    [('judge.alpha', '0.01'), ('steps[0].w', '1')]
    """
    for name, value in values.items():
        if prefix or name != "links":
            yield from _flatten_value(f"{prefix}{name}", value)


def read_parameter(record: ReleaseRecord, path: str, otherwise: float) -> float:
    """Return one of the spec's numbers by its path (`judge.alpha`)."""
    value: Any = record.parameters
    for part in path.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return float(value) if isinstance(value, int | float) else otherwise


def find_rollout_span(record: ReleaseRecord) -> tuple[float, float] | None:
    """Return when the rollout began, and when it was decided (its bake window is no lead time)."""
    if not record.timeline:
        return None
    over = {Phase.BAKING, Phase.SUCCEEDED, Phase.ROLLED_BACK, Phase.STOPPED}
    ends = (one.at for one in record.timeline if one.phase in over)
    return record.timeline[0].at, next(ends, record.timeline[-1].at)


def _flatten_value(key: str, value: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - any JSON value
    if isinstance(value, Mapping):
        yield from flatten_spec(value, f"{key}.")
    elif isinstance(value, list) and value:
        for number_, item in enumerate(value):
            yield from _flatten_value(f"{key}[{number_}]", item)
    else:
        yield key, "none" if value is None or value == [] else str(value)


def _list_stages(record: ReleaseRecord) -> list[StageRecord]:
    """Return the stages with the rollout as one of them, whether or not it was recorded as a stage."""
    span = find_rollout_span(record)
    if span is None or any(stage.name == ROLL_OUT for stage in record.stages):
        return list(record.stages)
    return [*record.stages, StageRecord(name=ROLL_OUT, started_at=span[0], ended_at=span[1])]


def _describe_overhead(record: ReleaseRecord) -> str:
    """Describe how much of the lead time was not waiting for evidence."""
    span = find_rollout_span(record)
    if span is None:
        return "all of it gates"
    waiting = span[1] - span[0]
    return f"{format_duration(max(0.0, record.ended_at - record.started_at - waiting))} before traffic moved"


def _find_details(record: ReleaseRecord, stage: str) -> dict[str, Any]:
    return next((one.details for one in record.stages if one.name == stage), {})


def _format_variant(row: Mapping[str, Any]) -> tuple[str, ...]:
    if not row.get("median_microseconds"):
        return str(row["variant"]), "-", "-", "-", str(row.get("parity", "")), str(row.get("note", ""))
    return (
        str(row["variant"]),
        f"{row['size_bytes'] / 1024:,.1f}{THIN}KiB",
        f"{format_short(row['median_microseconds'])}{THIN}µs",
        f"{row['speedup']:.2f}x ({row['speedup_low']:.2f} to {row['speedup_high']:.2f})",
        str(row.get("parity", "")),
        str(row.get("note", "")),
    )
