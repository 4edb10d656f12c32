"""A plan: legs of constant weight, the metrics that are followed through them, and the traffic."""

import math
from dataclasses import dataclass, replace

import numpy as np

from slipway.domain.forecast.boundaries import Served
from slipway.domain.judge import judge
from slipway.domain.judge.checks import Check
from slipway.domain.judge.counters import Counters
from slipway.domain.judge.decision import score_metrics
from slipway.domain.judge.evidence import NO_EVIDENCE
from slipway.domain.judge.statistics.rates import Floats
from slipway.domain.rollout.analysis import CROWDED_PERCENT
from slipway.domain.spec.judge import JudgeSpec, RateGuard
from slipway.domain.spec.release import ReleaseSpec, RolloutSpec, ShadowSpec

ALL_BUT = 0.999
"""A weight of 100 % leaves no reference; it is followed as if one request in a thousand went to stable."""

HARDLY = 1e-3
"""Seconds that are counted even if replicas are cold, because a variance of 0 can't be used."""
MANY = 10**9
"""Requests of stable after which its share is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """The service as it is now."""

    requests_per_second: float
    error_rate: float
    """Share of stable's requests that fail, over 0 and under 1."""

    def __post_init__(self) -> None:
        """Reject numbers that no service has."""
        if not (math.isfinite(self.requests_per_second) and self.requests_per_second > 0):
            message = f"requests_per_second {self.requests_per_second:g}; expected a number over 0"
            raise ValueError(message)
        if not 0 < self.error_rate < 1:
            message = f"error_rate {self.error_rate:g}; expected a share over 0 and under 1, such as 0.005"
            raise ValueError(message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """A period with one weight."""

    share: float
    """Of live requests that the canary gets; 1 for copies."""
    seconds: float
    at_least: float | None = None
    """Seconds after which it may end early."""
    next_percent: int | None = None
    """Weight that follows; None: promotion."""
    copies: bool = False
    """Shadow: every request goes to both, and no client gets the canary's answers."""
    cold_seconds: float = 0.0
    """Seconds from its beginning in which nothing is weighed, because replicas may be cold."""

    @property
    def rates(self) -> tuple[float, float]:
        """Return canary's and stable's part of the requests."""
        return (1.0, 1.0) if self.copies else (min(self.share, ALL_BUT), 1 - min(self.share, ALL_BUT))

    @property
    def asks_for_pass(self) -> bool:
        """Return whether only a PASS of all that is waited for ends it early (`analysis.step_is_over`)."""
        return self.copies or self.next_percent is None or self.next_percent > CROWDED_PERCENT

    @property
    def exposed(self) -> float:
        """Return the share of clients that get the canary's answers."""
        return 0.0 if self.copies else self.share


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictedMetric:
    """One share of requests that the judge follows."""

    guard: RateGuard
    alpha: float
    """Its part of the judge's alpha."""
    beta: float
    base: float
    """Stable's share."""


def legs_of(rollout: RolloutSpec, *, copies: bool = True) -> tuple[Leg, ...]:
    """Return the legs of a rollout; without `copies` the shadow is left out."""
    weights = [step.weight_percent for step in rollout.steps]
    shadow = rollout.shadow if copies else None
    first = (
        ()
        if shadow is None
        else (
            Leg(
                share=1.0,
                seconds=shadow.duration_seconds,
                at_least=_at_least(shadow),
                copies=True,
                next_percent=weights[0],
                cold_seconds=min(rollout.warm_up_seconds, shadow.duration_seconds / 2),
            ),
        )
    )
    return first + tuple(
        Leg(
            share=step.weight_percent / 100,
            seconds=step.duration_seconds,
            at_least=step.at_least_seconds,
            next_percent=following,
            cold_seconds=min(rollout.warm_up_seconds, step.duration_seconds / 2),
        )
        for step, following in zip(rollout.steps, [*weights[1:], None], strict=True)
    )


def _at_least(shadow: ShadowSpec) -> float | None:
    """Return the seconds after which copies may end the shadow; None: never early."""
    least = shadow.at_least_seconds
    return None if least is None or least >= shadow.duration_seconds else least


def metrics_of(spec: ReleaseSpec, service: Service) -> dict[Check, PredictedMetric]:
    """Return the metrics whose events can be predicted: errors (on copies too), and slow answers.

    A service level in milliseconds doesn't give the share of answers over it; 1 - quantile is assumed for it too.
    """
    alphas = {one.check: one.alpha for one in score_metrics(NO_EVIDENCE, spec)}
    judging = spec.judge
    found = {Check.ERRORS: _build_metric(judging, judging.errors, alphas[Check.ERRORS], service.error_rate)}
    if judging.latency is not None:
        slow = 1 - judging.latency.quantile
        found[Check.LATENCY] = _build_metric(judging, judging.latency, alphas[Check.LATENCY], slow)
    if Check.COPIES in alphas:
        found[Check.COPIES] = _build_metric(
            judging, judge.copies_guard(judging), alphas[Check.COPIES], service.error_rate
        )
    return found


def _build_metric(judging: JudgeSpec, guard: RateGuard, alpha: float, base: float) -> PredictedMetric:
    return PredictedMetric(guard=guard, alpha=alpha, beta=judging.beta, base=base)


def on_copies(metric: PredictedMetric, ratio: float) -> tuple[PredictedMetric, float]:
    """Return the metric and the ratio as the judge counts copies: without those on which both arms fail.

    It leaves them out if any difference counts (a margin of 1). Failures of both are assumed to be independent.
    """
    if metric.guard.margin > 1:
        return metric, ratio
    ours = min(metric.base * ratio, ALL_BUT)
    return replace(metric, base=metric.base * (1 - ours)), ours / metric.base * (1 - metric.base) / (1 - ours)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The course of a canary."""

    legs: tuple[Leg, ...]
    look_seconds: float
    requests_per_second: float
    wait_seconds: float = 0.0
    """How long the last leg is extended to collect evidence."""
    even: bool = False
    """Requests are spaced so evenly that both arms have some in every look."""

    @property
    def shadow(self) -> "Plan | None":
        """Return the plan of the copies, which are judged separately; None: there are none."""
        return replace(self, legs=self.legs[:1], wait_seconds=0.0) if self.legs[0].copies else None

    @property
    def live(self) -> "Plan":
        """Return the plan from the first live step on; its evidence begins there."""
        return replace(self, legs=self.legs[1:]) if self.legs[0].copies else self

    @property
    def seconds(self) -> float:
        """Return the longest time of all legs, without waiting."""
        return sum(leg.seconds for leg in self.legs)

    def counted(self, leg: Leg) -> tuple[float, float]:
        """Return canary's and stable's requests per second that the judge can use in a leg.

        A look in which one arm had no request carries no information (`rates.log_likelihoods`). With Poisson numbers of
        requests, the other arm had one with probability 1 - exp(-requests).
        """
        canary, stable = (self.requests_per_second * rate for rate in leg.rates)
        if leg.copies or self.even:
            return canary, stable
        return (
            -canary * math.expm1(-stable * self.look_seconds),
            -stable * math.expm1(-canary * self.look_seconds),
        )

    def served(self, before: Floats, number: int, seconds: Floats) -> Served:
        """Return the requests that weigh after `seconds` (moments,) in a leg, with `before` seconds weighed in each."""
        spent = np.repeat(before[None], len(seconds), axis=0)
        spent[:, number] += np.maximum(seconds - self.legs[number].cold_seconds, np.minimum(seconds, HARDLY))
        rates = np.array([self.counted(leg) for leg in self.legs])
        return Served(canary=spent * rates[:, 0], stable=spent * rates[:, 1], odds=rates[:, 0] / rates[:, 1])


def plan_of(spec: ReleaseSpec, service: Service, *, copies: bool = True) -> Plan:
    """Return the plan that a spec gives for a service; without `copies` the shadow is left out."""
    return Plan(
        legs=legs_of(spec.rollout, copies=copies),
        look_seconds=spec.rollout.look_interval_seconds,
        requests_per_second=service.requests_per_second,
        wait_seconds=spec.rollout.deadline_seconds,
    )


def to_exclude(metric: PredictedMetric, requests_per_look: float, next_percent: int) -> tuple[float, float]:
    """Return the ratio and the share of errors that must be excluded before this weight; see `judge.may_rise`."""
    usual = Counters(requests=MANY, errors=round(MANY * metric.base))
    return judge.bearable_errors(usual, requests_per_look * next_percent / 100, metric.guard.tolerance)
