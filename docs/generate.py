"""Writes what docs/ and deployments/ take from the code: `make docs`. A test keeps them in step."""

import json
from pathlib import Path
from typing import Any

from slipway.settings import Settings
from slipway.specs import schema, schema_text

ROOT = Path(__file__).resolve().parents[1]
GENERATED = "<!-- written by `make docs` -->"


def settings_page() -> str:
    """Return docs/settings.md: every setting, from its own description."""
    lines = [
        GENERATED,
        "# Settings",
        "",
        "Where things are, read from the environment. `slipway doctor` shows the values in force.",
        "",
        "| variable | default | what it is |",
        "|---|---|---|",
    ]
    for name, field in Settings.model_fields.items():
        default = "" if field.default is None else str(field.default)
        shown = f"`{default}`" if default else ""
        lines.append(f"| `SLIPWAY_{name.upper()}` | {shown} | {field.description} |")
    return "\n".join(lines) + "\n"


def spec_page() -> str:
    """Return docs/release-spec.md: every key of the release spec, from the schema that editors use."""
    document = schema()
    lines = [
        GENERATED,
        "# Release spec",
        "",
        "One strict YAML document per model. Unknown keys are errors; every error is told with its line",
        "(`slipway spec check FILE`). `slipway spec init` writes a commented one.",
        "[The demo's](../deployments/models/digits.yaml) is a short example.",
    ]
    lines += _section("The document", document, document)
    for name, part in document["$defs"].items():
        if part.get("type") == "object":
            lines += _section(name, part, document)
    return "\n".join(lines) + "\n"


def _section(title: str, part: dict[str, Any], document: dict[str, Any]) -> list[str]:
    lines = [
        "",
        f"## {title}",
        "",
        *([part["description"], ""] if "description" in part and title != "The document" else []),
    ]
    lines += ["| key | type | default | what it is |", "|---|---|---|---|"]
    for key, field in part["properties"].items():
        required = key in part.get("required", [])
        default = "**required**" if required else _shown(field.get("default"))
        lines.append(f"| `{key}` | {_type(field, document)} | {default} | {field.get('description', '')} |")
    return lines


def _shown(default: object) -> str:
    if isinstance(default, dict | list):
        return "" if not default else "see below"
    if default == "":
        return ""
    return f"`{'null' if default is None else str(default).lower() if isinstance(default, bool) else default}`"


def _type(field: dict[str, Any], document: dict[str, Any]) -> str:
    if "$ref" in field:
        name = field["$ref"].rpartition("/")[2]
        part = document["$defs"][name]
        return (
            " \\| ".join(f"`{choice}`" for choice in part["enum"]) if "enum" in part else f"[{name}](#{name.lower()})"
        )
    if "anyOf" in field:
        return " \\| ".join(_type(one, document) for one in field["anyOf"])
    if "enum" in field:
        return " \\| ".join(f"`{choice}`" for choice in field["enum"])
    if field.get("type") == "array":
        return f"list of {_type(field['items'], document)}"
    return " ".join([str(field.get("type", field.get("const", "any"))), *_bounds(field)])


def _bounds(field: dict[str, Any]) -> list[str]:
    words = {"exclusiveMinimum": ">", "minimum": ">=", "exclusiveMaximum": "<", "maximum": "<="}
    return [f"{sign} {field[key]:g}" for key, sign in words.items() if key in field]


def readme() -> str:
    """Return README.md with the figures that the release benchmark measured."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    begin, end = "<!-- figures:begin -->", "<!-- figures:end -->"
    before, _, rest = text.partition(begin)
    return before + begin + "\n" + _figures() + end + rest.partition(end)[2]


def _figures() -> str:
    found = json.loads((ROOT / "benchmarks" / "release" / "results.json").read_text(encoding="utf-8"))
    figures = found["figures"]
    lost, sent, runs = (figures[name]["value"] for name in ("requests_lost", "requests_sent", "runs"))
    rows = [
        ("requests lost", f"{lost} of {sent:,} in {runs} runs"),
        ("a release, from registration to promotion", _seconds(figures["lead_time_seconds"])),
        ("of it, not waiting for evidence (gates, ONNX, Bento, two boots)", _seconds(figures["overhead_seconds"])),
        ("of it, waiting for evidence at 40 requests/s", _seconds(figures["evidence_seconds"])),
        ("requests that the bad version 3 failed before it was taken back", _count(figures["exposed_requests"])),
    ]
    lines = [f"| {name} | {value} |" for name, value in rows]
    return "\n".join(["| measured | median (smallest to largest) |", "|---|---|", *lines]) + "\n"


def _seconds(figure: dict[str, Any]) -> str:
    low, high = figure["interval"]
    return f"{figure['value']:.0f} s ({low:.0f} to {high:.0f})"


def _count(figure: dict[str, Any]) -> str:
    low, high = figure["interval"]
    return f"{figure['value']:g} ({low:g} to {high:g})"


def pages() -> dict[Path, str]:
    """Return every generated file with its content."""
    return {
        ROOT / "README.md": readme(),
        ROOT / "docs" / "settings.md": settings_page(),
        ROOT / "docs" / "release-spec.md": spec_page(),
        ROOT / "deployments" / "release-spec.schema.json": schema_text(),
    }


if __name__ == "__main__":
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
