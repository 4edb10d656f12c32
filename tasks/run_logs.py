"""Slipway's own log lines in the log of the Prefect run that writes them."""

import logging

from prefect.exceptions import MissingContextError
from prefect.logging import get_run_logger

OURS = "slipway"
"""Parent of all of Slipway's loggers."""


class RunLogHandler(logging.Handler):
    """Forwards log records to the logger of the run in this thread; without a run, to the root logger."""

    def emit(self, record: logging.LogRecord) -> None:
        """Forward one record."""
        try:
            get_run_logger().log(record.levelno, record.getMessage())
        except MissingContextError:  # a thread of ours, or a use case outside of any run
            root = logging.getLogger()
            if record.levelno >= root.level:
                root.handle(record)


def show_logs_in_runs() -> None:
    """Begin to forward Slipway's log from level INFO on; a second call changes nothing."""
    ours = logging.getLogger(OURS)
    if not any(isinstance(handler, RunLogHandler) for handler in ours.handlers):
        ours.addHandler(RunLogHandler())
        ours.propagate = False  # else a run's console would have every line twice
        ours.setLevel(min(ours.level or logging.INFO, logging.INFO))
