"""The embedded stack: MLflow, Prefect and its worker, the webhook receiver, Envoy. Started by `slipway up`."""

from slipway.stack.control import down, status, up
from slipway.stack.environment import environment
from slipway.stack.part import Part, PartState

__all__ = ["Part", "PartState", "down", "environment", "status", "up"]
