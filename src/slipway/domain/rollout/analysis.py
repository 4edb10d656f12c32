"""The judge within a rollout: what it looks at in each phase, and what it lets the weights do."""

from collections.abc import Sequence
from dataclasses import replace

from slipway.domain.judge import judge
from slipway.domain.judge.checks import Check
from slipway.domain.judge.counters import Counters
from slipway.domain.judge.decision import Decision, find_drift
from slipway.domain.judge.evidence import Evidence
from slipway.domain.judge.metrics import Score
from slipway.domain.judge.readings import NOTHING_READ, Readings, Source, Summary
from slipway.domain.judge.statistics import route, shared_faults
from slipway.domain.judge.statistics.dispersion import KNOWN_BLOCKS
from slipway.domain.rollout import baking, warming
from slipway.domain.rollout.actions import Observation, name_of, state_in
from slipway.domain.rollout.revision import Health
from slipway.domain.rollout.status import Hold, HoldReason, Phase, RolloutStatus
from slipway.domain.rollout.warming import ready_replicas
from slipway.domain.spec.judge import DriftAction
from slipway.domain.spec.release import ReleaseSpec
from slipway.domain.verdict import Outcome

CROWDED_PERCENT = 25
"""Above it, more weight hardly brings the decision nearer: both arms' errors are as noisy. Early only after a PASS."""


WARMED_UP = {Phase.SHADOW, Phase.SHIFTING, Phase.BAKING}
"""Phases that begin with more requests for a revision than it had."""
NO_SUMMARY = Summary()
OF_COPIES = {Check.COPIES, Check.DISAGREEMENT, Check.SLOWDOWN}
"""Checks that copies are judged by."""


def update_warming(spec: ReleaseSpec, status: RolloutStatus, seen: Observation, now: float) -> RolloutStatus:
    """Store which replicas may be cold: some were added, or their revision got more requests, a moment ago.

    If both versions reported at the last look that they are warm, and report it now, none is cold.
    """
    seconds, names = _warm_up_seconds(spec, status), [name_of(status.canary) or "", name_of(status.stable) or ""]
    replicas = {name: ready_replicas(state_in(seen, name)) for name in names if name}
    noted = warming.add_replicas(status.warming, replicas, now, seconds)
    risen = status.phase in WARMED_UP and now - status.entered_at < seconds
    summaries = seen.readings.get(Source.SUMMARIES, {})
    warm = all((summaries.get(name, NOTHING_READ).summary or NO_SUMMARY).warm for name in names)
    cold = (risen or now < noted.until) and not (noted.warm and warm)
    return replace(status, warming=replace(warming.begin_window(noted, seen.live, cold=cold), warm=warm, cold=cold))


def _warm_up_seconds(spec: ReleaseSpec, status: RolloutStatus) -> float:
    """Return how long a replica may be cold: at most half of a phase's time, so that short ones weigh something."""
    rollout = spec.rollout
    match status.phase:
        case Phase.SHADOW if rollout.shadow is not None:
            whole = rollout.shadow.duration_seconds
        case Phase.SHIFTING | Phase.HELD:
            whole = rollout.steps[status.step].duration_seconds
        case _:
            whole = rollout.bake_seconds
    return min(rollout.warm_up_seconds, whole / 2)


def moment_seen(status: RolloutStatus, seen: Observation, now: float) -> judge.When:
    """Return the moment of a look, with the canary's share as the router has it."""
    canary = name_of(status.canary) or ""
    share = seen.traffic.weights.get(canary, 0) if seen.traffic else status.weight_percent
    return judge.When(at=now, weight_percent=share)


