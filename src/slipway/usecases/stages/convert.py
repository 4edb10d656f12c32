"""Convert: the model as ONNX, where a converter takes it and both agree."""

from pathlib import Path

from slipway import wiring
from slipway.domain.judge.checks import Check
from slipway.domain.optimize.conversion import Converted, name_columns
from slipway.domain.release.record import StageName
from slipway.domain.release.version import Artifact, Signature
from slipway.domain.spec.release import ConversionSpec
from slipway.domain.verdict import Outcome, Verdict
from slipway.errors import ConversionRefused
from slipway.settings import settings
from slipway.usecases.stages.fetch import Holdout
from slipway.usecases.stages.stage import Stage, begin_stage


def convert_model(
    challenger: Artifact, signature: Signature, rows: Holdout, spec: ConversionSpec
) -> Stage[Converted | None]:
    """Convert and compare; a model that can't be converted, or that answers differently then, is served as it is."""
    watch = begin_stage(StageName.CONVERT)
    if not spec.enabled:
        return watch.stage(None, (_serve_unconverted("the spec turns conversion off"),))
    try:
        named = name_columns(signature, rows.columns)
        converted = wiring.get_optimizer().convert(challenger.path, named, rows.path, spec, _find_folder(challenger))
    except ConversionRefused as no:
        return watch.stage(None, (_serve_unconverted(no.seen),))
    if converted.parity.outcome is not Outcome.PASS:
        return watch.stage(None, (_serve_unconverted(converted.parity.reason),))
    return watch.stage(converted, (converted.parity,), onnx_digest=converted.digest)


def _find_folder(challenger: Artifact) -> Path:
    return settings().store / "onnx" / challenger.digest.removeprefix("sha256:")


def _serve_unconverted(reason: str) -> Verdict:
    """Conversion is an optimization, never a precondition."""
    return Verdict(
        check=Check.CONVERSION,
        outcome=Outcome.INCONCLUSIVE,
        reason=f"served as it is (pyfunc): {reason}",
        blocking=False,
    )
