"""Rollouts played through the domain itself: its timeline, its sentences, its verdicts; only the requests are dice."""

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from slipway.domain.judge.counters import ZERO, Counters
from slipway.domain.judge.profile import ColumnProfile
from slipway.domain.judge.readings import NO_SUMS, Latencies, Summary, Sums, collect_readings
from slipway.domain.rollout.actions import Action, Observation, SetTraffic, Start
from slipway.domain.rollout.machine import advance, begin_traffic
from slipway.domain.rollout.revision import Health, Package, Revision, RevisionState, Traffic
from slipway.domain.rollout.shadow import NOTHING_COMPARED, ShadowComparison
from slipway.domain.rollout.status import Phase, RolloutStatus
from slipway.domain.spec.release import ReleaseSpec

SEED = 7
LOOK_SECONDS = 0.5
LONGEST_SECONDS = 300.0
EDGES = (5.0, 10.0, 25.0, 50.0, 100.0)
SLOWER = (0.60, 0.25, 0.05, 0.01, 0.001)
"""Share of stable's answers that take longer than each edge."""
STABLE, CANARY = "digits-v2", "digits-v3"


@dataclass(frozen=True, kw_only=True)
class World:
    """How requests come and what becomes of them; shares are of requests."""

    requests_per_second: float = 400.0
    stable_errors: float = 0.002
    canary_errors: float = 0.002
    canary_slower: float = 1.0
    """Ratio of the canary's shares of slow answers to stable's."""
    outage: tuple[float, float] = (-1.0, -1.0)
    """Seconds between which a dependency is down for both."""
    routed: float = 1.0
    """What the router makes of the canary's weight."""
    disagrees: float = 0.004
    wrong: tuple[float, float] = (0.03, 0.03)
    """Share of wrong answers among labelled ones: canary's, stable's."""
    score_shift: float = 0.0
    classes: tuple[float, float] = (0.5, 0.5)
    """Share of answers `a`: canary's, stable's."""
    drifted: bool = False


