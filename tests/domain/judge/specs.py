"""Specs and counts that the tests of the judge share."""

from hypothesis import strategies as st

from slipway.domain.judge.counters import Counters
from slipway.domain.judge.judge import When
from slipway.domain.judge.statistics import counts
from tests.domain.judged import counted
from tests.domain.looks import release_spec

SPEC, COPIED = release_spec(shadow=None), release_spec()
NOW = When(at=1000.0, weight_percent=10)


@st.composite
def counters(draw: st.DrawFn, most: int = 40) -> Counters:
    """Draw counters of one arm."""
    requests = draw(st.integers(0, most))
    return counted(requests, draw(st.integers(0, requests)))


def count_delta(n: int, x: int, m: int, y: int) -> counts.CountDelta:
    """Return what one look adds: requests and errors of the canary, then of stable."""
    return counts.CountDelta(canary=counted(n, x), stable=counted(m, y))
