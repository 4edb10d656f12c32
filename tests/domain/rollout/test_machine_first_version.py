"""A model's first version serves alone: how its errors come is learned, and the second release knows it."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pytest
from pydantic import TypeAdapter

from slipway.domain.judge.checks import Check
from slipway.domain.judge.counters import ZERO, Counters
from slipway.domain.judge.evidence import prior_for_next_rollout
from slipway.domain.judge.judge import knows_bursts
from slipway.domain.judge.statistics.dispersion import NOTHING_LEARNED, cluster_factor, squared_cv, sum_dispersions
from slipway.domain.rollout.machine import advance, begin_traffic, undo_rollout
from slipway.domain.rollout.status import Phase, RolloutStatus
from tests.domain.judged import counted
from tests.domain.looks import ABSENT, AFTER, NEW, NOW, given, release_spec, revision, seen

DOCUMENT = TypeAdapter(RolloutStatus)
SPEC = release_spec(bake_seconds=3600, warm_up_seconds=30)
EACH_TEN_SECONDS, EACH_MINUTE = (10,), (60,)
"""Seconds before each look: as the watch looks, and where it has very many models to look after."""


@dataclass
class Alone:
    """A first version whose errors come in gusts of a minute, or in clusters."""

    draw: np.random.Generator
    cv: float = 0.0
    size: int = 1
    """Errors that come together."""
    base: float = 0.01
    now: float = NOW
    counters: Counters = ZERO
    gust: float = 1.0

    def serve(self, seconds: int) -> None:
        """Answer 50 requests a second; look in the last second of a minute, or earlier."""
        for _ in range(seconds):
            if self.cv and self.now % 60 == 0:
                self.gust = self.draw.gamma(1 / self.cv**2, self.cv**2)
            self.counters += counted(50, self.size * self.draw.poisson(50 * self.base * self.gust / self.size))
            self.now += 1

    def watched(self, pauses: tuple[int, ...]) -> Iterator[RolloutStatus]:
        """Bake it; every look is a driver of its own, which reads the status and knows nothing else."""
        stored = DOCUMENT.dump_json(given(Phase.PROMOTING, stable=None))
        number = 0
        while True:
            look = seen(old=ABSENT, traffic=AFTER, live={"new": self.counters})
            step = advance(SPEC, DOCUMENT.validate_json(stored), look, self.now)
            stored = DOCUMENT.dump_json(step.status)
            assert not step.actions
            yield step.status
            self.serve(pauses[number % len(pauses)])
            number += 1


def second(before: RolloutStatus, now: float) -> RolloutStatus:
    """Begin the release of another version."""
    fresh = replace(given(Phase.PENDING, stable=NEW, canary=None), evidence=prior_for_next_rollout(before.evidence))
    return begin_traffic(fresh, revision("newer", 3), before.champion, now)


def learned_by(world: Alone, pauses: tuple[int, ...]) -> RolloutStatus:
    """Return the second release of a version that served alone for its bake window, and five hours after it."""
    *_, ended = until_over(world, pauses)
    return second(ended, world.now + 5 * 3600)


def until_over(world: Alone, pauses: tuple[int, ...]) -> Iterator[RolloutStatus]:
    """Yield the status at every look, up to the one that ends the bake window."""
    for status in world.watched(pauses):
        yield status
        if status.phase is Phase.SUCCEEDED:
            return


@pytest.mark.parametrize(
    ("pauses", "least"), [(EACH_TEN_SECONDS, 0.5), (EACH_MINUTE, 0.35)], ids=["six looks a minute", "one"]
)
def test_the_second_release_knows_how_the_first_ones_errors_come_in_gusts(
    pauses: tuple[int, ...], least: float
) -> None:
    """At once, whenever it comes; nothing is known of a canary.

    A look that lies in two minutes counts for the later one: of c^2 = 1 a look a minute sees about half.
    """
    found = [learned_by(Alone(np.random.default_rng(seed), cv=1.0), pauses) for seed in range(4)]

    assert all(knows_bursts(status.evidence, SPEC.judge) for status in found)
    assert all(status.evidence.canary == status.evidence.stable == ZERO for status in found)
    known = sum_dispersions([status.evidence.rate(Check.ERRORS).dispersion for status in found])
    assert np.all(known.blocks[:, 0, 2] >= 55)
    assert least < squared_cv(known).mean() < 1.5
    assert known.rate.mean() == pytest.approx(0.01, rel=0.2)


@pytest.mark.parametrize(
    ("pauses", "size", "least", "most"),
    [(EACH_TEN_SECONDS, 5, 3.5, 8.0), (EACH_TEN_SECONDS, 1, 1.0, 1.2), (EACH_MINUTE, 5, 1.0, 1.0)],
    ids=["clusters", "no clusters", "one look a minute"],
)
def test_clusters_within_a_minute_need_several_looks(
    pauses: tuple[int, ...], size: int, least: float, most: float
) -> None:
    """With one look a minute nothing is known of them."""
    found = [learned_by(Alone(np.random.default_rng(seed), size=size), pauses) for seed in range(2)]

    assert (
        least
        <= cluster_factor(sum_dispersions([one.evidence.rate(Check.ERRORS).dispersion for one in found])).mean()
        <= most
    )


def test_with_one_look_a_minute_clusters_count_as_gusts() -> None:
    """What they add to the scatter of minutes is charged all the same: five at once, six times a minute."""
    found = [learned_by(Alone(np.random.default_rng(seed), size=5), EACH_MINUTE) for seed in range(4)]

    scatter = squared_cv(sum_dispersions([one.evidence.rate(Check.ERRORS).dispersion for one in found]))
    assert 0.08 < scatter.mean() < 0.6


def test_a_release_that_comes_earlier_takes_over_what_was_learned() -> None:
    """It ends the bake window at its first look; a quarter of an hour is enough."""
    world = Alone(np.random.default_rng(1), cv=1.0)
    looks = world.watched(EACH_TEN_SECONDS)
    status = next(one for one in looks if world.now >= NOW + 900)
    arrived = seen(old=ABSENT, traffic=AFTER, live={"new": world.counters}, superseded_by=3)

    step = advance(SPEC, status, arrived, world.now)

    assert (status.phase, step.status.phase, step.actions) == (Phase.BAKING, Phase.SUCCEEDED, ())
    assert step.reason == (
        "new serves; while it was alone, its errors were learned from 13 differences of successive blocks"
    )
    assert knows_bursts(second(step.status, world.now).evidence, SPEC.judge)


def test_what_a_cold_replica_does_is_not_learned() -> None:
    """The first version got all requests a moment ago; nor is it held against it, or shown as a verdict."""
    world = Alone(np.random.default_rng(1), base=0.5)
    looks = world.watched((5,))
    *_, cold = (next(looks) for _ in range(6))
    *_, warm = (next(looks) for _ in range(3))

    assert world.now - NOW > SPEC.rollout.warm_up_seconds
    assert cold.evidence.rate(Check.ERRORS).dispersion == NOTHING_LEARNED
    assert warm.evidence.rate(Check.ERRORS).dispersion.requests == 3 * 250
    assert (warm.verdicts, warm.evidence_against, warm.evidence_for) == ((), 1.0, 1.0)


def test_counters_that_can_not_be_read_are_waited_for() -> None:
    """Nothing is learned, and the window ends all the same."""
    status = given(Phase.BAKING, 100, stable=None)

    reads = {seconds: seen(old=ABSENT, traffic=AFTER, live=None) for seconds in (0.0, 3500.0)}
    steps = [advance(SPEC, status, look, NOW + seconds) for seconds, look in reads.items()]

    assert [step.status.phase for step in steps] == [Phase.BAKING, Phase.SUCCEEDED]
    assert all(step.status.evidence == status.evidence for step in steps)


def test_there_is_nothing_to_take_back() -> None:
    """A person who asks for it gets the version that served before, where there was one."""
    status = given(Phase.BAKING, stable=None)

    assert status.alone
    assert status.champion == NEW
    with pytest.raises(ValueError, match="is baking: there is nothing to take back"):
        undo_rollout(status, "ann said so", NOW)