def weigh_look(spec: ReleaseSpec, status: RolloutStatus, seen: Observation, when: judge.When) -> Evidence:
    """Return the evidence after this look. An arm that can't be read is no evidence, good or bad.

    A stable revision that is not ready is no reference: beside it any canary looks fine.
    """
    canary, stable = name_of(status.canary), name_of(status.stable)
    if canary is None or stable is None:
        return _learn_bursts(status, canary, seen, spec, when) if status.alone else status.evidence
    arms = judge.Arms(canary=canary, stable=stable)
    ready = state_in(seen, stable).health is Health.READY
    cold = status.warming.cold
    update = judge.update_while_cold if cold else judge.update_evidence  # what a cold replica explains is not weighed
    match status.phase:
        case _ if status.copying and ready and seen.shadow is not None:  # the copies are weighed, not the originals too
            noted = judge.advance_cursors(status.evidence, arms, seen.readings, spec.judge)
            learned = judge.learn_bursts(noted, stable, seen.readings, spec.judge, when)
            came = None if cold else seen.shadow.since(status.shadow)
            return judge.update_from_copies(learned, came, spec.judge, when, patient=_may_wait(spec))
        case Phase.SHIFTING | Phase.HELD if ready and not status.copying:
            return update(status.evidence, arms, seen.readings, spec.judge, when)
        case Phase.SHADOW | Phase.SHIFTING | Phase.HELD:
            return judge.advance_cursors(status.evidence, arms, seen.readings, spec.judge)
        case Phase.BAKING:
            learned = _learn_bursts(status, canary, seen, spec, when)
            return judge.update_evidence(learned, arms, _select(seen, Source.LABELS), spec.judge, when)
        case _:
            return status.evidence


def weigh_after_promotion(spec: ReleaseSpec, status: RolloutStatus, seen: Observation, when: judge.When) -> Evidence:
    """Return the evidence of old and new beside one another after promotion; the new one is the canary still."""
    canary, stable = name_of(status.canary), name_of(status.stable)
    if canary is None or stable is None or not baking.is_comparing(status):
        return status.evidence_after_promotion
    arms = judge.Arms(canary=canary, stable=stable)
    live = _select(seen, Source.REQUESTS, Source.LATENCIES, Source.SUMMARIES)
    both = seen.traffic is not None and bool(seen.traffic.weights.get(stable))
    if not both or state_in(seen, stable).health is not Health.READY:
        return judge.advance_cursors(status.evidence_after_promotion, arms, live, spec.judge)
    before, cold = status.evidence_after_promotion, status.warming.cold
    begun = before if cold else baking.restart_rates(before, spec, when.at)
    update = judge.update_while_cold if cold else judge.update_evidence
    return update(begun, arms, live, spec.judge, when)


def _select(seen: Observation, *sources: Source) -> Readings:
    """Return what was read of these sources."""
    return {source: seen.readings[source] for source in sources if source in seen.readings}


def too_bad_for_cold(spec: ReleaseSpec, status: RolloutStatus, seen: Observation) -> str:
    """Describe failures that neither a cold replica nor a burst explains, while looks are not weighed; empty: none."""
    canary, stable = name_of(status.canary), name_of(status.stable)
    if not (status.warming.cold or _learns_first(spec, status)) or canary is None or stable is None:
        return ""
    if status.copying:
        copies = status.shadow
        ours = Counters(requests=copies.compared, errors=copies.canary_failed)
        theirs = Counters(requests=copies.compared, errors=copies.stable_failed)
        return warming.worse_than_cold(ours, theirs, spec.judge.alpha)
    if status.phase not in {Phase.SHIFTING, Phase.HELD}:
        return ""
    return warming.more_than_cold(status.warming, (canary, stable), seen.live or {}, spec.judge.alpha)


def _learn_bursts(
    status: RolloutStatus, alone: str | None, seen: Observation, spec: ReleaseSpec, when: judge.When
) -> Evidence:
    """Return the evidence after a look at what serves now; what a cold replica explains is remembered, not learned."""
    learned = judge.learn_bursts(status.evidence, alone or "", seen.readings, spec.judge, when)
    return replace(status.evidence, cursors=learned.cursors) if status.warming.cold else learned


def find_copying_hold(spec: ReleaseSpec, status: RolloutStatus, seen: Observation) -> Hold | None:
    """Return why no live request may follow the copies yet, whatever they show; None: it may."""
    stable, shadow = state_in(seen, name_of(status.stable)), spec.rollout.shadow
    if stable.health is not Health.READY:
        sentence = f"{stable.name} is {stable.health}: no live request goes to the canary until it is ready"
        return Hold(reason=HoldReason.STABLE_NOT_READY, sentence=sentence)
    if shadow is not None and shadow.disagreement_limit is not None and not status.shadow.compared:
        # a limit that was never checked is not met
        return Hold(reason=HoldReason.NOT_COPIED, sentence="no copied request was answered by both yet")
    return None


