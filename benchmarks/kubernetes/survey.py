"""One run of `reconcile` in a process of its own, as a worker starts it; prints what it took and asked, as JSON.

    python -m benchmarks.kubernetes.survey flow       the flow, with all that Prefect does around it
    python -m benchmarks.kubernetes.survey parts      its questions, one by one, without Prefect

Where Slipway's settings say, as a worker's environment has them.
"""

import json
import logging
import sys
import time
from collections.abc import Callable
from typing import Any

from slipway import wiring
from slipway.platforms.kubernetes import connect_cluster
from slipway.settings import settings
from slipway.specs import read_names


class Asked(logging.Handler):
    """Counts requests to one server, as the HTTP client logs them."""

    def __init__(self, server: str) -> None:
        """Count from zero."""
        super().__init__(logging.INFO)
        self.count = 0
        self._server = server

    def emit(self, record: logging.LogRecord) -> None:
        """Count a request."""
        self.count += self._server in record.getMessage()


def flow() -> dict[str, Any]:
    """Run the flow."""
    asked = Asked(settings().mlflow)
    from flows.reconcile import reconcile

    logger = logging.getLogger("httpx")
    logger.addHandler(asked)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    began = time.perf_counter()
    done = reconcile()
    seconds = time.perf_counter() - began
    calls = {" ".join(words): count for words, count in sorted(connect_cluster().calls.items())}
    return {"due": len(done), "seconds": seconds, "api_calls": calls, "mlflow_calls": asked.count}


def parts() -> dict[str, Any]:
    """Ask each question once."""
    connect_cluster()  # its client's import is no question
    questions: dict[str, Callable[[], object]] = {
        "specs": lambda: read_names(settings().models),
        "registry": lambda: wiring.get_registry().list_newest_versions(),
        "leases": lambda: wiring.get_held_leases().list_in_force(),
        "statuses": lambda: wiring.get_rollout_store().list_under_way(),
    }
    return {name: _seconds(question) for name, question in questions.items()}


def _seconds(question: Callable[[], object]) -> float:
    began = time.perf_counter()
    question()
    return time.perf_counter() - began


if __name__ == "__main__":
    print(json.dumps({"flow": flow, "parts": parts}[sys.argv[1]]()))
