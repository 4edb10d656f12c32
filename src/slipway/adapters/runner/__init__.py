"""Running a downloaded MLflow model in a process of its own.

`runner` starts the process in a sandbox; `worker` is what runs in it.
"""

from slipway.adapters.runner.runner import SubprocessModelRunner

__all__ = ["SubprocessModelRunner"]
