"""What is played: a service, its canary, and what its replicas, its copies and its scrapes are like."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from slipway.domain.rollout.status import Phase
from slipway.domain.spec.release import ReleaseSpec

LOOK_SECONDS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A service, a canary, and what replicas do when they get more requests."""

    requests_per_second: float = 50.0
    base: float = 0.005
    """Stable's share of failed requests."""
    ratio: float = 1.0
    """How many times as often the canary fails."""
    copies_ratio: float | None = None
    """The same on copies; None: as often as live."""
    slower: float = 1.0
    """How many times as long the canary takes."""
    late_seconds: float = np.inf
    """Seconds after promotion from which on the canary fails `late_ratio` times as often."""
    late_ratio: float = 5.0
    cold_seconds: float = 0.0
    """How long a canary that got more requests is slower, and fails more."""
    cold_slower: float = 1.0
    cold_errors: float = 0.0
    """Share of requests that fail beside the usual ones while it is cold."""
    says_warm: bool = False
    """Whether both services say that they are warm, as Slipway's own do; else the warm-up window is waited for."""
    watch_seconds: float = LOOK_SECONDS
    """Time between looks while baking."""
    history_minutes: int = 60
    """How long stable was watched while it served alone."""
    scrape_seconds: float = 0.0
    """Requests are known from pods that Prometheus scrapes each at its own time, so far apart; 0: known at once."""
    longest_seconds: float = 3600.0
    """Undecided after so long is undecided."""
    rollout: dict[str, Any] = field(default_factory=dict)
    """The spec's section, where it is not the default."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """How one rollout ended."""

    phase: Phase
    """The last one: baking where it was promoted and not taken back."""
    seconds: float
    """When it ended, since the rollout began; for one that was promoted: when it was promoted."""
    found_in: Phase | None
    """The phase in which it was taken back; None: it was not."""
    shadow_seconds: float
    """When the shadow phase ended; 0: there was none."""
    bad_answers: int
    """Failed answers of the canary that clients got."""
    promoted_at: float = np.inf
    late_seconds: float = np.inf
    """From the beginning of a late fault to the look that found it."""


def spec_of(world: World) -> ReleaseSpec:
    """Return the default spec, with what the world says otherwise."""
    document = {"model": "m", "data": {"path": "rows.csv", "label": "y"}, "rollout": world.rollout}
    return ReleaseSpec.model_validate(document)
