"""How evidence grows through a plan, look by look: when a canary is found, and when it passes.

The number of the canary's events is a Poisson process of known rate; `cells` holds its distribution among the canaries
that are not decided yet, `boundaries` gives the numbers that decide. Every look advances the distribution (exactly for
counts under a few hundred, by its first two moments beyond) and removes what was decided. Looks in which events are
very unlikely are merged.

Copies are judged by a check of their own, and live evidence begins after them: each is a walk by itself, and
`after_copies` joins them. Where the rollout waits for other metrics too (`Rest`), those that wait for them are followed
apart.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from slipway.domain.forecast import boundaries
from slipway.domain.forecast.boundaries import Served
from slipway.domain.forecast.cells import START, Cells, add_events
from slipway.domain.forecast.course import Leg, Plan, PredictedMetric, to_exclude
from slipway.domain.forecast.groups import Group, pool_groups
from slipway.domain.judge.statistics.rates import Floats

FINENESS = 0.04
"""Looks are merged until the expected events grew by this share."""
NEXT_TO_NOTHING = 0.25
"""Expected events of the canary under which looks are merged."""
MOMENTS = 6
"""A leg has at least this many moments, if it has that many looks."""
BLOCK = 24
"""Moments whose boundaries are computed together."""
JUST_BEFORE = 1e-6
"""Seconds: nothing happens between two looks."""
ANY = 1e18
"""Whatever number of events."""
SETTLED = 1e-4
"""If less than this probability is undecided, the rest of the plan is skipped."""


Noted = tuple[float, float, int, float]
"""First look, last look, leg, probability."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chances:
    """When something happens, as probabilities that add up to that of its ever happening."""

    first: Floats
    """Seconds of the first look at which it may have happened."""
    last: Floats
    """Seconds of the last one; the same if the look was not merged."""
    chance: Floats
    legs: NDArray[np.int64]
    """Number of the leg in which it happens."""

    @property
    def ever(self) -> float:
        """Return the probability of its ever happening."""
        return float(self.chance.sum())

    def by(self, seconds: ArrayLike) -> Floats:
        """Return the probability that it has happened by then; any shape."""
        at = np.asarray(seconds, dtype=float)[..., None]
        passed = np.clip((at - self.first) / np.maximum(self.last - self.first, JUST_BEFORE), 0.0, 1.0)
        by: Floats = (np.where(at >= self.last - 1e-9, 1.0, passed) * self.chance).sum(axis=-1)
        return by

    def quantile(self, share: float) -> float | None:
        """Return the second by which it has happened with this probability; None: never."""
        if self.ever < share:
            return None
        points = np.unique(np.concatenate([self.first - JUST_BEFORE, self.last]))
        return round(float(np.interp(share, self.by(points), points)), 3)


