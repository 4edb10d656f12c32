"""The rollout against a world that fails: whatever breaks, traffic is whole and somebody ready serves it.

The world below is the test's model of a target (processes that boot, crash and vanish, and a route). The driver works
as the real one does: read the status, look, decide, write the status, act; it may die between any two of these.
"""

from dataclasses import replace
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from pydantic import TypeAdapter

from slipway.domain.judge.counters import ZERO, Counters
from slipway.domain.judge.decision import decide
from slipway.domain.judge.readings import Latencies, collect_readings
from slipway.domain.rollout.actions import Action, Approval, Observation, Reserve, SetTraffic, Start, Stop
from slipway.domain.rollout.baking import find_hold_back
from slipway.domain.rollout.machine import advance, begin_traffic, undo_rollout
from slipway.domain.rollout.revision import Health, Revision, RevisionState, Traffic
from slipway.domain.rollout.scaling import TELLING_PERCENT, Load, Scale, desired_replicas
from slipway.domain.rollout.shadow import ShadowComparison
from slipway.domain.rollout.status import Phase, RolloutStatus
from slipway.domain.spec.release import Deadline, ReleaseSpec
from slipway.domain.verdict import Outcome
from tests.domain.looks import NEW, OLD, release_spec

DOCUMENT = TypeAdapter(RolloutStatus)
MINIMUM, MAXIMUM, PER_REPLICA = 1, 12, 4.0
PATIENCE = 400
"""Looks within which a healthy world brings every rollout to its end."""


class Replicas:
    """A revision's replicas and its autoscaler; `in_flight` requests at work in one replica are what it is to have."""

    def __init__(self) -> None:
        """Begin with the spec's minimum, ready."""
        self.floor = self.ready = MINIMUM

    def seen(self, in_flight: float) -> Scale:
        """Return what a target shows of them under a load."""
        load = Load(signal="requests in flight", average=in_flight / max(1, self.ready), target=PER_REPLICA)
        loads = (load,) if self.ready else ()
        return Scale(ready=self.ready, floor=self.floor, minimum=MINIMUM, maximum=MAXIMUM, loads=loads)

    def come(self, in_flight: float) -> None:
        """Let the autoscaler have its way."""
        wanted = desired_replicas(max(1, self.ready), self.seen(in_flight).loads)
        self.ready = min(max(wanted, self.floor), MAXIMUM)


