"""The embedded stack: MLflow, Prefect and its worker, the webhook receiver, Envoy. Started by `slipway up`."""

from slipway.stack.control import read_status, start_stack, stop_stack
from slipway.stack.environment import make_environment
from slipway.stack.part import Part, PartState

__all__ = ["Part", "PartState", "make_environment", "read_status", "start_stack", "stop_stack"]