@dataclass(kw_only=True)
class Player:
    """Two revisions, a router, and counters that only rise."""

    spec: ReleaseSpec
    world: World
    dice: np.random.Generator = field(default_factory=lambda: np.random.default_rng(SEED))
    traffic: Traffic = field(default_factory=lambda: Traffic(stable=STABLE))
    running: dict[str, float] = field(default_factory=lambda: {STABLE: -60.0})
    live: dict[str, Counters] = field(default_factory=lambda: dict.fromkeys((STABLE, CANARY), ZERO))
    latencies: dict[str, Latencies] = field(default_factory=lambda: dict.fromkeys((STABLE, CANARY), unread()))
    summaries: dict[str, Summary] = field(default_factory=lambda: dict.fromkeys((STABLE, CANARY), Summary()))
    labels: dict[str, Counters] = field(default_factory=lambda: dict.fromkeys((STABLE, CANARY), ZERO))
    shadow: ShadowComparison = NOTHING_COMPARED

    def play(self, began: float) -> RolloutStatus:
        """Drive a rollout until it is at rest."""
        fresh = RolloutStatus(
            model="digits", version=3, release_id="digits-v3-a1", started_at=began, entered_at=began, heartbeat_at=began
        )
        status = begin_traffic(fresh, revision(3), revision(2), began)
        for look in range(round(LONGEST_SECONDS / LOOK_SECONDS)):
            seconds = look * LOOK_SECONDS
            step = advance(self.spec, status, self._seen(seconds), began + seconds)
            status = step.status
            if status.phase.terminal or status.phase is Phase.HELD:
                break
            self._act(step.actions, seconds)
            self._ask(seconds)
        return status

    def _seen(self, seconds: float) -> Observation:
        ready = {name: Health.READY if seconds - at >= 3 else Health.STARTING for name, at in self.running.items()}
        return Observation(
            revisions={name: RevisionState(name=name, health=health) for name, health in ready.items()},
            traffic=self.traffic,
            readings=collect_readings(
                requests=dict(self.live),
                latencies=dict(self.latencies),
                summaries=dict(self.summaries),
                labels=dict(self.labels),
            ),
            shadow=self.shadow if self.traffic.shadow else None,
        )

    def _act(self, actions: tuple[Action, ...], seconds: float) -> None:
        for action in actions:
            match action:
                case Start(revision=started):
                    self.running[started.name] = seconds
                case SetTraffic(traffic=traffic):
                    self.traffic = traffic
                case _:
                    self.running.pop(action.name)

    def _ask(self, seconds: float) -> None:
        """Send what comes until the next look."""
        sent = int(self.dice.poisson(self.world.requests_per_second * LOOK_SECONDS))
        if self.traffic.shadow:
            self._copied(sent)
        share = self.traffic.weights.get(CANARY, 0) / 100
        told = share if share in (0, 1) else min(share * self.world.routed, 1)
        canary = int(self.dice.binomial(sent, told))
        for name, requests in ((CANARY, canary), (STABLE, sent - canary)):
            self._answered(name, requests, seconds)

    def _answered(self, name: str, requests: int, seconds: float) -> None:
        ours, world = name == CANARY, self.world
        errors = world.canary_errors if ours else world.stable_errors
        if world.outage[0] <= seconds < world.outage[1]:
            errors = 0.4
        self.live[name] = counted(self.live[name], requests, self._times(requests, errors))
        slower = np.array(SLOWER) * (world.canary_slower if ours else 1.0)
        before, left, slow = self.latencies[name], requests, []
        for within in slower / np.append(1.0, slower[:-1]):  # who is over this edge is one of those over the last
            left = self._times(left, min(float(within), 1.0))
            slow.append(left)
        self.latencies[name] = replace(
            before,
            requests=before.requests + requests,
            slower=tuple(a + b for a, b in zip(before.slower, slow, strict=True)),
        )
        labelled = requests // 4
        self.labels[name] = counted(self.labels[name], labelled, self._times(labelled, world.wrong[0 if ours else 1]))
        self.summaries[name] = self._summary(self.summaries[name], requests, ours=ours)

    def _summary(self, before: Summary, requests: int, *, ours: bool) -> Summary:
        world, sums = self.world, before.scores or NO_SUMS
        scores = self.dice.normal(10 + (world.score_shift if ours else 0), 2, requests)
        label_a = self._times(requests, world.classes[0 if ours else 1])
        low = self._times(requests, 0.9 if world.drifted else 0.5)
        bins = before.inputs.get("pixel_20", (0, 0, 0))
        known = {"a": 0, "b": 0} | dict(before.classes)
        return Summary(
            scores=Sums(
                count=sums.count + requests,
                total=sums.total + float(scores.sum()),
                squares=sums.squares + float((scores**2).sum()),
            ),
            classes={"a": known["a"] + label_a, "b": known["b"] + requests - label_a},
            inputs={"pixel_20": (bins[0] + low, bins[1] + requests - low, bins[2])},
        )

    def _copied(self, pairs: int) -> None:
        before, logs = self.shadow, self.dice.normal(0.02, 0.3, pairs)
        failed = self._times(pairs, self.world.canary_errors), self._times(pairs, self.world.stable_errors)
        ratios = before.log_latency_ratios
        self.shadow = replace(
            before,
            compared=before.compared + pairs,
            canary_failed=before.canary_failed + failed[0],
            stable_failed=before.stable_failed + failed[1],
            disagreed=before.disagreed + self._times(pairs - sum(failed), self.world.disagrees),
            log_latency_ratios=Sums(
                count=ratios.count + pairs,
                total=ratios.total + float(logs.sum()),
                squares=ratios.squares + float((logs**2).sum()),
            ),
        )

    def _times(self, requests: int, share: float) -> int:
        return int(self.dice.binomial(requests, share))


def counted(before: Counters, requests: int, errors: int) -> Counters:
    """Return counters that went on."""
    return Counters(requests=before.requests + requests, errors=before.errors + errors)


def unread() -> Latencies:
    """Return a histogram without answers."""
    return Latencies(requests=0, edges_milliseconds=EDGES, slower=(0,) * len(EDGES))


def revision(version: int) -> Revision:
    """Return a revision whose package knows how one column was distributed in the validation rows."""
    package = Package(
        model="digits",
        version=version,
        path=Path("package"),
        digest="sha256:0",
        tag=f"digits:v{version}",
        runtime="onnx",
        profile=(ColumnProfile(name="pixel_20", edges=(8.0,), counts=(180, 180, 0)),),
    )
    return Revision(name=f"digits-v{version}", model="digits", version=version, package=package)
