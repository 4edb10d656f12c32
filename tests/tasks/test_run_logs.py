"""What Slipway logs stands in the log of the Prefect run, as whoever looks at the run expects."""

import logging
import threading
import time
from collections.abc import Iterator

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import LogFilter
from prefect.runtime import flow_run

from tasks.run_logs import RunLogHandler, show_logs_in_runs

LOG = logging.getLogger("slipway.usecases.some")


@pytest.fixture(autouse=True)
def our_logger() -> Iterator[None]:
    """Leave Slipway's logger as it was."""
    ours = logging.getLogger("slipway")
    before = (list(ours.handlers), ours.propagate, ours.level)
    yield
    ours.handlers, ours.propagate = list(before[0]), before[1]
    ours.setLevel(before[2])


def test_a_line_of_a_use_case_is_in_the_log_of_its_run() -> None:
    """From level INFO on, once, also where the handler was installed twice."""

    @flow
    def run() -> str:
        show_logs_in_runs()
        show_logs_in_runs()
        LOG.info("shifting at %s %%", 25)
        LOG.debug("too much for anybody")
        return str(flow_run.get_id())

    name = run()

    assert _lines(name) == ["shifting at 25 %"]


def test_a_line_outside_of_any_run_goes_where_it_would_have_gone(caplog: pytest.LogCaptureFixture) -> None:
    """A thread that keeps a lease has no run: its warnings are in the process' own log."""
    show_logs_in_runs()

    thread = threading.Thread(target=LOG.warning, args=("the lease was not renewed",))
    thread.start()
    thread.join()

    assert [record.getMessage() for record in caplog.records] == ["the lease was not renewed"]
    assert sum(isinstance(one, RunLogHandler) for one in logging.getLogger("slipway").handlers) == 1


def _lines(run: str) -> list[str]:
    """Return what Prefect's server has of a run's log from Slipway, once it is there."""
    wanted = LogFilter.model_validate({"flow_run_id": {"any_": [run]}})
    ends = time.monotonic() + 30
    with get_client(sync_client=True) as client:
        while True:
            found = [one.message for one in client.read_logs(log_filter=wanted)]
            ours = [line for line in found if "%" in line or "anybody" in line]
            if ours or time.monotonic() > ends:
                return ours
            threading.Event().wait(0.2)
