"""Which tasks are retried, and after which failures, on a real Prefect server."""

import pytest
from prefect import flow, task

from slipway.errors import NotFound, RegistryUnavailable
from slipway.usecases.retrying import PAUSES_SECONDS, idempotent
from tasks.making import RETRIED, make_task


@pytest.mark.parametrize(("error", "tries"), [(RegistryUnavailable, 2), (NotFound, 1)])
def test_only_what_may_go_away_is_tried_again(error: type[Exception], tries: int) -> None:
    """A registry that is down for a moment is asked again; a version that does not exist is not."""
    seen: list[int] = []
    quick = RETRIED | {"retries": 1, "retry_delay_seconds": [0.01]}

    @task(**quick)
    def ask() -> None:
        seen.append(1)
        raise error("registry", seen="no answer", expected="an answer", do="wait")  # type: ignore[call-arg]  # ours

    @flow
    def run() -> None:
        ask()

    with pytest.raises(error):
        run()

    assert len(seen) == tries


def test_a_step_that_is_marked_idempotent_is_retried() -> None:
    """The mark is at the step; a task of any other step is run once."""

    @idempotent
    def read() -> None: ...

    def write() -> None: ...

    marked, other = make_task(read, "read"), make_task(write, "write", "rollout")

    assert (marked.retries, other.retries) == (len(PAUSES_SECONDS), 0)
    assert other.tags == {"slipway", "rollout"}
