"""Latency as the judge counts it: the threshold of slow answers, and what is not compared."""

from typing import Any

from slipway.domain.judge.checks import Check
from slipway.domain.judge.counters import ZERO
from slipway.domain.judge.decision import build_verdicts
from slipway.domain.judge.readings import Readings, collect_readings
from slipway.domain.verdict import Outcome
from tests.domain.judged import Bench, counted, latencies
from tests.domain.looks import release_spec

TIMED = release_spec({"latency": {"margin": 1.25, "tolerance": 2.0, "quantile": 0.95}})


def timed(canary: Any, stable: Any) -> Readings:  # noqa: ANN401 - histograms
    """Return latencies alone."""
    return collect_readings(latencies={"new": canary, "old": stable})


def test_the_threshold_is_where_stables_slowest_begin() -> None:
    """The edge with the share closest to the quantile's, from what stable did before; it stays."""
    bench = Bench(spec=TIMED)

    bench.look(timed(latencies(0, 0, 0, 0), latencies(1000, 300, 45, 2)))
    fixed = bench.evidence.threshold_milliseconds
    bench.look(timed(latencies(100, 90, 80, 70), latencies(2000, 1300, 900, 800)))

    assert fixed == bench.evidence.threshold_milliseconds == 50.0
    assert bench.evidence.rate(Check.LATENCY).canary == counted(100, 80)
    assert bench.evidence.rate(Check.LATENCY).stable == counted(1000, 855)


def test_the_look_that_fixes_the_threshold_is_not_weighed_by_it() -> None:
    """A threshold chosen from a look's own answers would make stable look average in it."""
    bench = Bench(spec=TIMED)

    for stable in (latencies(40, 20, 2, 0), latencies(120, 60, 6, 0), latencies(200, 100, 10, 0)):
        bench.look(timed(latencies(stable.requests, *stable.slower), stable))

    assert bench.evidence.threshold_milliseconds == 50.0
    assert bench.evidence.rate(Check.LATENCY).stable == counted(80, 4)


def test_a_service_level_is_the_edge_next_to_it() -> None:
    """In the spec's milliseconds, whatever stable does."""
    bench = Bench(spec=release_spec({"latency": {"threshold_milliseconds": 90.0}}))

    bench.look(timed(latencies(0, 0, 0, 0), latencies(3, 3, 3, 0)))

    assert bench.evidence.threshold_milliseconds == 100.0


def test_other_edges_than_before_are_no_data() -> None:
    """A driver that was updated counts by others: nothing is compared across them, and nothing breaks."""
    spec = release_spec({"latency": {"any_quantile": True}})
    bench, others = Bench(spec=spec), (10.0, 60.0)
    bench.look(timed(latencies(0, 0, 0, 0), latencies(1000, 300, 45, 2)))

    for number in (1, 2, 3):
        now = latencies(1000 * number, 900 * number, 800 * number, edges=others)
        bench.look(timed(now, now))

    assert bench.evidence.rate(Check.LATENCY).canary == ZERO
    assert {one.check: one.outcome for one in build_verdicts(bench.evidence, spec)}[Check.LATENCY] is Outcome.NO_DATA
