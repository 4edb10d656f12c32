"""The stages of a release before any traffic. Results are cached by content if a stage depends on nothing else."""

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
from tasks.making import make_task

fetch = make_task(fetch_artifacts, "fetch")
check_contract = make_task(check_contract_step, "check contract", "gate", cache_policy=NO_CACHE)
validate_data = make_task(
    validate_data_step,
    "validate data",
    "gate",
    cache_policy=by_content("rows", "spec", "signature"),
    persist_result=True,
)
predict = make_task(predict_holdout, "predict", cache_policy=by_content("model", "rows"), persist_result=True)
"""A champion's predictions are in the cache since its own release."""
validate_model = make_task(
    validate_model_step,
    "validate model",
    "gate",
    cache_policy=by_content("compared", "rows", "spec", "contract"),
    persist_result=True,
)
convert = make_task(
    convert_model,
    "convert",
    "gate",
    cache_policy=by_content("challenger", "signature", "rows", "spec"),
    persist_result=True,
)
optimize = make_task(
    optimize_model, "optimize", cache_policy=by_content("converted", "rows", "spec"), persist_result=True
)
package = make_task(build_package, "package")
rehearse = make_task(
    rehearse_package,
    "rehearse",
    "gate",
    cache_policy=by_content("built", "rows", "spec", "promise"),
    persist_result=True,
)
