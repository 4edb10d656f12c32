"""What a scenario is: a service, how its canary differs from its stable version, and what disturbs both."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

EQUAL_TRACES = 10_000
REGRESSION_TRACES = 2_000
TUNING_EQUAL_TRACES = 2_000
TUNING_REGRESSION_TRACES = 500
LATENCY_SIGMA = 0.5
"""Of the lognormal latency."""
LATENCY_MEDIAN = 100.0
"""Milliseconds."""
SLOW_SHARE = 0.05
"""Slow means slower than the stable version's 95th percentile."""
OUTAGE_SHARE, OUTAGE_SECONDS = 0.4, (1000, 1300)
COLD_SECONDS, COLD_ERRORS = 20, 0.05
"""How long replicas are cold after their share of requests rose, and the share of requests that then fail beside the
usual ones."""
ALIKE = 0.5
"""Correlation of the rows of one request."""
TOLERATED = 2.0
"""Slipway's default tolerance for shares of requests, canary over stable: below it, promoting is no mistake."""
TOLERATED_MIX, TOLERATED_SHIFT = 1.5, 0.2
"""What its specs tolerate of a class's share, and of a mean score in standard deviations, in these scenarios."""


class Metric(StrEnum):
    """What is counted or averaged, of each request."""

    ERRORS = "errors"
    """The answer is an error."""
    SLOW = "slow"
    """The answer takes longer than the stable version's 95th percentile."""
    LABELS = "labels"
    """The answer is wrong; known only after a delay of 5 minutes on average."""
    CLASSES = "classes"
    """The answer is class A."""
    SCORES = "scores"
    """The answer is a number: standard normal, moved by the shift."""
    REFUSED = "refused"
    """The version says that the request is wrong (400). Rules that count failures (5xx) do not see it."""
    SHED = "shed"
    """The version turns the request away for want of time (429). Rules that count failures do not see it."""


