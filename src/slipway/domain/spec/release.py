"""The ReleaseSpec: the one document on how a model is released. Strict, with units in the names."""

import fnmatch
from collections.abc import Iterable, Sequence
from enum import StrEnum
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from slipway.domain.spec.document import Document, ModelName, OpenRatio, Percent, PositiveSeconds, Ratio, Seconds
from slipway.domain.spec.judge import JudgeSpec
from slipway.domain.spec.rescue import RescueSpec
from slipway.domain.spec.serving import KubernetesServingSpec, Serving


class Severity(StrEnum):
    """What a failed expectation does."""

    CRITICAL = "critical"
    """Stops the release."""
    WARNING = "warning"
    """It is reported; the release continues."""


class Inconclusive(StrEnum):
    """What an inconclusive quality gate does."""

    PASS = "pass"  # noqa: S105 - a choice, not a password
    """Continue: the canary will show it."""
    STOP = "stop"
    """Stop the release."""
    APPROVE = "approve"
    """Go on, and ask a person before promotion."""


class Contract(StrEnum):
    """What a version does that breaks the clients of the one that serves."""

    REFUSE = "refuse"
    """It is stopped before any traffic."""
    APPROVE = "approve"
    """The release continues, and a person must approve before promotion."""
    ALLOW = "allow"
    """The release continues; the differences are in the report."""


class Busy(StrEnum):
    """What a newer version does while a release of the same model is under way."""

    SUPERSEDE = "supersede"
    """The older release is rolled back, the newer one starts."""
    QUEUE = "queue"
    """The newer release waits for the older one to end."""


class Deadline(StrEnum):
    """What happens when the last step's deadline passes without enough evidence."""

    HOLD = "hold"
    """Keep the weights, report what is missing, wait for a person or for data."""
    ROLL_BACK = "roll-back"
    """Take the canary out."""
    PROMOTE = "promote"
    """Promote: nothing was found against it."""


class Expectation(Document):
    """One expectation of the validation rows, on top of those that follow from the model's signature."""

    column: str
    """The column it is about; `*` matches any part of a name (`pixel_*`: every pixel)."""
    minimum: float | None = None
    """Smallest allowed value."""
    maximum: float | None = None
    """Largest allowed value."""
    allowed: list[str | int | float | bool] | None = None
    """The only allowed values."""
    mostly: Ratio = 1.0
    """Share of rows that must hold it."""
    severity: Severity = Severity.CRITICAL
    """What a failure does: critical stops the release, warning is shown."""

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.minimum is None and self.maximum is None and self.allowed is None:
            message = f"the expectation on column {self.column!r} says nothing: give minimum, maximum or allowed"
            raise ValueError(message)
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            message = f"minimum {self.minimum} is over maximum {self.maximum} for column {self.column!r}"
            raise ValueError(message)
        return self


def expand_expectations(expectations: Iterable[Expectation], columns: Sequence[str]) -> list[Expectation]:
    """Return one expectation per column where a pattern stands for several; one that fits no column stays as it is.

    >>> found = expand_expectations([Expectation(column="pixel_*", minimum=0)], ["pixel_0", "pixel_1", "digit"])
    >>> [one.column for one in found]
    ['pixel_0', 'pixel_1']
    """
    return [
        one.model_copy(update={"column": column})
        for one in expectations
        for column in fnmatch.filter(columns, one.column) or [one.column]
    ]


class DataSpec(Document):
    """The labelled rows that gates judge with."""

    path: Path
    """CSV or Parquet file with a header, relative to the spec file."""
    label: str
    """Column that holds the truth; it is not shown to the model."""
    minimum_rows: Annotated[int, Field(ge=1)] = 50
    """Fewer rows are refused: they prove nothing."""
    nulls_allowed: bool = False
    """Whether input columns may hold nulls."""
    expectations: list[Expectation] = Field(default=[])
    """Expectations beyond the signature's types, shapes and nulls."""


class QualitySpec(Document):
    """When a challenger is good enough beside the champion, on the same rows."""

    metric: Literal["accuracy", "mean_absolute_error", "mean_squared_error"] = "accuracy"
    """What is compared, row by row."""
    minimum: float | None = None
    """Absolute floor (accuracy) or ceiling (errors), whatever the champion does; null: none."""
    tolerance: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.01
    """How much worse than the champion is still acceptable, in the metric's unit."""
    confidence: OpenRatio = 0.95
    """Confidence of the paired test."""
    on_inconclusive: Inconclusive = Inconclusive.PASS
    """What happens when the rows do not settle it."""