def _may_wait(spec: ReleaseSpec) -> bool:
    """Return whether the shadow is long enough to learn stable's bursts before copies count against the canary."""
    shadow, needed = spec.rollout.shadow, (KNOWN_BLOCKS + 1) * spec.judge.burst_seconds
    return shadow is not None and shadow.duration_seconds > needed


def _learns_first(spec: ReleaseSpec, status: RolloutStatus) -> bool:
    """Return whether copies do not count against the canary yet, because stable's bursts are being learned."""
    return status.copying and _may_wait(spec) and not judge.knows_bursts(status.evidence, spec.judge)


def copies_pass(spec: ReleaseSpec, status: RolloutStatus, scored: Sequence[Score]) -> bool:
    """Return whether all checks of copies pass; latencies count only if they are known.

    If the shadow is long enough, stable's bursts are learned first, so that live requests are not needed for it.
    """
    if _learns_first(spec, status):
        return False
    said = {one.check: one.outcome(spec.judge.beta) for one in scored if one.check in OF_COPIES}
    return said.get(Check.COPIES) is Outcome.PASS and set(said.values()) <= {Outcome.PASS, Outcome.NO_DATA}


def find_hold(spec: ReleaseSpec, status: RolloutStatus, seen: Observation) -> Hold | None:
    """Return the reason to keep the weights whatever the evidence is; None: there is none."""
    stable = state_in(seen, name_of(status.stable))
    if stable.health is not Health.READY:
        sentence = f"{stable.name} is {stable.health}: the weights stay until it is ready"
        return Hold(reason=HoldReason.STABLE_NOT_READY, sentence=sentence)
    if not {stable.name, name_of(status.canary)} <= (seen.live or {}).keys():
        sentence = "requests can't be counted now: the weights stay until they can"
        return Hold(reason=HoldReason.NOT_COUNTED, sentence=sentence)
    return _find_fault(spec, status)


def _find_fault(spec: ReleaseSpec, status: RolloutStatus) -> Hold | None:
    """Return what is wrong that is not the canary's fault; None: nothing is."""
    evidence, watched = status.evidence, spec.judge.drift
    if evidence.fault.now:
        reason = HoldReason.BOTH_FAIL if evidence.fault.canary_share else HoldReason.STABLE_FAILS
        sentence = f"{shared_faults.describe_fault(evidence.fault)}: the weights stay until it is over"
        return Hold(reason=reason, sentence=sentence)
    if route.is_mismatched(evidence.route, spec.judge.alpha):
        return Hold(
            reason=HoldReason.WRONG_ROUTE, sentence=f"{route.describe_mismatch(evidence.route)}: the weights stay"
        )
    if watched is not None and watched.action is DriftAction.GUARD and status.canary is not None:
        sentence = find_drift(evidence, spec.judge, status.canary.package.profile)
        return Hold(reason=HoldReason.INPUTS_DRIFTED, sentence=sentence) if sentence else None
    return None


def step_is_over(spec: ReleaseSpec, status: RolloutStatus, waited: float, decision: Decision) -> bool:
    """Return whether the step's time is over, or the evidence allows more weight before that."""
    step = spec.rollout.steps[status.step]
    if waited >= step.duration_seconds:
        return True
    if step.at_least_seconds is None or waited < step.at_least_seconds:
        return False
    later = [one.weight_percent for one in spec.rollout.steps[status.step + 1 :]]
    if later and later[0] > judge.UNKNOWN_PERCENT and not judge.knows_bursts(status.evidence, spec.judge):
        return False  # a model's second release: bursts of stable's errors were never seen
    if not later or later[0] > CROWDED_PERCENT:
        return decision.outcome is Outcome.PASS
    return judge.may_rise(status.evidence, spec.judge, later[0])
