"""Running a downloaded MLflow model in a process of its own.

`mlmodel` reads the model's description without running anything; `worker` is the process; `runner` starts it.
"""

from slipway.adapters.runner.runner import SubprocessModelRunner

__all__ = ["SubprocessModelRunner"]