class World:
    """Two revisions and a route, as a target would have them; refuses what a target refuses."""

    def __init__(self, stable: Revision | None, *, scales: bool) -> None:
        """Let the stable revision serve, if there is one."""
        self.scales, self.in_flight = scales, 0.0
        self.replicas = {"old": Replicas(), "new": Replicas()}
        self.health: dict[str, Health] = {stable.name: Health.READY} if stable else {}
        self.traffic = Traffic(stable=stable.name) if stable else None
        self.was_ready = set(self.health)
        self.live = {"old": ZERO, "new": ZERO}
        self.shadow = ShadowComparison()
        self.served = {"old": 0, "new": 0}
        """Requests and copies ever answered, whatever counters say of it."""

    def states(self) -> dict[str, RevisionState]:
        """Return what a target shows of its revisions."""
        return {
            name: RevisionState(
                name=name, health=health, scale=self.replicas[name].seen(self.load_of(name)) if self.scales else None
            )
            for name, health in self.health.items()
        }

    def load_of(self, name: str) -> float:
        """Return how many requests are at work in a revision."""
        percent = (self.traffic.weights.get(name, 0) + 100 * (self.traffic.shadow == name)) if self.traffic else 0
        return self.in_flight * percent / 100

    def replicas_come(self) -> None:
        """Let every autoscaler have its way."""
        for name, replicas in self.replicas.items():
            replicas.come(self.load_of(name))

    def carries(self, traffic: Traffic) -> bool:
        """Say whether every revision whose share grows has the replicas for it, as far as there may be any."""
        before = self.traffic.weights if self.traffic else {}
        if not any(percent >= TELLING_PERCENT and name in self.health for name, percent in before.items()):
            return True  # nobody is there whose load could be known
        return all(
            self.replicas[name].ready >= min(MAXIMUM, self.in_flight * percent / 100 / PER_REPLICA - 1e-6)
            for name, percent in traffic.weights.items()
            if percent > before.get(name, 0)
        )

    def act(self, action: Action) -> None:
        """Carry out one action, or fail as a target would."""
        match action:
            case Start(revision=revision):
                self.health.setdefault(revision.name, Health.STARTING)
            case SetTraffic(traffic=traffic):
                self._route(traffic)
            case Stop(name=name):
                named = {*self.traffic.weights, self.traffic.shadow} if self.traffic else set()
                assert name not in named, f"{name} is stopped while the route names it: {self.traffic}"
                self.health.pop(name, None)
                self.replicas[name] = Replicas()
            case Reserve(floors=floors):
                assert self.scales, "replicas are asked for where there is one of each"
                assert all(MINIMUM <= floor <= MAXIMUM for floor in floors.values())
                for name, floor in floors.items():
                    self.replicas[name].floor = floor

    def _route(self, traffic: Traffic) -> None:
        before = self.traffic.weights if self.traffic else {}
        for name, percent in traffic.weights.items():
            assert name in self.health, f"the route names {name}, which does not exist"
            grows = percent > before.get(name, 0)
            assert not grows or self.health[name] is Health.READY, f"{name} gets more requests, and is not ready"
        self.traffic = traffic

    def set_health(self, name: str, health: Health) -> None:
        """Let a process boot, crash, recover."""
        self.health[name] = health
        if health is Health.READY:
            self.was_ready.add(name)

    def serve(self, requests: int, failing: dict[str, int]) -> None:
        """Send requests by weight, and copies; `failing` says how many in a hundred fail, by revision."""
        if self.traffic is None:
            return
        for name, percent in self.traffic.weights.items():
            got = requests * percent // 100
            lost = got if self.health.get(name) is not Health.READY else got * failing[name] // 100
            self.served[name] += got
            self.live[name] = Counters(requests=self.live[name].requests + got, errors=self.live[name].errors + lost)
        if self.traffic.shadow:
            self.shadow = replace(
                self.shadow,
                compared=self.shadow.compared + requests,
                canary_failed=self.shadow.canary_failed + requests * failing["new"] // 100,
                stable_failed=self.shadow.stable_failed + requests * failing["old"] // 100,
                both_failed=self.shadow.both_failed + requests * failing["new"] * failing["old"] // 10_000,
            )
            self.served = {name: count + requests for name, count in self.served.items()}

    def latencies(self) -> dict[str, Latencies]:
        """Return histograms in which what fails is slow too."""
        return {
            name: Latencies(requests=one.requests, edges_milliseconds=(100.0,), slower=(one.errors,))
            for name, one in self.live.items()
        }


