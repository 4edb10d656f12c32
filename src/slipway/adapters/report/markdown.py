"""The report's summary: Markdown for Prefect's UI."""

from collections.abc import Sequence

from slipway.adapters.report import view
from slipway.domain.release.record import ReleaseRecord
from slipway.domain.verdict import Outcome, Verdict

SYMBOLS = {Outcome.PASS: "✅", Outcome.FAIL: "❌", Outcome.INCONCLUSIVE: "❔", Outcome.NO_DATA: "⚪"}
SHOWN_CHANGES = 30


def summary(record: ReleaseRecord) -> str:
    """Return the decision, the facts, verdicts and the timeline as Markdown; all of its values are escaped."""
    parts = [
        f"# {_text(record.model)} {record.version}: {view.headline(record)[1]}",
        _text(record.reason),
        _table(("", ""), view.facts(record)),
        _table(("", "", ""), view.figures(record)) if record.stages else "",
        "## What the judge saw" if record.judged else "",
        _table(("metric", "", "why"), _judged(record)) if record.judged else "",
        "## Gates" if record.stages else "",
        _table(("stage", "check", "", "why"), _gates(record)) if record.stages else "",
        "## What clients of the champion would notice" if view.differences(record) else "",
        _table(("", "what"), view.differences(record)) if view.differences(record) else "",
        "## Timeline" if record.timeline else "",
        _table(("when", "phase", "weight", "why"), _changes(record)) if record.timeline else "",
        " · ".join(f"[{_text(name)}](<{address}>)" for name, address in view.links(record)),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _gates(record: ReleaseRecord) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for gate in view.gates(record):
        rows += [(gate.stage, verdict.title, _badge(verdict), verdict.reason) for verdict in gate.shown]
        if gate.folded:
            rows.append((gate.stage, f"{len(gate.folded)} more", f"{SYMBOLS[Outcome.PASS]} PASS", ""))
    return rows


def _judged(record: ReleaseRecord) -> list[tuple[str, ...]]:
    return [(verdict.title, _symbol(verdict), verdict.reason) for verdict in record.judged]


def _badge(verdict: Verdict) -> str:
    return _symbol(verdict) + ("" if verdict.blocking else " (shown only)")


def _symbol(verdict: Verdict) -> str:
    return f"{SYMBOLS[verdict.outcome]} {verdict.outcome.value}"


def _changes(record: ReleaseRecord) -> Sequence[tuple[str, ...]]:
    rows = view.changes(record)[-SHOWN_CHANGES:]
    return [(when, one.phase.value, f"{one.weight_percent} %", one.reason) for when, one in rows]


def _table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = ["| " + " | ".join(header) + " |", "|" + " --- |" * len(header)]
    lines += ["| " + " | ".join(_text(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def _text(text: str) -> str:
    r"""Return text escaped for Markdown.

    >>> _text("a|b <i>_x_</i>")
    'a\\|b &lt;i&gt;\\_x\\_&lt;/i&gt;'
    """
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    for character in "\\`*_[]|#":
        escaped = escaped.replace(character, f"\\{character}")
    return " ".join(escaped.split())
