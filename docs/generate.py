"""Writes what docs/ and deployments/ take from the code: `make docs`. A test keeps them in step."""

import json
from pathlib import Path
from typing import Any

from pydantic_settings import BaseSettings

from docs import figures
from slipway.platforms import list_settings
from slipway.settings import Settings
from slipway.specs import format_schema, make_schema

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
        *_settings_table(Settings),
    ]
    for target, group in list_settings().items():
        lines += ["", f"## Target `{target}`", "", *_settings_table(group)]
    return "\n".join(lines) + "\n"


def _settings_table(group: type[BaseSettings]) -> list[str]:
    lines = ["| variable | default | what it is |", "|---|---|---|"]
    for name, field in group.model_fields.items():
        default = "" if field.default is None else str(field.default)
        shown = f"`{default}`" if default else ""
        lines.append(f"| `SLIPWAY_{name.upper()}` | {shown} | {field.description} |")
    return lines


def spec_page() -> str:
    """Return docs/release-spec.md: every key of the release spec, from the schema that editors use."""
    document = make_schema()
    lines = [
        GENERATED,
        "# Release spec",
        "",
        "One strict YAML document per model. Unknown keys are errors; every error is reported with its line",
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
    if branches := field.get("anyOf", field.get("oneOf")):
        return " \\| ".join(_type(one, document) for one in branches)
    if "const" in field:
        return f"`{field['const']}`"
    if "enum" in field:
        return " \\| ".join(f"`{choice}`" for choice in field["enum"])
    if field.get("type") == "array":
        return f"list of {_type(field['items'], document)}"
    return " ".join([str(field.get("type", field.get("const", "any"))), *_bounds(field)])


def _bounds(field: dict[str, Any]) -> list[str]:
    words = {"exclusiveMinimum": ">", "minimum": ">=", "exclusiveMaximum": "<", "maximum": "<="}
    return [f"{sign} {field[key]:g}" for key, sign in words.items() if key in field]


def readme() -> str:
    """Return README.md with the figures that the benchmarks measured."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for name, rows in (
        ("figures", _figures()),
        ("decisions", _decisions()),
        ("cluster", _cluster()),
        ("serving", _serving()),
    ):
        begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
        before, _, rest = text.partition(begin)
        text = before + begin + "\n" + rows + end + rest.partition(end)[2]
    return text


def _measured(benchmark: str) -> dict[str, Any]:
    found = json.loads((ROOT / "benchmarks" / benchmark / "results.json").read_text(encoding="utf-8"))
    return dict(found)


def _cluster() -> str:
    figures, images = _measured("kubernetes")["figures"], _measured("images")["figures"]
    lost, sent = (figures[name]["value"] for name in ("requests_lost", "requests_sent"))
    calls, seconds = figures["reconcile_idle_api_calls"]["value"], figures["reconcile_500_seconds"]["value"]
    pull = images["onnx_release_layer_megabytes"]["value"] * 1000
    rows = [
        ("requests lost: first releases, promotions, rollbacks, behind a Gateway", f"{lost:g} of {sent:,}"),
        ("first bad answer of a version to its last request", _tenths(figures["bad_to_zero_weight_seconds"])),
        ("p99 during a rollback, over p99 before", _tenths(figures["rollback_p99_ratio"], "")),
        ("the next version of a model: package and push", _tenths(figures["second_package_push_seconds"])),
        ("what a node pulls for it", f"{pull:.0f} kB; the first one {images['onnx_image_megabytes']['value']:.0f} MB"),
        ("calls to the API server for a rollout", _count(figures["api_calls_per_release"])),
        ("`reconcile` over 500 models at rest", f"{seconds:.1f} s, {calls:g} calls to the API server"),
    ]
    lines = [f"| {name} | {value} |" for name, value in rows]
    return "\n".join(["| measured | median (smallest to largest) |", "|---|---|", *lines]) + "\n"


def _serving() -> str:
    figures = _measured("serving")["figures"]
    peers = {"FastAPI": "fastapi", "MLServer": "mlserver", "KServe": "kserve", "Triton": "triton"}
    peers |= {"BentoML `@api`": "bentoml_api"}
    over, tails = (
        ", ".join(f"{name} {figures[f'{what}vs_{key}_c8']['value']:.1f}" for name, key in peers.items())
        for what in ("", "p99_")
    )
    bare = ", ".join(f"{figures[f'vs_bare_asgi_c{count}']['value']:.2f}" for count in (1, 8, 32, 128))
    over_grpc = ", ".join(
        f"{name} {figures[f'grpc_vs_{key}_c8']['value']:.1f}"
        for name, key in (("KServe", "kserve"), ("Triton", "pytriton"))
    )
    over_http = f"{figures['grpc_vs_http_c8']['value']:.2f}"
    rows = [
        ("requests per second over those of a bare ASGI function that checks nothing, 1, 8, 32, 128 clients", bare),
        ("the same over other servers, 8 clients", over),
        ("their p99 over ours, 8 clients", tails),
        (
            "gRPC: requests per second over our own HTTP, over other servers' gRPC, 8 clients",
            f"{over_http}; {over_grpc}",
        ),
        ("p99 at three times the capacity, over p99 at 80 %", _tenths(figures["overload_p99_ratio"], "")),
        ("from its start to the first answer", _tenths(figures["cold_start_seconds"])),
        ("a worker's memory, over the bare function's", _tenths(figures["memory_ratio_vs_bare_asgi"], "")),
    ]
    lines = [f"| {name} | {value} |" for name, value in rows]
    return "\n".join(["| measured, digits forest | |", "|---|---|", *lines]) + "\n"


def _tenths(figure: dict[str, Any], unit: str = " s") -> str:
    low, high = figure["interval"]
    return f"{figure['value']:.1f}{unit} ({low:.1f} to {high:.1f})"


WORLDS = ("cold_replicas", "clusters", "batches", "first_release", "second_release", "gusts_any_time")
"""Of the benchmark of decisions: false rollbacks that a claim of 1 % is about."""


def _decisions() -> str:
    found = _measured("decisions")
    ours = found["comparisons"]["slipway"]
    live = found["comparisons"].get("slipway-no-shadow", ours)  # results measured before there was a shadow have none
    equal = [one for one in found["scenarios"] if one["equal"] and not one.get("figure")]
    medians = ours["exposure_ratio_medians"]
    rows = [
        (f"healthy canaries rolled back, worst of {len(equal)} scenarios", f"{_percent(ours['false_rollback_max'])}"),
        (
            "the same: cold replicas, repeats, batches, gusts, a model's first releases, worst",
            _percent(max(found[f"false_rollback_{world}"] for world in WORLDS)),
        ),
        ("doubled errors at 50 requests/s that the default plan misses", _percent(ours["missed_2x_at_50rps"])),
        (
            "bad answers until rollback, over those of the best peer tuned to the same rate of false rollbacks",
            _ratios(medians["vs_best_tuned_peer"], ours["exposure_ratio_vs_best_tuned_peer"]),
        ),
        (
            "the same, over those of a test that knows the truth (no test can have fewer)",
            _ratios(medians["vs_floor"], ours["exposure_ratio_vs_floor"]),
        ),
        (
            "time to rollback, over that of the test that knows the truth",
            _ratios(live["median_delay_ratio_median"], live["median_delay_ratio_vs_sprt"]),
        ),
        ("doubled errors found before any live request, where copies show them", _percent(found["found_in_shadow_2x"])),
        (
            "five times the errors, from minutes after promotion on: found after",
            f"{found['late_fault_seconds']:.0f} s (median), {found['late_fault_slowest_seconds']:.0f} s (slowest)",
        ),
        ("one look at 20 metrics", f"{found['look_milliseconds']:.2f} ms"),
    ]
    lines = [f"| {name} | {value} |" for name, value in rows]
    return "\n".join(["| measured | |", "|---|---|", *lines]) + "\n"


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %"


def _ratios(median: float, worst: float) -> str:
    return f"{median:.2g} (median scenario), {worst:.2g} (worst)"


def _figures() -> str:
    figures = _measured("release")["figures"]
    lost, sent, runs = (figures[name]["value"] for name in ("requests_lost", "requests_sent", "runs"))
    rows = [
        ("requests lost", f"{lost} of {sent:,} in {runs} runs"),
        ("a release, from registration to promotion", _seconds(figures["lead_time_seconds"])),
        ("of it, not waiting for evidence (gates, ONNX, Bento, two boots)", _seconds(figures["overhead_seconds"])),
        ("of it, waiting for evidence at 40 requests/s", _seconds(figures["evidence_seconds"])),
        ("requests that the bad version 3 failed before it was taken back", _count(figures["exposed_requests"])),
        *(
            ("of these, failures that the client saw: version 2 answered in its place", _count(figures[name]))
            for name in ("client_visible_failures",)
            if name in figures  # results that were measured before there was a rescue have none
        ),
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
        ROOT / "deployments" / "release-spec.schema.json": format_schema(),
    }


if __name__ == "__main__":
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
    figures.write_plot(figures.PLOT)
