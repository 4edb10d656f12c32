"""Optimize: the fastest variant that keeps parity and quality; the plain one where none is faster with confidence."""

from dataclasses import replace
from typing import Any

from slipway import wiring
from slipway.artifacts.store import compute_file_digest
from slipway.domain.optimize.conversion import Converted, Optimized, Variant
from slipway.domain.release.record import StageName
from slipway.domain.spec.release import OptimizationSpec
from slipway.domain.verdict import Outcome, Verdict
from slipway.settings import settings
from slipway.usecases.stages.fetch import Holdout
from slipway.usecases.stages.stage import Stage, begin_stage


def optimize_model(converted: Converted | None, rows: Holdout, spec: OptimizationSpec) -> Stage[Converted | None]:
    """Measure a few variants beside the plain model in a clean process, and hand on the one that ships."""
    watch = begin_stage(StageName.OPTIMIZE)
    if converted is None:
        return watch.stage(None)
    out = settings().store / "variants" / converted.digest.removeprefix("sha256:")
    result = wiring.get_optimizer().optimize(converted, rows.path, spec, out)
    said = Verdict(check="speed", outcome=Outcome.PASS, reason=result.reason, blocking=False)
    return watch.stage(
        _choose_file(converted, result), (said,), table=[_make_row(variant, result) for variant in result.table]
    )


def _choose_file(converted: Converted, result: Optimized) -> Converted:
    chosen = result.chosen
    if chosen.path is None:
        return converted
    digest = compute_file_digest(chosen.path)
    return replace(converted, path=chosen.path, digest=digest, rows_independent=chosen.rows_independent)


def _make_row(variant: Variant, result: Optimized) -> dict[str, Any]:
    return {
        "variant": variant.name,
        "chosen": variant.name == result.chosen.name,
        "size_bytes": variant.size_bytes,
        "median_microseconds": variant.median_microseconds,
        "speedup": variant.speedup,
        "speedup_low": variant.speedup_low,
        "speedup_high": variant.speedup_high,
        "parity": variant.parity.reason if variant.parity else "",
        "note": variant.note,
    }