class ConversionSpec(Document):
    """Conversion to ONNX and its parity gate."""

    enabled: bool = True
    """False: serve the model as it is (MLflow pyfunc)."""
    absolute_tolerance: Annotated[float, Field(ge=0)] = 1e-5
    """Allowed absolute difference of numeric outputs."""
    relative_tolerance: Annotated[float, Field(ge=0)] = 1e-3
    """Allowed relative difference of numeric outputs."""
    margin: Ratio = 1e-3
    """Labels may differ only where the original's two best probabilities are closer than this."""


PassName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$")]
"""The name of a pass; `slipway.adapters.onnx.passes` has the list, and reading a spec file refuses names beside it."""


class OptimizationSpec(Document):
    """Which faster variants are tried."""

    variants: list[PassName] = Field(default=["graph", "dynamic-int8"])
    """Variants measured beside the plain ONNX model; empty: none."""
    batch_rows: Annotated[int, Field(ge=1, le=65536)] = 1
    """Rows per request that speed is measured with."""
    rounds: Annotated[int, Field(ge=5, le=1000)] = 30
    """Interleaved rounds; more give a narrower interval."""
    confidence: OpenRatio = 0.95
    """A variant must be faster with this confidence, or the plain model ships."""


class RehearsalSpec(Document):
    """The packaged service as a real process, before any traffic."""

    requests: Annotated[int, Field(ge=1, le=100000)] = 100
    """Requests sent, one row each, from the validation rows."""
    p99_limit_milliseconds: Annotated[float, Field(gt=0)] | None = None
    """Over it the rehearsal fails; null: measured and shown only."""
    memory_limit_mebibytes: Annotated[int, Field(gt=0)] | None = None
    """Over it the rehearsal fails, and so does the revision later; null: measured and shown only."""
    ready_timeout_seconds: PositiveSeconds = 60
    """How long the service may take to become ready."""


class ShadowSpec(Document):
    """A copy of live requests goes to the canary; its answers are discarded."""

    duration_seconds: PositiveSeconds = 900
    """How long at the most, where there is something to compare; the steps begin then, whatever copies have shown."""
    at_least_seconds: PositiveSeconds | None = 120
    """From when it may end earlier, once copies have shown that the canary is no worse; null: never earlier."""
    disagreement_limit: Ratio | None = None
    """Share of answers that may differ from the stable version's; null: shown only (a better model disagrees).

    Rolled back once the true share is shown to be over it, with the judge's confidence.
    """
    slowdown_limit: Annotated[float, Field(ge=1, le=100)] | None = None
    """How many times as long the canary may take for the same request (geometric mean).

    null: 1.25, or `judge.latency.margin` where that is more; not looked at where `judge.latency` is null.
    """
    tolerance: Annotated[float, Field(ge=0)] = 1e-3
    """Numeric answers closer than this agree."""


class Step(Document):
    """One step of the canary."""

    weight_percent: Percent
    """Share of live requests that the canary gets."""
    duration_seconds: PositiveSeconds
    """How long, before the next step."""
    at_least_seconds: PositiveSeconds | None = None
    """From when the step may end earlier, as soon as the evidence allows the next weight; null: never earlier."""

    @model_validator(mode="after")
    def _ends_after_it_may(self) -> Self:
        if self.at_least_seconds is not None and self.at_least_seconds > self.duration_seconds:
            message = (
                f"at_least_seconds {self.at_least_seconds:g} is over duration_seconds {self.duration_seconds:g}; "
                "give less, or leave it out"
            )
            raise ValueError(message)
        return self


PART_WHILE_BAKING = 0.2
"""Of alpha: the comparison after promotion is a separate test."""


