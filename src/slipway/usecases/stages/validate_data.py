"""Validate data: the rows that the gates judge with, before anything is judged with them."""

from slipway import wiring
from slipway.domain.release.record import StageName
from slipway.domain.release.version import Signature
from slipway.domain.spec.release import DataSpec
from slipway.usecases.retrying import idempotent
from slipway.usecases.stages.fetch import Holdout
from slipway.usecases.stages.stage import Stage, begin_stage


@idempotent
def validate_data(rows: Holdout, spec: DataSpec, signature: Signature) -> Stage[None]:
    """Run the spec's expectations, completed from the model's signature; critical ones block, warnings are shown."""
    watch = begin_stage(StageName.VALIDATE_DATA)
    verdicts = wiring.get_validator().validate(rows.path, spec, signature)
    return watch.stage(None, tuple(verdicts), rows_digest=rows.digest)
