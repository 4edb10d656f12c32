"""One rollout under way: the real state machine, look by look, and all that it sees."""

from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks.decisions.played.scrapes import Scrapes, scraped
from benchmarks.decisions.played.worlds import LOOK_SECONDS, Played, World, spec_of
from benchmarks.decisions.revisions import revision
from slipway.domain.judge import judge
from slipway.domain.judge.counters import ZERO, Counters
from slipway.domain.judge.evidence import NO_EVIDENCE, Evidence, prior_for_next_rollout
from slipway.domain.judge.readings import Latencies, Summary, collect_readings
from slipway.domain.rollout.actions import Action, Observation, SetTraffic, Start, Stop
from slipway.domain.rollout.machine import advance, begin_traffic
from slipway.domain.rollout.revision import Health, RevisionState, Traffic
from slipway.domain.rollout.shadow import NOTHING_COMPARED
from slipway.domain.rollout.status import Phase, RolloutStatus

EDGES = (2.0, 5.0, 10.0, 20.0, 30.0, 50.0, 75.0, 100.0, 200.0, 500.0, 1000.0)
MEDIAN_MILLISECONDS, SPREAD = 20.0, 0.5
"""Of stable's latencies: lognormal, with this standard deviation of the logarithm."""
BRISK_SECONDS = 0.25
JUDGED = {Phase.SHADOW, Phase.SHIFTING, Phase.HELD, Phase.BAKING}
OVER = {Phase.SUCCEEDED, Phase.ROLLED_BACK, Phase.ROLLING_BACK, Phase.STOPPED}


def play(world: World, seed: int) -> Played:
    """Play one rollout until it is over, the world's time is, or a promoted one was watched for its bake window."""
    with ExitStack() as opened:
        scrapes = opened.enter_context(scraped(world.scrape_seconds, seed)) if world.scrape_seconds else None
        stage = _Stage(world, seed, scrapes)
        while stage.status.phase not in OVER and stage.now < world.longest_seconds + stage.baked:
            stage.look()
        return stage.played()


def play_many(world: World, count: int, first_seed: int = 1000) -> list[Played]:
    """Play many rollouts, each with a seed of its own."""
    return [play(world, first_seed + number) for number in range(count)]