@dataclass(frozen=True, slots=True, kw_only=True)
class WalkResult:
    """The result for a canary of one ratio."""

    ratio: float
    found: Chances
    """It is rolled back."""
    promoted: Chances
    """It passes where the plan waits for that, and so does the rest."""
    entered: tuple[float | None, ...]
    """Mean second at which each leg begins; None: it never does."""
    bad_requests: float
    """Expected failed answers of the canary that clients got, until it is found, promoted, or the plan is over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest:
    """When another metric passes, for a canary that stays in every step until it does."""

    passed: Chances
    begins: tuple[float, ...]
    """Seconds at which each leg begins."""

    def by(self, number: int, seconds: Floats) -> Floats:
        """Return the probability that it has passed this many seconds after a leg began."""
        return self.passed.by(self.begins[number] + seconds)


@dataclass(slots=True)
class _Walker:
    """One canary's walk through a plan."""

    plan: Plan
    metric: PredictedMetric
    ratio: float
    rest: Rest | None
    ends_with_pass: bool
    """Whether the first pass is the end, in whatever leg."""
    found: list[Noted] = field(default_factory=list)
    promoted: list[Noted] = field(default_factory=list)
    bad: float = 0.0

    def leg(self, number: int, group: Group) -> list[Group]:
        """Walk a group through one leg; return those that leave it for the next."""
        times = self._moments(number, group)
        gone: list[Group] = []
        for begin in range(0, len(times) - 1, BLOCK):
            group = replace(group, cells=self._block(number, group, times[begin : begin + BLOCK + 1], gone))
            if group.cells.mass < SETTLED:
                break
        return [one for one in gone if one.cells.mass > SETTLED / 10]

    def _block(self, number: int, group: Group, times: Floats, gone: list[Group]) -> Cells:
        """Walk through some moments in a row; return what is still open, and add to `gone` what leaves."""
        leg, last = self.plan.legs[number], number + 1 == len(self.plan.legs)
        counted = self.plan.served(group.spent, number, times)
        after = replace(counted, canary=counted.canary[1:], stable=counted.stable[1:])
        fails = boundaries.find_fail_bounds(after, self.metric.guard, self.metric.base, self.metric.alpha)
        enough = self._enough(leg, after, times[1:])
        over = (times[1:] >= leg.seconds - 1e-9) & (not last)
        moves = boundaries.noise_moves(counted.noise_variance(self.metric.base))
        share = min(self.metric.base * self.ratio, 1.0)
        rate, shown = self.plan.counted(leg)[0] * share, self.plan.requests_per_second * leg.exposed * share
        cells, came = self._told_apart(number, group.cells, times)
        final = last or (self.ends_with_pass and leg.asks_for_pass)
        for moment, (begins, ends) in enumerate(pairwise(times.tolist())):
            self.bad += shown * (ends - begins) * cells.mass
            weighed = max(ends - max(begins, leg.cold_seconds), 0.0)
            cells = add_events(cells, rate * weighed, moves[moment])
            if came is not None:
                cells = cells.ready(came[moment])
            when = (group.at + min(begins + self.plan.look_seconds, ends), group.at + ends, number)
            cells = self._noted(self.found, cells, cells.above(fails[moment]), when)
            going = cells.up_to(enough[moment])
            if final:
                cells = self._noted(self.promoted, cells, going, when)
            if over[moment]:
                going = np.ones_like(going)
            if not last and (over[moment] or not final):
                gone.append(self._left(group, number, ends, cells.only(going)))
                cells = cells.without(going)
        return cells

    def _told_apart(self, number: int, cells: Cells, times: Floats) -> tuple[Cells, Floats | None]:
        """Return cells by whether they wait for the rest, and the shares of those that stop waiting, by moment."""
        if self.rest is None or not self.plan.legs[number].asks_for_pass:
            return cells, None
        passed = self.rest.by(number, times)
        return cells.waiting(), np.diff(passed) / np.maximum(1 - passed[:-1], 1e-9)

    def _noted(self, events: list[Noted], cells: Cells, shares: Floats, when: tuple[float, float, int]) -> Cells:
        """Record that this happened to these shares of the cells; return the others."""
        left = cells.without(shares)
        events.append((*when, cells.mass - left.mass))
        return left

    def _enough(self, leg: Leg, counted: Served, times: Floats) -> Floats:
        """Return the largest number of events with which a canary leaves the leg early, at every moment."""
        guard, base, beta = self.metric.guard, self.metric.base, self.metric.beta
        least = leg.seconds if leg.at_least is None and leg.next_percent is None and not leg.copies else leg.at_least
        never = np.full((len(times), boundaries.STATES), -1.0)
        if least is None or times[-1] < least - 1e-9:
            waits = never
        elif leg.asks_for_pass and self.rest is not None and not guard.required:
            waits = np.full_like(never, ANY)
        elif leg.asks_for_pass:
            waits = boundaries.find_pass_bounds(counted, guard, base, beta)
        else:
            look = self.plan.requests_per_second * self.plan.look_seconds
            waits = boundaries.find_exclusion_bounds(
                counted, base, beta, to_exclude(self.metric, look, leg.next_percent or 0)
            )
        enough = np.where((times >= (least or 0.0) - 1e-9)[:, None], waits, never)
        return np.stack([enough, never], axis=1) if self.rest is not None and leg.asks_for_pass else enough

    def _left(self, group: Group, number: int, seconds: float, cells: Cells) -> Group:
        spent = group.spent.copy()
        spent[number] += max(seconds - self.plan.legs[number].cold_seconds, 0.0)
        return Group(at=group.at + seconds, spent=spent, cells=cells)

    def _moments(self, number: int, group: Group) -> Floats:
        """Return the looks of a leg that are followed, from 0: those at which something may change."""
        leg, look = self.plan.legs[number], self.plan.look_seconds
        wait = self.plan.wait_seconds if leg.next_percent is None else 0.0
        rates = self.metric.base * look * np.array([self.plan.counted(one)[0] for one in self.plan.legs])
        known, rate = float(group.spent @ rates) / look, float(rates[number])
        least = NEXT_TO_NOTHING / (rate * max(1.0, self.ratio))
        seconds = (leg.seconds, leg.seconds + wait, leg.at_least or leg.seconds)
        must = sorted({max(1, int(np.ceil(one / look - 1e-9))) for one in seconds})
        looks = [0]
        while looks[-1] < must[-1]:
            at = looks[-1]
            pace = min(max(FINENESS * (known / rate + at), least), max(must[0], at) / MOMENTS)
            looks.append(min(at + max(1, round(pace)), next(one for one in must if one > at)))
        return look * np.array(looks, dtype=float)


