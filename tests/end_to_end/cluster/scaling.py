"""One rollout of a slow model while its load doubles and drops, and a way back from 50 % to a side that was shrunk."""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from slipway.domain.rollout.revision import Traffic
from slipway.domain.rollout.scaling import Scale
from slipway.errors import TransientError
from tests.end_to_end.cluster.load import Load
from tests.end_to_end.cluster.place import Place

MODEL, STABLE, CANARY = "scaled", "scaled-v1", "scaled-v2"
SPEC: dict[str, Any] = {
    # without rescue, for which stable would keep replicas: here the autoscaler's own arithmetic is watched
    "rollout": {"steps": [{"weight_percent": 50, "duration_seconds": 600}], "rescue": None},
    "serving": {
        "cpu": 0.1,
        "replicas": {"minimum": 1, "maximum": 4, "in_flight": 4, "scale_down_seconds": 15},
    },
}
LIGHT, USUAL, DOUBLE = 8, 16, 32
"""Requests per second; each takes 0.4 s: at 50 % a side has 1.6, 3.2 or 6.4 at work, and a replica carries 4.4.

Answers may take half as long again on a busy machine, and the usual load still needs one replica only.
"""
SETTLED_SECONDS = 8.0
"""How long the load stays as it is for a p99."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """The model as it was seen at one moment."""

    at: float
    traffic: Traffic
    scales: Mapping[str, Scale]

    def ready(self, revision: str) -> int:
        """Return how many replicas were ready; 0: the revision was not there."""
        return self.scales[revision].ready if revision in self.scales else 0

    def in_flight(self, revision: str) -> float:
        """Return how many requests were at work per replica, as the autoscaler measured; 0: it could not."""
        loads = self.scales[revision].loads if revision in self.scales else ()
        return loads[0].average if loads else 0.0


@dataclass
class Watch:
    """Sees the model again and again; ask for it with `with`."""

    place: Place
    samples: list[Sample] = field(default_factory=list)

    def __enter__(self) -> Self:
        """Begin."""
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End."""
        self._over.set()
        self._thread.join()

    def since(self, at: float) -> list[Sample]:
        """Return what was seen since then."""
        return [sample for sample in list(self.samples) if sample.at >= at]

    def grown(self) -> bool:
        """Say whether both sides were last seen with more than one replica: a busy machine may ask for three."""
        return all(one.ready(side) > 1 for one in self.samples[-1:] for side in (STABLE, CANARY))

    def both(self, ready: int, *, more_than: float = 0.0) -> bool:
        """Say whether both sides were last seen with so many replicas, and so much to do for each."""
        last = self.samples[-1:]
        sides = [(one.ready(side), one.in_flight(side)) for one in last for side in (STABLE, CANARY)]
        return bool(sides) and all(count == ready and busy > more_than for count, busy in sides)

    def _look(self) -> None:
        while not self._over.wait(0.4):
            try:  # traffic first: replicas that are seen after it only grew meanwhile, on the way back
                at, traffic = time.time(), self.place.traffic(MODEL)
                seen = self.place.target.observe(MODEL)
            except TransientError:
                continue
            scales = {name: state.scale for name, state in seen.items() if state.scale is not None}
            self.samples.append(Sample(at=at, traffic=traffic, scales=scales))


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaled:
    """When what happened, and what was seen."""

    watch: Watch
    load: Load
    halved_at: float
    """From when each side had 50 %."""
    dropped_at: float
    undone_at: float
    over_at: float
    end: Mapping[str, str]
    fields: Mapping[str, list[str]]
    """Fields of the Deployments' spec that Slipway manages, as they were at 50 %."""

    def p99_milliseconds(self) -> tuple[float, float, float]:
        """Return it before, during and after the way back."""
        ends = (self.undone_at - SETTLED_SECONDS, self.undone_at, self.over_at, self.over_at + SETTLED_SECONDS)
        before, during, after = (self.load.p99_milliseconds(*ends[i : i + 2]) for i in range(3))
        return before, during, after


def scaled(place: Place) -> Scaled:
    """Double the load at 50 %, drop it, and go back once both sides were scaled down."""
    with place.load(MODEL, LIGHT) as load, Watch(place) as watch:
        driver = place.release(MODEL, 2, "slow")
        place.until("50 %", lambda: place.traffic(MODEL).weights == {STABLE: 50, CANARY: 50})
        halved_at, fields = time.time(), {name: _managed(place, name) for name in (STABLE, CANARY)}
        load.per_second = USUAL
        place.until("usual load", lambda: watch.both(1, more_than=2.5), seconds=90)
        load.per_second = DOUBLE
        place.until("both sides grew", watch.grown, seconds=90)
        load.per_second, dropped_at = USUAL, time.time()
        place.until("both sides shrank", lambda: watch.both(1, more_than=2.5), seconds=180)
        load.more(int(USUAL * SETTLED_SECONDS))
        undone_at = time.time()
        end = place.take_back(MODEL, "a person wants it back").end()
        over_at = time.time()
        load.more(int(USUAL * SETTLED_SECONDS))
        driver.finish()
    return Scaled(
        watch=watch,
        load=load,
        halved_at=halved_at,
        dropped_at=dropped_at,
        undone_at=undone_at,
        over_at=over_at,
        end=end,
        fields=fields,
    )


def _managed(place: Place, name: str) -> list[str]:
    live = place.api.get("Deployment", name)
    assert live is not None
    entries = (one for one in live["metadata"]["managedFields"] if one["manager"] == "slipway")
    return [key for entry in entries for key in entry["fieldsV1"].get("f:spec", {})]
