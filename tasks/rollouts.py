"""The steps of a release that move traffic or record its result, and those that handle rollouts between releases."""

from prefect import task
from prefect.cache_policies import NO_CACHE

from slipway.usecases.begin import begin_release, clear_previous
from slipway.usecases.reconcile import find_models_to_reconcile
from slipway.usecases.reconcile import reconcile_model as reconcile_model_step
from slipway.usecases.record import record_release
from slipway.usecases.roll_back import roll_back
from slipway.usecases.roll_out import begin_rollout, drive_rollout, start_revision
from slipway.usecases.watch import watch_model as watch_model_step
from tasks.retrying import RETRIED

begin = task(name="begin", tags=["slipway"], cache_policy=NO_CACHE, **RETRIED)(begin_release)
clear_up = task(name="clear up", tags=["slipway"], cache_policy=NO_CACHE, **RETRIED)(clear_previous)
warm_up = task(name="start revision", tags=["slipway", "rollout"], cache_policy=NO_CACHE)(start_revision)
start_rollout = task(name="begin rollout", tags=["slipway", "rollout"], cache_policy=NO_CACHE)(begin_rollout)
roll_out = task(name="roll out", tags=["slipway", "rollout"], cache_policy=NO_CACHE)(drive_rollout)
"""One task, not one per step, so that looks do not wait for Prefect's server."""
record = task(name="record", tags=["slipway"], cache_policy=NO_CACHE, **RETRIED)(record_release)
take_back = task(
    name="take back", task_run_name="take back {model}", tags=["slipway", "rollout"], cache_policy=NO_CACHE
)(roll_back)
watch_model = task(name="watch", task_run_name="watch {model}", tags=["slipway"], cache_policy=NO_CACHE)(
    watch_model_step
)
survey = task(name="survey", tags=["slipway"], cache_policy=NO_CACHE, **RETRIED)(find_models_to_reconcile)
reconcile_model = task(
    name="reconcile", task_run_name="reconcile {model}", tags=["slipway"], cache_policy=NO_CACHE, **RETRIED
)(reconcile_model_step)