def walk_plan(
    plan: Plan, metric: PredictedMetric, ratio: float, *, rest: Rest | None = None, ends_with_pass: bool = False
) -> WalkResult:
    """Return the result for a canary whose events are `ratio` times as frequent as stable's.

    All legs are of copies, or all are live. `ends_with_pass`: the first pass is the end, in whatever leg asks for one.
    """
    walker = _Walker(plan=plan, metric=metric, ratio=ratio, rest=rest, ends_with_pass=ends_with_pass)
    groups = [Group(at=0.0, spent=np.zeros(len(plan.legs)), cells=START)]
    rates = metric.base * np.array([plan.counted(leg)[0] for leg in plan.legs])
    entered: list[float | None] = []
    for number in range(len(plan.legs)):
        whole = sum(group.cells.mass for group in groups)
        entered.append(sum(group.at * group.cells.mass for group in groups) / whole if groups else None)
        groups = pool_groups([one for group in groups for one in walker.leg(number, group)], rates)
    return WalkResult(
        ratio=ratio,
        found=_chances_of(walker.found),
        promoted=_chances_of(walker.promoted),
        entered=tuple(entered),
        bad_requests=walker.bad,
    )


def ends_after(copies: WalkResult, longest: float) -> float:
    """Return the mean seconds after which the shadow ends for a canary that is not found on its copies."""
    open_ = 1 - copies.found.ever
    passed = copies.promoted
    if open_ <= SETTLED:
        return longest
    return float((passed.chance @ passed.last) + (open_ - passed.ever) * longest) / open_


def after_copies(copies: Chances | None, live: WalkResult, seconds: float) -> WalkResult:
    """Return the result for a canary from the results on copies, the shadow's mean seconds, and the live result."""
    if copies is None:
        return live
    open_ = 1 - copies.ever

    def later(one: Chances) -> Chances:
        return Chances(first=seconds + one.first, last=seconds + one.last, legs=1 + one.legs, chance=open_ * one.chance)

    found = later(live.found)
    return WalkResult(
        ratio=live.ratio,
        found=Chances(
            first=np.append(copies.first, found.first),
            last=np.append(copies.last, found.last),
            legs=np.append(copies.legs, found.legs),
            chance=np.append(copies.chance, found.chance),
        ),
        promoted=later(live.promoted),
        entered=(0.0, *(None if one is None else seconds + one for one in live.entered)),
        bad_requests=open_ * live.bad_requests,
    )


def _chances_of(events: Sequence[Noted]) -> Chances:
    many = np.array(sorted((one for one in events if one[3] > 0), key=lambda one: one[1])).reshape(-1, 4)
    return Chances(first=many[:, 0], last=many[:, 1], legs=many[:, 2].astype(np.int64), chance=many[:, 3])