class Rollout(RuleBasedStateMachine):
    """One rollout, driven by drivers that die, in a world that breaks."""

    spec: ReleaseSpec
    world: World
    stored: bytes
    now = 1000.0
    metrics = True
    superseded_by: int | None = None
    approval: Approval | None = None

    @initialize(
        first=st.booleans(),
        direct=st.booleans(),
        scales=st.booleans(),
        shadow=st.sampled_from([None, {"duration_seconds": 10}, {"duration_seconds": 10, "disagreement_limit": 0.1}]),
        approval=st.booleans(),
        on_deadline=st.sampled_from(["hold", "promote", "roll-back"]),
        needs_approval=st.booleans(),
        kept=st.sampled_from([(0, 0), (10, 0), (10, 3)]),
        judge=st.sampled_from([None, None, {"latency": {"threshold_milliseconds": 100.0, "required": False}}]),
    )
    def begins(  # noqa: PLR0913 - one argument per dimension of the world
        self,
        *,
        first: bool,
        direct: bool,
        scales: bool,
        shadow: dict[str, float] | None,
        approval: bool,
        on_deadline: str,
        needs_approval: bool,
        kept: tuple[int, int],
        judge: dict[str, Any] | None,
    ) -> None:
        """Begin a rollout of any kind."""
        earlier = {"at_least_seconds": 4} if on_deadline == "hold" else {}
        steps = [{"weight_percent": weight, "duration_seconds": 10} | earlier for weight in (10, 50)]
        more = dict(zip(("hold_back_percent", "warm_up_seconds"), kept, strict=True))
        self.spec = release_spec(judge, shadow=shadow, approval=approval, on_deadline=on_deadline, steps=steps, **more)
        stable = None if first else OLD
        self.world = World(stable, scales=scales)
        pending = RolloutStatus(
            model="m", version=2, release_id="m-v2-a1", direct=direct, started_at=0, entered_at=0, heartbeat_at=0
        )
        self.store(begin_traffic(pending, NEW, stable, self.now, needs_approval=needs_approval))

    def store(self, status: RolloutStatus) -> None:
        """Write the status where the next driver finds it."""
        self.stored = DOCUMENT.dump_json(status)

    @property
    def status(self) -> RolloutStatus:
        """What a driver that knows nothing else reads."""
        return DOCUMENT.validate_json(self.stored)

    def observed(self) -> Observation:
        """Return what a driver sees now."""
        return Observation(
            revisions=self.world.states(),
            traffic=self.world.traffic,
            readings=collect_readings(requests=dict(self.world.live), latencies=self.world.latencies())
            if self.metrics
            else {},
            shadow=self.world.shadow if self.metrics else None,
            superseded_by=self.superseded_by,
            approval=self.approval,
        )

    # what happens

    @rule(dies=st.sampled_from(["never", "never", "never", "before writing", "before acting"]))
    def look(self, dies: str) -> None:
        """One look of a driver, which may die on its way."""
        before, seen = self.status, self.observed()
        step = advance(self.spec, before, seen, self.now)
        assert advance(self.spec, before, seen, self.now) == step
        assert not before.phase.terminal or (step.actions, step.status) == ((), before)
        self._is_justified(before, step.status)
        if dies == "before writing":
            return
        self.store(step.status)
        assert self.status == step.status
        if dies == "before acting":
            return
        for action in step.actions:
            if isinstance(action, SetTraffic) and self.world.scales and step.status.phase is not Phase.ROLLING_BACK:
                assert self.world.carries(action.traffic), f"{action.traffic} for {before.phase} without the replicas"
            self.world.act(action)

    def _is_justified(self, before: RolloutStatus, after: RolloutStatus) -> None:
        """More traffic only with evidence or somebody's word, and none while something else is at fault."""
        if before.phase is not Phase.SHIFTING:
            return
        if after.evidence.fault.now and after.phase is Phase.SHIFTING:
            assert after.step == before.step
        if after.phase is Phase.PROMOTING:
            passes = decide(after.evidence, self.spec).outcome is Outcome.PASS
            assert passes or self.spec.rollout.on_deadline is Deadline.PROMOTE
            assert not (self.spec.rollout.approval or after.awaits_approval) or after.approved_by

    @rule(looks=st.integers(2, 30))
    def all_goes_well(self, looks: int) -> None:
        """Drive for a while in a world without trouble: how a rollout gets anywhere."""
        for _ in range(looks):
            if self.status.phase.terminal:
                return
            for name in self.world.health:
                self.world.set_health(name, Health.READY)
            self.world.replicas_come()
            self.world.serve(1000, {"new": 0, "old": 0})
            self.look("never")
            self.now += 2

    @rule(seconds=st.sampled_from([0.2, 1, 4, 11, 80, 500]))
    def time_passes(self, seconds: float) -> None:
        """Phases end, deadlines pass, drivers are away."""
        self.now += seconds

    @rule(
        requests=st.sampled_from([1, 100, 3000]),
        new=st.sampled_from([0, 0, 1, 5, 60]),
        old=st.sampled_from([0, 0, 1, 5, 60]),
    )
    def requests_come(self, requests: int, new: int, old: int) -> None:
        """Live requests are served, some of them badly."""
        self.world.serve(requests, {"new": new, "old": old})

    @rule(in_flight=st.sampled_from([0.0, 3.0, 10.0, 30.0, 100.0]))
    def load_changes(self, in_flight: float) -> None:
        """Let requests come faster, or slower."""
        self.world.in_flight = in_flight

    @rule()
    def replicas_come(self) -> None:
        """Let the autoscaler do its work."""
        self.world.replicas_come()

    @rule(name=st.sampled_from(["old", "new"]), health=st.sampled_from([h for h in Health if h is not Health.ABSENT]))
    def health_changes(self, name: str, health: Health) -> None:
        """Boot, crash or recover a process that is there."""
        if name in self.world.health:
            self.world.set_health(name, health)

    @rule(name=st.sampled_from(["old", "new"]))
    def boots(self, name: str) -> None:
        """Finish a start: what mostly happens."""
        if self.world.health.get(name) is Health.STARTING:
            self.world.set_health(name, Health.READY)

    @rule(name=st.sampled_from(["old", "new"]))
    def vanishes(self, name: str) -> None:
        """Lose a node, or a revision that somebody removes by hand."""
        self.world.health.pop(name, None)

    @rule(name=st.sampled_from(["old", "new"]))
    def counters_restart(self, name: str) -> None:
        """Restart the router: it counts from zero."""
        self.world.live[name] = ZERO

    @rule()
    def metrics_come_and_go(self) -> None:
        """Counters can't be read for a while."""
        self.metrics = not self.metrics

    @rule(version=st.sampled_from([None, 3]))
    def newer_version(self, version: int | None) -> None:
        """Let a newer version ask for room, or give up."""
        self.superseded_by = version

    @rule(approve=st.sampled_from([None, True, False]))
    def person_answers(self, approve: bool | None) -> None:  # noqa: FBT001 - drawn by name
        """Somebody approves, rejects, or takes the answer back."""
        self.approval = None if approve is None else Approval(by="ann", approve=approve)

    @precondition(lambda self: not (self.status.phase.terminal or self.status.alone))
    @rule()
    def person_takes_it_back(self) -> None:
        """`slipway rollback`, at any moment."""
        self.store(undo_rollout(self.status, "ann said so", self.now))

    # what always holds

    @invariant()
    def weights_add_up(self) -> None:
        """No request is without an address."""
        if self.world.traffic:
            assert sum(self.world.traffic.weights.values()) == 100

    @invariant()
    def only_what_was_ready_serves(self) -> None:
        """No request goes to a revision that never answered a probe."""
        weights = self.world.traffic.weights if self.world.traffic else {}
        assert {name for name, percent in weights.items() if percent} <= self.world.was_ready

    @invariant()
    def the_end_is_whole(self) -> None:
        """At the end one revision has all requests."""
        status = self.status
        if status.phase.terminal and status.champion is not None:
            assert self.world.traffic == Traffic(stable=status.champion.name)
            assert self.world.replicas[status.champion.name].floor == MINIMUM, "the autoscaler has its replicas back"

    @invariant()
    def weight_and_phase_agree(self) -> None:
        """Only a weight that the phase allows is written."""
        status = self.status
        steps = {step.weight_percent for step in self.spec.rollout.steps}
        whole = {100 - find_hold_back(self.spec, status)}
        allowed = {Phase.SHIFTING: steps, Phase.HELD: {*steps, 0}, Phase.PROMOTING: whole, Phase.BAKING: whole}
        ends = {100} if status.phase is Phase.SUCCEEDED else {0}
        assert status.weight_percent in allowed.get(status.phase, ends)

    @invariant()
    def nothing_counts_twice(self) -> None:
        """Whatever restarts, comes late or is not read: no more is weighed than was served."""
        evidence = self.status.evidence
        assert evidence.canary.requests <= self.world.served["new"]
        assert evidence.stable.requests <= self.world.served["old"]

    def teardown(self) -> None:
        """Let the world be well and somebody drive: it comes to an end, and to the right one."""
        if not hasattr(self, "world"):
            return
        self.metrics, self.superseded_by = True, None
        self.approval = Approval(by="ann", approve=True)
        self.all_goes_well(PATIENCE)
        status = self.status
        assert status.phase in {Phase.SUCCEEDED, Phase.ROLLED_BACK}, f"{status.phase}: {status.reason}"
        self.the_end_is_whole()
        serving = {status.champion.name} if status.champion else set()
        assert set(self.world.health) <= serving, "what does not serve is stopped"


Rollout.TestCase.settings = settings(max_examples=60, stateful_step_count=25)
TestRollout = Rollout.TestCase