class Cycle(StrEnum):
    """How the base rate moves in both arms: a sine of half its size, steepest as the rollout begins."""

    NONE = "none"
    DAILY = "daily"
    HOURLY = "hourly"

    @property
    def hours(self) -> float:
        """Length of the cycle; infinite where there is none."""
        return {"none": np.inf, "daily": 24.0, "hourly": 1.0}[self]


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What a peer is tuned for."""

    requests_per_second: float
    error_share: float
    metric: Metric

    def __str__(self) -> str:
        """Return it in a few words."""
        name = "" if self.metric is Metric.ERRORS else f", {self.metric}"
        return f"{self.requests_per_second:g}/s, {100 * self.error_share:g} % errors{name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One service with one canary under one disturbance. Times in seconds since the rollout began."""

    name: str
    says: str
    requests_per_second: float = 50.0
    error_share: float = 0.005
    """Of the stable version, before disturbances."""
    metric: Metric = Metric.ERRORS
    """Where canary and stable differ, or are watched for it; errors are there in every scenario."""
    ratio: float = 1.0
    """Canary's share over stable's, in that metric."""
    canary_share: float | None = None
    """Instead of the ratio, where stable has none or the canary is broken."""
    latency_factor: float = 1.0
    """How much slower every answer of the canary is."""
    score_shift: float = 0.0
    """How far the canary's mean score is off, in standard deviations."""
    cycle: Cycle = Cycle.NONE
    bursts: float = 0.0
    """Coefficient of variation of gamma shocks of mean 1 on the share, one a minute."""
    burst_minutes: int = 1
    """How long a burst lasts; where over 1, each trace's begin at a minute of its own."""
    bursts_any_time: bool = False
    """True: each trace's begin at seconds of its own; False: as a minute begins, which is when the judge's do."""
    pareto_gusts: bool = False
    """Gusts in each arm that multiply its share by 4, one every 20 minutes on average; how long they last is Pareto
    distributed from a minute on, with exponent 1.5: some last for a quarter of an hour."""
    repeats: float = 1.0
    """How many times a request that failed is sent in all, on average (geometric): by its client, to the same arm."""
    rows: int = 1
    """Rows of a request; where over 1, rows of one request are alike. A request counts once: its mean score, each
    class by its share of the rows."""
    cold_factor: float = 1.0
    """How much slower a canary's replicas answer for 20 s after their share of the requests rose; 5 % fail then."""
    base_to: float = 1.0
    """Both arms' share moves to so many times its size within half an hour."""
    bursts_shared: bool = False
    """True: both arms get the same shocks; False: each arm its own."""
    history_minutes: int = 60
    """How long stable was watched before, at most an hour; 0: never."""
    shadow: bool = True
    """False: no copies are sent before the first step."""
    outage: bool = False
    """A dependency is down: both arms fail on 40 % of requests for five minutes."""
    stops_at: int | None = None
    """From here on there is no traffic."""
    leak_to: float | None = None
    """The canary's ratio grows from 1 to this over the hour."""
    figure: str = ""
    """The figure at the top of the results that it is for: shares rolled back by mistake, or promoted. Its scenarios
    are left out of the figures over all others, and peers are not tuned on them."""
    many: bool = False
    """As many traces as an equal canary has, though it is worse: what is to happen in none of 10,000."""
    tuned_on: bool = False
    """A regression by which the peers' settings are chosen, on other traces."""

    @property
    def traces(self) -> int:
        """How many are played."""
        return EQUAL_TRACES if self.equal or self.many else REGRESSION_TRACES

    @property
    def service(self) -> Service:
        """The service that a peer would be tuned for: it counts failures where answers are refused or shed."""
        metric = Metric.ERRORS if self.metric in {Metric.REFUSED, Metric.SHED} else self.metric
        return Service(requests_per_second=self.requests_per_second, error_share=self.error_share, metric=metric)

    @property
    def equal(self) -> bool:
        """True where the canary is as good as the stable version: rolling it back is a mistake."""
        same = (self.ratio, self.latency_factor, self.score_shift) == (1.0, 1.0, 0.0)
        return same and self.canary_share is None and self.leak_to is None

    @property
    def shares(self) -> tuple[float, float]:
        """Share of events of the metric in stable and canary, before disturbances; for scores, their means."""
        match self.metric:
            case Metric.SCORES:
                return 0.0, self.score_shift
            case Metric.SLOW:
                return SLOW_SHARE, float(norm.sf(norm.isf(SLOW_SHARE) - np.log(self.latency_factor) / LATENCY_SIGMA))
            case Metric.ERRORS:
                base = self.error_share
            case Metric.LABELS:
                base = 0.05
            case Metric.CLASSES:
                base = 0.1
            case Metric.REFUSED:
                base = 0.01
            case Metric.SHED:
                base = 0.001
        return base, base * self.ratio if self.canary_share is None else self.canary_share

    @property
    def regression(self) -> bool:
        """True where the canary is as bad as tolerated or worse: promoting it is a mistake."""
        if self.metric is Metric.SCORES:
            return self.score_shift >= TOLERATED_SHIFT
        stable, canary = self.shares
        limit = TOLERATED_MIX if self.metric is Metric.CLASSES else TOLERATED
        return self.leak_to is not None or (not self.equal and canary >= limit * stable * (1 - 1e-9))

    @property
    def arms_apart(self) -> bool:
        """True where an equal canary may answer a request otherwise than the stable version would."""
        return not self.equal or self.pareto_gusts or (self.bursts > 0 and not self.bursts_shared)

    def ratios(self, seconds: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return canary's share over stable's at these times; for leaks only, else `shares` says it."""
        if self.leak_to is None:
            return np.ones_like(seconds)
        return 1 + (self.leak_to - 1) * np.clip(seconds / 3600, 0, 1)

    def base_at(self, seconds: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return by what both arms' share is multiplied at these times: the cycle's wave, and what moves once."""
        wave = 1 + 0.5 * np.sin(2 * np.pi * seconds / (3600 * self.cycle.hours))
        return wave * self.base_to ** np.clip(seconds / 1800, 0, 1)
