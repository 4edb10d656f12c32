"""The report's summary: Markdown for Prefect's UI."""

from collections.abc import Sequence

from slipway.adapters.report import view
from slipway.domain.release.record import ReleaseRecord
from slipway.domain.verdict import Outcome, Verdict

SYMBOLS = {Outcome.PASS: "✅", Outcome.FAIL: "❌", Outcome.INCONCLUSIVE: "❔", Outcome.NO_DATA: "⚪"}
SHOWN_CHANGES = 30


def render_summary(record: ReleaseRecord) -> str:
    """Return the decision, the facts, verdicts and the timeline as Markdown; all of its values are escaped."""
    parts = [
        f"# {_escape_text(record.model)} {record.version}: {view.get_headline(record)[1]}",
        _escape_text(record.reason),
        _format_table(("", ""), view.list_facts(record)),
        _format_table(("", "", ""), view.list_figures(record)) if record.stages else "",
        "## What the judge saw" if record.judged else "",
        _format_table(("metric", "", "why"), _list_judged(record)) if record.judged else "",
        "## Gates" if record.stages else "",
        _format_table(("stage", "check", "", "why"), _list_gates(record)) if record.stages else "",
        "## What clients of the champion would notice" if view.list_differences(record) else "",
        _format_table(("", "what"), view.list_differences(record)) if view.list_differences(record) else "",
        "## Timeline" if record.timeline else "",
        _format_table(("when", "phase", "weight", "why"), _list_changes(record)) if record.timeline else "",
        " · ".join(f"[{_escape_text(name)}](<{address}>)" for name, address in view.list_links(record)),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _list_gates(record: ReleaseRecord) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for gate in view.list_gates(record):
        rows += [(gate.stage, verdict.title, _format_badge(verdict), verdict.reason) for verdict in gate.shown]
        if gate.folded:
            rows.append((gate.stage, f"{len(gate.folded)} more", f"{SYMBOLS[Outcome.PASS]} PASS", ""))
    return rows


def _list_judged(record: ReleaseRecord) -> list[tuple[str, ...]]:
    return [(verdict.title, _format_symbol(verdict), verdict.reason) for verdict in record.judged]


def _format_badge(verdict: Verdict) -> str:
    return _format_symbol(verdict) + ("" if verdict.blocking else " (shown only)")


def _format_symbol(verdict: Verdict) -> str:
    return f"{SYMBOLS[verdict.outcome]} {verdict.outcome.value}"


def _list_changes(record: ReleaseRecord) -> Sequence[tuple[str, ...]]:
    rows = view.list_changes(record)[-SHOWN_CHANGES:]
    return [(when, one.phase.value, f"{one.weight_percent} %", one.reason) for when, one in rows]


def _format_table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = ["| " + " | ".join(header) + " |", "|" + " --- |" * len(header)]
    lines += ["| " + " | ".join(_escape_text(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def _escape_text(text: str) -> str:
    r"""Return text escaped for Markdown.

    >>> _escape_text("a|b <i>_x_</i>")
    'a\\|b &lt;i&gt;\\_x\\_&lt;/i&gt;'
    """
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    for character in "\\`*_[]|#":
        escaped = escaped.replace(character, f"\\{character}")
    return " ".join(escaped.split())
