"""Which failures of a task are tried again, on a real Prefect server."""

import pytest
from prefect import flow, task

from slipway.errors import NotFound, RegistryUnavailable
from tasks.retrying import RETRIED


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
