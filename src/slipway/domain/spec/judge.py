"""The `judge` section of a release spec: how sure the judge must be, and what it looks at."""

from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from slipway.domain.spec.document import Document, OpenRatio

THIRD = 1 / 3


class Guard(Document):
    """What every metric that may roll a canary back has."""

    weight: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0
    """Its share of `alpha`, relative to the other metrics'."""
    required: bool = True
    """Whether it must pass before promotion; false: it may roll back, and is not waited for."""


def _require_order(margin: float, tolerance: float) -> None:
    if margin >= tolerance:
        message = f"margin {margin} must be under tolerance {tolerance}"
        raise ValueError(message)


class RateGuard(Guard):
    """A share of requests, canary compared with stable."""

    margin: Annotated[float, Field(ge=1, le=4)] = 1.0
    """Ratio of the two shares, canary to stable, that still counts as healthy."""
    tolerance: Annotated[float, Field(gt=1, le=16)] = 2.0
    """Ratio from which the canary counts as worse: it must be shown to be under it."""
    negligible: OpenRatio = 0.002
    """A share low enough to ignore: a canary shown to be under it passes even if it is worse than stable."""

    @model_validator(mode="after")
    def _margin_under_tolerance(self) -> Self:
        _require_order(self.margin, self.tolerance)
        return self


class ErrorsSpec(RateGuard):
    """Requests that failed: server errors, and requests without a whole answer."""

    weight: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 3.0
    """Its share of `alpha`, relative to the other metrics'."""


class RefusedSpec(RateGuard):
    """Requests that the version refused (HTTP 400, 404, 422 ...; gRPC INVALID_ARGUMENT ...).

    Clients that send nonsense send it to both versions; more refusals on one side are the version's doing.
    """

    weight: Annotated[float, Field(gt=0, allow_inf_nan=False)] = THIRD
    """Its share of `alpha`, relative to the other metrics': what is worth finding is a large difference here."""
    negligible: OpenRatio = 0.005
    """A share so small that the canary passes once it is shown to be under it."""


class ShedSpec(RefusedSpec):
    """Requests that the version turned away because it had too much to do (HTTP 429; gRPC RESOURCE_EXHAUSTED)."""


class NonfiniteSpec(RateGuard):
    """Answers with NaN or infinity among their numbers."""

    weight: Annotated[float, Field(gt=0, allow_inf_nan=False)] = THIRD
    """Its share of `alpha`, relative to the other metrics': what is worth finding is a large difference here."""
    required: bool = False
    """Whether it must pass before promotion; false: it may roll back, and is not waited for."""


class LatencySpec(RateGuard):
    """Requests slower than a threshold."""

    threshold_milliseconds: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """The service level; null: where stable's own slowest answers begin (`quantile`), fixed when the canary begins."""
    quantile: Annotated[float, Field(ge=0.5, le=0.999)] = 0.95
    """Which of stable's answers count as slow, without a threshold: 0.95 is the slowest 5 %."""
    any_quantile: bool = False
    """Also compare the whole distributions: roll back where any quantile is slower. Takes more requests."""
    margin: Annotated[float, Field(ge=1, le=4)] = 1.25
    """Ratio of the two shares of slow answers that still counts as healthy: all answers some 5 % slower."""
    tolerance: Annotated[float, Field(gt=1, le=16)] = 2.0
    """Ratio from which the canary counts as slower (some 20 %): it must be shown to be under it."""


class LabelsSpec(RateGuard):
    """Answers that turned out wrong, as labels arrive (`slipway labels`)."""

    required: bool = False
    """Whether it must pass before promotion; labels often come too late for that."""


class ScoresSpec(Guard):
    """The mean of the predicted numbers."""

    tolerance: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    """Difference of the two means from which the canary counts as different, in the score's unit."""
    margin: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    """Difference that still counts as healthy: a retrained model is never quite the same."""
    worse: Literal["either", "higher", "lower"] = "either"
    """Which way the mean must not move."""

    @model_validator(mode="after")
    def _margin_under_tolerance(self) -> Self:
        _require_order(self.margin, self.tolerance)
        return self


class ClassesSpec(Guard):
    """The mix of predicted labels."""

    tolerance: OpenRatio = 0.1
    """Share of answers that have another label (total variation) from which the mix counts as different."""
    margin: Annotated[float, Field(ge=0, lt=1)] = 0.02
    """Difference of one label's shares that still counts as healthy: a retrained model is never quite the same."""

    @model_validator(mode="after")
    def _margin_under_tolerance(self) -> Self:
        _require_order(self.margin, self.tolerance)
        return self


class DriftAction(StrEnum):
    """What drift of the inputs does."""

    WARN = "warn"
    """It is reported; the rollout continues."""
    GUARD = "guard"
    """Holds the rollout: the gates judged the model on other rows than it gets."""


class DriftSpec(Document):
    """Live inputs compared with the validation rows."""

    action: DriftAction = DriftAction.WARN
    """What drift does. It never rolls the canary back: the stable version gets the same inputs."""
    tolerance: Annotated[float, Field(gt=0, le=10, allow_inf_nan=False)] = 0.1
    """Population stability index of a column that still counts as the same: 0.1 is a little, 0.25 is much."""


class JudgeSpec(Document):
    """How sure the judge must be, and what it looks at. See docs/how-it-decides.md."""

    alpha: OpenRatio = 0.01
    """Chance of ever rolling back a healthy canary, however often it is looked at; split over the metrics."""
    beta: OpenRatio = 0.05
    """Chance of ever passing a canary that is worse than a metric's tolerance."""
    errors: ErrorsSpec = ErrorsSpec()
    """Requests that failed."""
    refused: RefusedSpec | None = RefusedSpec()
    """Requests that the version refused; null: not looked at."""
    shed: ShedSpec | None = ShedSpec()
    """Requests that the version had no time for; null: not looked at."""
    nonfinite: NonfiniteSpec | None = NonfiniteSpec()
    """Answers with NaN or infinity; null: not looked at."""
    latency: LatencySpec | None = LatencySpec()
    """Requests that were slow; null: not looked at."""
    labels: LabelsSpec | None = None
    """Answers that turned out wrong; null: not looked at."""
    scores: ScoresSpec | None = None
    """The mean predicted number; null: not looked at."""
    classes: ClassesSpec | None = None
    """The mix of predicted labels; null: not looked at."""
    drift: DriftSpec | None = None
    """Inputs compared with the validation rows; null: not looked at."""
    burst_seconds: Annotated[float, Field(ge=1, le=3600)] = 60
    """How long a burst of errors in one arm lasts: what happens within it counts as one event where bursts matter."""
    burst_cv: Annotated[float, Field(ge=0, le=2)] = 0.0
    """Coefficient of variation of bursts that is assumed at least; more is learned from the stable version."""