class _Stage:
    """One rollout under way: counters, the route, the time."""

    def __init__(self, world: World, seed: int, scrapes: Scrapes | None) -> None:
        self.world, self.spec, self.draw = world, spec_of(world), np.random.default_rng(seed)
        self.scrapes = scrapes
        self.old, self.new = revision("old", 1), revision("new", 2)
        self.traffic, self.there = Traffic(stable="old"), {"old": Health.READY}
        self.live = {"old": ZERO, "new": ZERO}
        self.slow = {"old": np.zeros(len(EDGES) + 1, dtype=int), "new": np.zeros(len(EDGES) + 1, dtype=int)}
        self.shadow, self.now, self.risen = NOTHING_COMPARED, 0.0, -np.inf
        self.promoted_at, self.shadow_ended, self.found_in, self.bad = np.inf, 0.0, None, 0
        pending = RolloutStatus(
            model="m",
            version=2,
            release_id="m-v2-a1",
            stable=self.old,
            started_at=0.0,
            entered_at=0.0,
            heartbeat_at=0.0,
            evidence=self._history(),
        )
        self.status = begin_traffic(pending, self.new, self.old, 0.0)

    def _history(self) -> Evidence:
        """Return what was learned of stable while it served alone, a look every 10 s."""
        evidence, counted = NO_EVIDENCE, ZERO
        for look in range(-6 * self.world.history_minutes, 0):
            requests = self.draw.poisson(self.world.requests_per_second * LOOK_SECONDS)
            counted += Counters(requests=requests, errors=self.draw.binomial(requests, self.world.base))
            evidence = judge.learn_bursts(
                evidence,
                "old",
                collect_readings(requests={"old": counted}),
                self.spec.judge,
                judge.When(at=look * LOOK_SECONDS),
            )
        return prior_for_next_rollout(evidence)

    @property
    def baked(self) -> float:
        """Return how much longer the world lasts for a canary that was promoted."""
        return self.spec.rollout.bake_seconds if self.status.phase is Phase.BAKING else 0.0

    def look(self) -> None:
        """Let time pass, look, act."""
        judged = self.status.phase in JUDGED
        seconds = (
            (self.world.watch_seconds if self.status.phase is Phase.BAKING else LOOK_SECONDS)
            if judged
            else BRISK_SECONDS
        )
        self._serve(seconds)
        self.now += seconds
        before = self.status.phase
        step = advance(self.spec, self.status, self._seen(), self.now)
        self.status = step.status
        for action in step.actions:
            self._act(action)
        if self.status.phase is not before:
            self._note(before)

    def played(self) -> Played:
        ended = self.now if self.found_in is not None or self.promoted_at == np.inf else self.promoted_at
        late = self.now - self.promoted_at - self.world.late_seconds if self.found_in is Phase.BAKING else np.inf
        return Played(
            phase=self.status.phase,
            seconds=ended,
            found_in=self.found_in,
            shadow_seconds=self.shadow_ended,
            bad_answers=self.bad,
            promoted_at=self.promoted_at,
            late_seconds=late,
        )

    def _note(self, before: Phase) -> None:
        if before is Phase.SHADOW:
            self.shadow_ended = self.now
        if self.status.phase is Phase.BAKING:
            self.promoted_at = self.now
        if self.status.phase is Phase.ROLLING_BACK:
            self.found_in = before

    def _serve(self, seconds: float) -> None:
        cold = float(np.clip((self.risen + self.world.cold_seconds - self.now) / seconds, 0.0, 1.0))
        for name, percent in self.traffic.weights.items():
            requests = self.draw.poisson(self.world.requests_per_second * seconds * percent / 100)
            ours = name == "new"
            share = self._share(cold) if ours else self.world.base
            errors = self.draw.binomial(requests, min(1.0, share))
            self.bad += errors * ours
            self.live[name] += Counters(requests=requests, errors=errors)
            if self.scrapes is not None:
                self.scrapes.count(name, self.now, seconds, (requests, errors))
            early = self.draw.binomial(requests, cold * ours)
            self.slow[name] += self._slower(early, self.world.slower * self.world.cold_slower)
            self.slow[name] += self._slower(requests - early, self.world.slower if ours else 1.0)
        if self.traffic.shadow:
            self._copy(self.draw.poisson(self.world.requests_per_second * seconds), cold)

    def _share(self, cold: float) -> float:
        late = self.now >= self.promoted_at + self.world.late_seconds
        return self.world.base * (self.world.late_ratio if late else self.world.ratio) + cold * self.world.cold_errors

    def _slower(self, requests: int, factor: float) -> Any:  # noqa: ANN401 - an array
        """Return how many requests there are, and how many of them took longer than each edge."""
        times = MEDIAN_MILLISECONDS * factor * np.exp(SPREAD * self.draw.standard_normal(requests))
        return np.array([requests, *(int((times > edge).sum()) for edge in EDGES)])

    def _copy(self, requests: int, cold: float) -> None:
        ratio = self.world.ratio if self.world.copies_ratio is None else self.world.copies_ratio
        share = self.world.base * ratio + cold * self.world.cold_errors
        ours, theirs = self.draw.random(requests) < share, self.draw.random(requests) < self.world.base
        early = self.draw.random(requests) < cold
        logs = np.log(self.world.slower) + SPREAD * self.draw.standard_normal(requests)
        logs = (logs + early * np.log(self.world.cold_slower))[~ours & ~theirs]
        before = self.shadow.log_latency_ratios
        self.shadow = replace(
            self.shadow,
            compared=self.shadow.compared + requests,
            canary_failed=self.shadow.canary_failed + int(ours.sum()),
            stable_failed=self.shadow.stable_failed + int(theirs.sum()),
            both_failed=self.shadow.both_failed + int((ours & theirs).sum()),
            log_latency_ratios=replace(
                before,
                count=before.count + len(logs),
                total=before.total + float(logs.sum()),
                squares=before.squares + float((logs**2).sum()),
            ),
        )

    def _seen(self) -> Observation:
        judged = self.status.phase in JUDGED
        readings = collect_readings(
            requests=self._counted() if judged else None,
            latencies={name: _histogram(counts) for name, counts in self.slow.items()} if judged else None,
            summaries=dict.fromkeys(self.live, Summary(warm=True)) if judged and self.world.says_warm else None,
        )
        return Observation(
            revisions={name: RevisionState(name=name, health=health) for name, health in self.there.items()},
            traffic=self.traffic,
            readings=readings,
            shadow=self.shadow if self.traffic.shadow else None,
        )

    def _counted(self) -> dict[str, Counters]:
        return dict(self.live) if self.scrapes is None else self.scrapes.counters(self.now)

    def _act(self, action: Action) -> None:
        match action:
            case Start(revision=revision):
                self.there[revision.name] = Health.READY
            case Stop(name=name):
                self.there.pop(name)
            case SetTraffic(traffic=traffic):
                grows = traffic.weights.get("new", 0) > self.traffic.weights.get("new", 0)
                if grows or (traffic.shadow and not self.traffic.shadow):
                    self.risen = self.now
                self.traffic = traffic


def _histogram(counts: Any) -> Latencies:  # noqa: ANN401 - an array
    return Latencies(requests=int(counts[0]), edges_milliseconds=EDGES, slower=tuple(int(one) for one in counts[1:]))
