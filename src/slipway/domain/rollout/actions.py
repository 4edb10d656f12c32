"""What was seen, what is wanted, and the actions between the two: nothing here decides about the canary."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from slipway.domain.judge.counters import Counters
from slipway.domain.judge.readings import Readings, Source
from slipway.domain.rollout.capacity import find_floors_to_raise, find_retreat, find_shortages
from slipway.domain.rollout.revision import Health, Rescue, Revision, RevisionState, Traffic
from slipway.domain.rollout.shadow import ShadowComparison
from slipway.domain.rollout.status import Phase, RolloutStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Start a revision."""

    revision: Revision


@dataclass(frozen=True, slots=True, kw_only=True)
class SetTraffic:
    """Share live requests so."""

    traffic: Traffic


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """Drain and stop a revision."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reserve:
    """Let revisions have at least so many replicas."""

    floors: Mapping[str, int]
    """By revision."""


Action = Start | SetTraffic | Stop | Reserve


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """What a person answered."""

    by: str
    approve: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What was seen at one look."""

    revisions: dict[str, RevisionState] = field(default_factory=dict)
    traffic: Traffic | None = None
    readings: Readings = field(default_factory=dict)
    """What the judge weighs, cumulative, by source and revision."""
    shadow: ShadowComparison | None = None
    """None: no shadow, or its answers can't be read now."""
    superseded_by: int | None = None
    """A newer version that asks this rollout to make room."""
    approval: Approval | None = None

    @property
    def live(self) -> dict[str, Counters] | None:
        """Cumulative counters of live requests by revision; None: they can't be read now."""
        read = self.readings.get(Source.REQUESTS)
        return None if read is None else {name: one.requests for name, one in read.items() if one.requests is not None}


def wanted_traffic(status: RolloutStatus) -> Traffic | None:
    """Return how live requests are to be shared in this phase; None: leave the route as it is."""
    canary, stable = name_of(status.canary), name_of(status.stable)
    if canary is None:
        return None
    match status.phase:
        case Phase.PROMOTING | Phase.BAKING | Phase.SUCCEEDED:
            return _promoted_traffic(status, canary, stable)
        case Phase.ROLLING_BACK | Phase.ROLLED_BACK:
            return Traffic(stable=stable) if stable else None
        case _ if status.copying and stable:
            return Traffic(stable=stable, canary=canary, shadow=canary)
        case Phase.SHIFTING | Phase.HELD if stable:
            share = status.weight_percent
            return Traffic(stable=stable, canary=canary, canary_percent=share, rescue=_wanted_rescue(status))
        case _:
            return None


def _wanted_rescue(status: RolloutStatus) -> Rescue | None:
    """Return how the revision before answers in the place of the one that is released; never the other way round.

    A version that a person takes back (`direct`) is not rescued by the one that it takes the place of.
    """
    canary, stable = status.canary, status.stable
    if canary is None or stable is None or canary.rescue is None or status.direct:
        return None
    bounds = canary.rescue
    return Rescue(of=canary.name, by=stable.name, at_once=bounds.at_once, after_seconds=bounds.after_seconds)


def _promoted_traffic(status: RolloutStatus, canary: str, stable: str | None) -> Traffic:
    """Return the shares after promotion: the old revision keeps what the status does not give to the new one."""
    if stable is None or status.phase is Phase.SUCCEEDED:
        return Traffic(stable=canary)
    share = 100 - status.weight_percent
    return Traffic(stable=canary, canary=stable, canary_percent=share, rescue=_wanted_rescue(status))


def find_traffic_actions(
    status: RolloutStatus, seen: Observation, target: Traffic | None = None, *, ignore_capacity: bool = False
) -> tuple[Action, ...]:
    """Return the actions that lead to `target`, by default the traffic that the status wants; empty: it is so already.

    A revision that is to serve and is absent is started first. A share grows once its revision has the replicas for
    it; with `ignore_capacity` it does not wait. During a rollback the requests follow the replicas as they get ready.
    """
    wanted = target or wanted_now(status, seen)
    if wanted is None:
        return ()
    for revision in filter(None, (status.stable, status.canary)):
        if wanted.weights.get(revision.name) and state_in(seen, revision.name).health is Health.ABSENT:
            return (Start(revision=revision),)
    if wanted == seen.traffic:
        return ()
    floors = find_floors_to_raise(wanted, seen.traffic, seen.revisions)
    reserve = (Reserve(floors=floors),) if floors else ()
    if not _ready_for(wanted, seen):
        return reserve
    next_one = wanted if ignore_capacity else _traffic_within_capacity(status, wanted, seen)
    return (*reserve, SetTraffic(traffic=next_one)) if next_one and next_one != seen.traffic else reserve


def _traffic_within_capacity(status: RolloutStatus, wanted: Traffic, seen: Observation) -> Traffic | None:
    """Return how requests may be shared with the replicas that are ready."""
    if not find_shortages(wanted, seen.traffic, seen.revisions):
        return wanted
    if status.phase is Phase.ROLLING_BACK and seen.traffic is not None:
        return find_retreat(wanted, seen.traffic, seen.revisions)
    return seen.traffic


def wanted_now(status: RolloutStatus, seen: Observation) -> Traffic | None:
    """Return the wanted traffic without a warm revision that is absent: a router rejects it.

    After promotion an old revision that is not ready keeps no requests.
    """
    wanted = wanted_traffic(status)
    if wanted is None or wanted.canary is None:
        return wanted
    other = state_in(seen, wanted.canary).health
    promoted = wanted.stable == name_of(status.canary)
    if other is Health.ABSENT and (promoted or not wanted.canary_percent):
        return Traffic(stable=wanted.stable)
    return replace(wanted, canary_percent=0) if promoted and other is not Health.READY else wanted


def remark_on(seen: Observation) -> str:
    """Describe what is neither version's fault: an edited route, or what the target reports about a ready revision."""
    remarks = [f"{state.name}: {state.detail}" for state in seen.revisions.values() if _says_something(state)]
    if seen.traffic is not None and seen.traffic.edited_by:
        shares = ", ".join(f"{name} {percent} %" for name, percent in seen.traffic.weights.items())
        remarks.append(f"the route was edited by {seen.traffic.edited_by}: {shares}")
    return "; ".join(remarks)


def _says_something(state: RevisionState) -> bool:
    return state.health is Health.READY and bool(state.detail)


def _ready_for(wanted: Traffic, seen: Observation) -> bool:
    """Return whether every revision whose share grows is ready: capacity before traffic."""
    before = seen.traffic.weights if seen.traffic else {}
    grows = [name for name, percent in wanted.weights.items() if percent > before.get(name, 0)]
    return all(state_in(seen, name).health is Health.READY for name in grows)


def state_in(seen: Observation, name: str | None) -> RevisionState:
    """Return a revision as it was seen; ABSENT where it was not."""
    absent = RevisionState(name=name or "nothing", health=Health.ABSENT)
    return seen.revisions.get(absent.name, absent)


def name_of(revision: Revision | None) -> str | None:
    """Return a revision's name, where there is one."""
    return revision.name if revision else None
