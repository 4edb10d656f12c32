"""The steps of a release that move traffic or record its result, and those that handle rollouts between releases."""

from prefect.cache_policies import NO_CACHE

from slipway.usecases.begin import begin_release, clear_previous
from slipway.usecases.reconcile import find_models_to_reconcile
from slipway.usecases.reconcile import reconcile_model as reconcile_model_step
from slipway.usecases.record import record_release
from slipway.usecases.roll_back import roll_back
from slipway.usecases.roll_out import begin_rollout, drive_rollout, start_revision
from slipway.usecases.watch import watch_model as watch_model_step
from tasks.making import make_task

begin = make_task(begin_release, "begin", cache_policy=NO_CACHE)
clear_up = make_task(clear_previous, "clear up", cache_policy=NO_CACHE)
warm_up = make_task(start_revision, "start revision", "rollout", cache_policy=NO_CACHE)
start_rollout = make_task(begin_rollout, "begin rollout", "rollout", cache_policy=NO_CACHE)
roll_out = make_task(drive_rollout, "roll out", "rollout", cache_policy=NO_CACHE)
"""One task, not one per step, so that looks do not wait for Prefect's server."""
record = make_task(record_release, "record", cache_policy=NO_CACHE)
take_back = make_task(roll_back, "take back", "rollout", task_run_name="take back {model}", cache_policy=NO_CACHE)
watch_model = make_task(watch_model_step, "watch", task_run_name="watch {model}", cache_policy=NO_CACHE)
survey = make_task(find_models_to_reconcile, "survey", cache_policy=NO_CACHE)
reconcile_model = make_task(reconcile_model_step, "reconcile", task_run_name="reconcile {model}", cache_policy=NO_CACHE)
