"""The documents that Slipway keeps, each with its format number and its migrations."""

from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter

from slipway.domain.judge.checks import AFTER_PROMOTION
from slipway.domain.judge.readings import Source
from slipway.domain.release.record import HistoryEntry, ReleaseRecord
from slipway.domain.rollout.status import HoldReason, RolloutStatus
from slipway.domain.stored.format import Format, Json, rename_keys

CHECKS_1 = {
    "error rate": "error_rate",
    "refused requests": "refused_requests",
    "shed requests": "shed_requests",
    "non-finite answers": "non_finite_answers",
    "latency": "latency",
    "wrong answers": "wrong_answers",
    "scores": "scores",
    "class mix": "class_mix",
    "latency, any quantile": "latency_any_quantile",
    "shadow errors": "shadow_errors",
    "shadow disagreement": "shadow_disagreement",
    "shadow latency": "shadow_latency",
    "input drift": "input_drift",
    "quality": "quality",
    "conversion": "conversion",
}
"""Format 1 kept evidence and verdicts under the words that people read then. They stay when a title changes."""
AFTER_1 = "after promotion: "
HOLDS_1 = {
    "both versions fail together": HoldReason.BOTH_FAIL,
    "stable fails on": HoldReason.STABLE_FAILS,
    "the router sent": HoldReason.WRONG_ROUTE,
    "requests can't be counted": HoldReason.NOT_COUNTED,
    "live values of": HoldReason.INPUTS_DRIFTED,
}
"""By the first words of a look's sentence: format 1 stored the reason nowhere else."""
WEIGHTS_STAY_1 = "the weights stay"
WITHOUT_WINDOWS_1, RATIOS_1, WINDOW_1 = 132, 59, 8
"""Numbers in a tally before there were windows; the first of them, by ratio; and numbers that a window has."""


def _migrate_status_1(document: Json) -> Json:
    """Key evidence and verdicts by `Check`, and give each moment the reason that kept the weights."""
    changed = dict(document)
    for part in ("evidence", "evidence_after_promotion"):
        if isinstance(document.get(part), Mapping):
            changed[part] = _migrate_evidence_1(document[part])
    if "verdicts" in document:
        changed["verdicts"] = _migrate_verdicts_1(document["verdicts"])
    if "timeline" in document:
        changed["timeline"] = _migrate_timeline_1(document["timeline"])
    return changed


def _migrate_evidence_1(evidence: Mapping[str, Any]) -> Json:
    rates = {
        check: {**rate, "tally": _migrate_tally_1(rate["tally"])} if "tally" in rate else rate
        for check, rate in rename_keys(evidence.get("rates", {}), CHECKS_1).items()
    }
    cursors = {source: cursor for source, cursor in evidence.get("cursors", {}).items() if source in list(Source)}
    return {**evidence, "rates": rates, "cursors": cursors}


def _migrate_tally_1(tally: list[float]) -> list[float]:
    """Add an empty window to a tally of the time before there were windows: what it counted rests on no window."""
    if len(tally) != WITHOUT_WINDOWS_1:
        return tally
    return [*tally, *tally[:RATIOS_1], *[0.0] * WINDOW_1]


def _migrate_verdicts_1(verdicts: list[Json]) -> list[Json]:
    return [{**verdict, "check": _rename_check_1(verdict["check"])} for verdict in verdicts]


def _rename_check_1(check: str) -> str:
    after, name = check.startswith(AFTER_1), check.removeprefix(AFTER_1)
    return f"{AFTER_PROMOTION if after else ''}{CHECKS_1.get(name, name)}"


def _migrate_timeline_1(timeline: list[Json]) -> list[Json]:
    return [{**moment, "hold": _find_hold_1(moment)} for moment in timeline]


def _find_hold_1(moment: Json) -> str | None:
    if moment.get("phase") != "shifting":
        return None
    reason = str(moment.get("reason", ""))
    known = next((hold for start, hold in HOLDS_1.items() if reason.startswith(start)), None)
    return known or (HoldReason.STABLE_NOT_READY if WEIGHTS_STAY_1 in reason else None)


def _migrate_status_2(document: Json) -> Json:
    """Name the platform of each revision's serving."""
    revisions = {name: document[name] for name in ("canary", "stable") if document.get(name)}
    return {**document, **{name: tag_serving(revision) for name, revision in revisions.items()}}


def tag_serving(revision: Json) -> Json:
    """Name the platform of a revision's serving: before there were platforms, all had Kubernetes' keys."""
    serving = revision.get("serving")
    return {**revision, "serving": {"platform": "kubernetes", **serving}} if serving else revision


def _migrate_record_1(document: Json) -> Json:
    """Key the judge's verdicts by `Check`, and give each moment the reason that kept the weights."""
    changed = dict(document)
    if "judged" in document:
        changed["judged"] = _migrate_verdicts_1(document["judged"])
    if "timeline" in document:
        changed["timeline"] = _migrate_timeline_1(document["timeline"])
    return changed


STATUS = Format("status", 3, TypeAdapter(RolloutStatus), (_migrate_status_1, _migrate_status_2))
RECORD = Format("release record", 2, TypeAdapter(ReleaseRecord), (_migrate_record_1,))
ENTRY = Format("line of the history", 1, TypeAdapter(HistoryEntry))