class RolloutSpec(Document):
    """How traffic moves."""

    shadow: ShadowSpec | None = ShadowSpec()
    """The shadow phase; null: none."""
    rescue: RescueSpec | None = RescueSpec()
    """The version that served before answers what the new one can't; null: clients get the new one's bad answers."""
    steps: Annotated[list[Step], Field(min_length=1)] = Field(
        default=[
            Step(weight_percent=1, duration_seconds=300, at_least_seconds=60),
            Step(weight_percent=5, duration_seconds=600, at_least_seconds=240),
            Step(weight_percent=25, duration_seconds=600, at_least_seconds=180),
            Step(weight_percent=50, duration_seconds=600, at_least_seconds=60),
        ]
    )
    """Weights go up, from 1 to 100; after the last step the canary is promoted."""
    look_interval_seconds: Annotated[float, Field(ge=0.1, le=3600)] = 10
    """Time between two looks of the judge."""
    warm_up_seconds: Annotated[float, Field(ge=0, le=3600)] = 30
    """How long replicas may be cold after their share rose, or after some were added: errors and latencies are not
    weighed then. At most half of a step's duration, and over once both versions report that they are warm; 0: never.
    """
    ready_timeout_seconds: PositiveSeconds = 120
    """How long a revision may take to become ready."""
    deadline_seconds: PositiveSeconds = 3600
    """How long the last step may wait for evidence after its duration."""
    on_deadline: Deadline = Deadline.HOLD
    """What happens then, also if replicas are missing; while nothing can be judged the rollout is held in any case."""
    approval: bool = False
    """Ask a person before promotion."""
    bake_seconds: Seconds = 3600
    """How long the old revision stays warm after promotion; and how long a model's first version, which has none, is
    watched alone to learn how its errors come.
    """
    hold_back_percent: Annotated[int, Field(ge=0, le=50)] = 5
    """Share of live requests that the old revision keeps meanwhile, so that both go on being compared; 0: none."""
    while_busy: Busy = Busy.SUPERSEDE
    """What a newer version does while this one is being released."""
    lease_seconds: Annotated[float, Field(ge=2, le=3600)] = 30
    """`reconcile` takes over a rollout whose driver did not renew its lease for this long."""

    @property
    def compares_while_baking(self) -> bool:
        """Whether old and new go on being compared after promotion."""
        return self.hold_back_percent > 0 and self.bake_seconds > 0

    @property
    def part_of_alpha_while_baking(self) -> float:
        """The part of the judge's alpha that is set aside for that comparison."""
        return PART_WHILE_BAKING if self.compares_while_baking else 0.0

    @model_validator(mode="after")
    def _weights_go_up(self) -> Self:
        weights = [step.weight_percent for step in self.steps]
        for number, (before, after) in enumerate(pairwise(weights), start=2):
            if after <= before:
                message = (
                    f"step {number} has weight_percent {after} after {before}; "
                    "weights must go up: reorder the steps or drop this one"
                )
                raise ValueError(message)
        return self


SLOWER_ON_COPIES = 1.25
"""A canary on copies may have fewer replicas, and caches that stable has just filled: that much is not the model's."""


class ReleaseSpec(Document):
    """How one model is released."""

    model: ModelName
    """The model's name in the registry; also in its address: lower case letters, digits and dashes."""
    description: str = ""
    """For people."""
    allow_pickle: bool = False
    """Whether a model whose file runs code when it is loaded (pickle, cloudpickle) may be released."""
    data: DataSpec
    """The labelled rows that gates judge with."""
    contract: Contract = Contract.REFUSE
    """What a version does that breaks the champion's clients: other inputs than they send, other answers."""
    quality: QualitySpec = QualitySpec()
    """When a challenger is good enough beside the champion."""
    conversion: ConversionSpec = ConversionSpec()
    """Conversion to ONNX and its parity gate."""
    optimization: OptimizationSpec = OptimizationSpec()
    """Which faster variants are tried."""
    rehearsal: RehearsalSpec = RehearsalSpec()
    """The packaged service as a real process, before any traffic."""
    serving: Serving = KubernetesServingSpec()
    """How its revisions run, on the platform that its key `platform` names; other targets read what they all have."""
    rollout: RolloutSpec = RolloutSpec()
    """How traffic moves."""
    judge: JudgeSpec = JudgeSpec()
    """How sure the judge must be."""

    @property
    def slowdown_limit(self) -> float | None:
        """How many times as long the canary may take on copies; None: not looked at."""
        shadow, latency = self.rollout.shadow, self.judge.latency
        if shadow is None or shadow.slowdown_limit is not None or latency is None:
            return shadow.slowdown_limit if shadow else None
        return max(latency.margin, SLOWER_ON_COPIES)
