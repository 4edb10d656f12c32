"""The stages of a release before any traffic. Results are cached by content if a stage depends on nothing else."""

from prefect import task
from prefect.cache_policies import NO_CACHE

from slipway.usecases.stages.check_contract import check_contract as check_contract_step
from slipway.usecases.stages.convert import convert_model
from slipway.usecases.stages.fetch import fetch_artifacts
from slipway.usecases.stages.optimize import optimize_model
from slipway.usecases.stages.package import build_package
from slipway.usecases.stages.predict import predict_holdout
from slipway.usecases.stages.rehearse import rehearse_package
from slipway.usecases.stages.validate_data import validate_data as validate_data_step
from slipway.usecases.stages.validate_model import validate_model as validate_model_step
from tasks.caching import by_content
from tasks.retrying import RETRIED

fetch = task(name="fetch", tags=["slipway"], **RETRIED)(fetch_artifacts)
check_contract = task(name="check contract", tags=["slipway", "gate"], cache_policy=NO_CACHE)(check_contract_step)
validate_data = task(
    name="validate data",
    tags=["slipway", "gate"],
    cache_policy=by_content("rows", "spec", "signature"),
    persist_result=True,
    **RETRIED,
)(validate_data_step)
predict = task(
    name="predict", tags=["slipway"], cache_policy=by_content("model", "rows"), persist_result=True, **RETRIED
)(predict_holdout)
"""A champion's predictions are in the cache since its own release."""
validate_model = task(
    name="validate model",
    tags=["slipway", "gate"],
    cache_policy=by_content("compared", "rows", "spec", "contract"),
    persist_result=True,
    **RETRIED,
)(validate_model_step)
convert = task(
    name="convert",
    tags=["slipway", "gate"],
    cache_policy=by_content("challenger", "signature", "rows", "spec"),
    persist_result=True,
)(convert_model)
optimize = task(
    name="optimize",
    tags=["slipway"],
    cache_policy=by_content("converted", "rows", "spec"),
    persist_result=True,
)(optimize_model)
package = task(name="package", tags=["slipway"])(build_package)
rehearse = task(
    name="rehearse",
    tags=["slipway", "gate"],
    cache_policy=by_content("built", "rows", "spec", "promise"),
    persist_result=True,
)(rehearse_package)
