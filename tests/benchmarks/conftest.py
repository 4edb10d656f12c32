"""Hand-made traces: every bin of marks gets the same requests, so that shares are the same at every weight."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from benchmarks.decisions.channels import Counts, cumulative
from benchmarks.decisions.copies import Copies
from benchmarks.decisions.scenario import Metric, Scenario
from benchmarks.decisions.schedule import TICKS, TICKS_PER_MINUTE, WEIGHTS
from benchmarks.decisions.traces import Harm, Traces, Truth

Craft = Callable[..., Traces]


@pytest.fixture
def craft() -> Craft:
    """Return a function from errors per 100 requests by minute, one list per trace, to traces.

    The last value of a list holds until the end; None: no requests in that minute. Each bin gets 100 requests a tick.
    """

    def made(canary: Sequence[Sequence[int | None]], stable: Sequence[Sequence[int | None]]) -> Traces:
        arms = [np.stack([_by_tick(one) for one in arm], axis=1) for arm in (canary, stable)]
        there = ~(np.isnan(arms[0]) | np.isnan(arms[1]))
        requests, canary_errors, stable_errors = (
            cumulative(_cells(np.where(there, values, 0))) for values in (100, *arms)
        )
        nothing = np.zeros((TICKS, len(canary)), dtype=np.int64)
        return Traces(
            scenario=Scenario(name="hand-made", says="as told"),
            count=len(canary),
            channels={Metric.ERRORS: Counts.of(requests, canary_errors, stable_errors)},
            history={},
            truth=Truth(canary=np.nan_to_num(arms[0]) / 100, equal=np.nan_to_num(arms[1]) / 100),
            harm=Harm(requests=requests, bad=canary_errors, excess=canary_errors - stable_errors),
            copies=Copies.draw(np.random.default_rng(0), nothing, (nothing, nothing)),
        )

    return made


def _by_tick(minutes: Sequence[int | None]) -> Any:  # noqa: ANN401 - an array of numbers
    held = [*minutes, *[minutes[-1]] * (TICKS // TICKS_PER_MINUTE - len(minutes))]
    return np.repeat([np.nan if value is None else float(value) for value in held], TICKS_PER_MINUTE)


def _cells(values: Any) -> Any:  # noqa: ANN401 - as above
    return np.repeat(values.astype(np.int64)[..., None], len(WEIGHTS) - 1, axis=2)
