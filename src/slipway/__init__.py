"""Slipway takes each new model version from MLflow to production traffic, and takes it back when it misbehaves.

In Python, without a Prefect server (settings come from the environment, as for the command line):

    import slipway

    end = slipway.release("churn")            # gates and rollout of the newest version, in this process
    slipway.answer("churn", approve=True, by="ann")
    slipway.roll_back("churn", "it refuses valid requests")
    slipway.load_status("churn"), slipway.load_history("churn")
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"
__all__ = ["__version__", "answer", "load_history", "load_status", "release", "roll_back"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever the API has
    """Import the API when it is first used: what needs only the version stays quick."""
    if name in __all__:
        return getattr(import_module("slipway.api"), name)
    message = f"module 'slipway' has no attribute {name!r}"
    raise AttributeError(message)
