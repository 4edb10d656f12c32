"""A judge at work: looks at cumulative readings, shared by the tests of the judge and of what it decides."""

from dataclasses import dataclass, field
from typing import Any

from slipway.domain.judge.counters import Counters
from slipway.domain.judge.evidence import NO_EVIDENCE, Evidence
from slipway.domain.judge.judge import Arms, When, update_evidence
from slipway.domain.judge.readings import Latencies, Readings, Summary, Sums, collect_readings
from slipway.domain.spec.release import ReleaseSpec
from tests.domain.looks import release_spec

EDGES = (10.0, 50.0, 100.0)
LOOK_SECONDS = 10.0
ARMS = Arms(canary="new", stable="old")


def counted(requests: int, errors: int = 0) -> Counters:
    """Return counters."""
    return Counters(requests=requests, errors=errors)


def latencies(requests: int, *slower: int, edges: tuple[float, ...] = EDGES) -> Latencies:
    """Return a histogram."""
    return Latencies(requests=requests, edges_milliseconds=edges, slower=slower)


def summary(count: int, mean: float = 0.0, classes: dict[str, int] | None = None) -> Summary:
    """Return what a revision says of itself: scores with variance 1, labels."""
    return Summary(scores=Sums(count=count, total=count * mean, squares=count * (1 + mean**2)), classes=classes or {})


def arms(canary: Counters | None, stable: Counters | None, **more: Any) -> Readings:  # noqa: ANN401 - other sources
    """Return what one look read; None: that arm was not read."""
    read = {"new": canary, "old": stable}
    return collect_readings(requests={n: c for n, c in read.items() if c is not None}, **more)


@dataclass
class Bench:
    """One rollout's judge, and the time."""

    spec: ReleaseSpec = field(default_factory=release_spec)
    evidence: Evidence = NO_EVIDENCE
    at: float = 1000.0
    weight_percent: int = 10

    def look(self, now: Readings) -> Evidence:
        """Look once more."""
        self.at += LOOK_SECONDS
        self.evidence = update_evidence(
            self.evidence, ARMS, now, self.spec.judge, When(at=self.at, weight_percent=self.weight_percent)
        )
        return self.evidence


def after(*looks: tuple[int, int, int, int], spec: ReleaseSpec | None = None) -> Evidence:
    """Return the evidence after looks at (canary requests, errors, stable requests, errors), cumulative, from zero."""
    bench = Bench(spec=spec or release_spec())
    for n, x, m, y in ((0, 0, 0, 0), *looks):
        bench.look(arms(counted(n, x), counted(m, y)))
    return bench.evidence
