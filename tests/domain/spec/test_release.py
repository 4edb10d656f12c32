"""The release spec: what a document may say, and what every wrong one is told."""

import math
from typing import Any

import pytest
from pydantic import ValidationError

from slipway.domain.spec.release import (
    Busy,
    ConversionSpec,
    DataSpec,
    Deadline,
    Document,
    Expectation,
    Inconclusive,
    JudgeSpec,
    OptimizationSpec,
    QualitySpec,
    RehearsalSpec,
    ReleaseSpec,
    RolloutSpec,
    Severity,
    ShadowSpec,
    Step,
)

DOCUMENTS = [
    Expectation,
    DataSpec,
    QualitySpec,
    ConversionSpec,
    OptimizationSpec,
    RehearsalSpec,
    ShadowSpec,
    Step,
    RolloutSpec,
    JudgeSpec,
    ReleaseSpec,
]
SMALLEST: dict[str, Any] = {"model": "digits", "data": {"path": "rows.csv", "label": "digit"}}


def spec(**parts: object) -> ReleaseSpec:
    """Return the smallest spec with some parts given, read as a file is read."""
    return ReleaseSpec.model_validate(SMALLEST | parts)


def complaints(**parts: object) -> list[tuple[str, str]]:
    """Return (where, what) of everything that is wrong."""
    with pytest.raises(ValidationError) as caught:
        spec(**parts)
    return [(".".join(map(str, one["loc"])), one["msg"]) for one in caught.value.errors()]


def test_a_model_and_its_rows_are_enough() -> None:
    """Everything else has a default that is careful: shadow first, steps from 1 %, hold when in doubt."""
    smallest = spec()

    assert smallest.rollout.shadow is not None
    assert [step.weight_percent for step in smallest.rollout.steps] == [1, 5, 25, 50]
    assert (smallest.rollout.on_deadline, smallest.rollout.while_busy) == (Deadline.HOLD, Busy.SUPERSEDE)
    assert (smallest.judge.alpha, smallest.judge.beta, smallest.judge.errors.margin) == (0.01, 0.05, 1.0)
    assert smallest.judge.latency is not None
    assert (smallest.judge.labels, smallest.judge.scores, smallest.judge.classes, smallest.judge.drift) == (None,) * 4
    assert smallest.allow_pickle is False
    assert smallest.quality.on_inconclusive is Inconclusive.PASS
    assert Expectation(column="a", minimum=0).severity is Severity.CRITICAL


@pytest.mark.parametrize("name", ["digits", "a", "7", "fraud-score-2", "a" * 40])
def test_names_that_fit_in_an_address_are_taken(name: str) -> None:
    """A model's name is part of a host name and of a path."""
    assert spec(model=name).model == name


@pytest.mark.parametrize(
    "name", ["", "Digits", "a_b", "-a", "a-", "a b", "a/b", "digits\n", "a" * 41, "\u0437", "../etc"]
)
def test_other_names_are_refused(name: str) -> None:
    """Nothing that would break a path, a host name or a file name."""
    assert complaints(model=name)[0][0] == "model"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.__name__)
def test_unknown_keys_are_errors_everywhere(document: type[Document]) -> None:
    """A misspelt key would otherwise silently mean its default."""
    with pytest.raises(ValidationError) as caught:
        document.model_validate({"wieght_percent": 5})

    assert ("extra_forbidden", ("wieght_percent",)) in {(one["type"], one["loc"]) for one in caught.value.errors()}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.__name__)
def test_every_field_is_described(document: type[Document]) -> None:
    """The description shows in editors and forms."""
    assert [name for name, field in document.model_fields.items() if not field.description] == []


STEPS = [{"weight_percent": 10, "duration_seconds": 5}, {"weight_percent": 50, "duration_seconds": 5}]


@pytest.mark.parametrize(
    ("rollout", "where", "what"),
    [
        ({"steps": []}, "rollout.steps", "at least 1 item"),
        ({"steps": STEPS[::-1]}, "rollout", "step 2 has weight_percent 10 after 50; weights must go up"),
        ({"steps": [STEPS[0]] * 2}, "rollout", "step 2 has weight_percent 10 after 10; weights must go up"),
        (
            {"steps": [STEPS[0] | {"weight_percent": 101}]},
            "rollout.steps.0.weight_percent",
            "less than or equal to 100",
        ),
        ({"steps": [STEPS[0] | {"weight_percent": 0}]}, "rollout.steps.0.weight_percent", "greater than or equal to 1"),
        ({"steps": [STEPS[0] | {"weight_percent": 2.5}]}, "rollout.steps.0.weight_percent", "valid integer"),
        ({"steps": [STEPS[0] | {"duration_seconds": 0}]}, "rollout.steps.0.duration_seconds", "greater than 0"),
        ({"steps": [{"weight_percent": 10}]}, "rollout.steps.0.duration_seconds", "required"),
        ({"shadow": {"duration_seconds": 0}}, "rollout.shadow.duration_seconds", "greater than 0"),
        ({"shadow": {"disagreement_limit": 1.2}}, "rollout.shadow.disagreement_limit", "less than or equal to 1"),
        ({"shadow": {"slowdown_limit": 0.9}}, "rollout.shadow.slowdown_limit", "greater than or equal to 1"),
        (
            {"steps": [STEPS[0] | {"at_least_seconds": 6}]},
            "rollout.steps.0",
            "at_least_seconds 6 is over duration_seconds 5; give less, or leave it out",
        ),
        ({"look_interval_seconds": 0}, "rollout.look_interval_seconds", "greater than or equal to 0.1"),
        ({"deadline_seconds": math.inf}, "rollout.deadline_seconds", "finite number"),
        ({"bake_seconds": -1}, "rollout.bake_seconds", "greater than or equal to 0"),
        ({"on_deadline": "wait"}, "rollout.on_deadline", "'hold', 'roll-back' or 'promote'"),
        ({"while_busy": "kill"}, "rollout.while_busy", "'supersede' or 'queue'"),
        ({"lease_seconds": 1}, "rollout.lease_seconds", "greater than or equal to 2"),
    ],
)
def test_a_wrong_rollout_is_refused(rollout: dict[str, object], where: str, what: str) -> None:
    """Each by name, with what is allowed."""
    assert [(place, what in said) for place, said in complaints(rollout=rollout)] == [(where, True)]


@pytest.mark.parametrize(
    ("judge", "where", "what"),
    [
        ({"alpha": 0}, "judge.alpha", "greater than 0"),
        ({"alpha": 1}, "judge.alpha", "less than 1"),
        ({"alpha": math.nan}, "judge.alpha", "finite number"),
        ({"beta": 0}, "judge.beta", "greater than 0"),
        ({"beta": 1}, "judge.beta", "less than 1"),
        ({"beta": math.nan}, "judge.beta", "finite number"),
        ({"margin": 1.5}, "judge.margin", "Extra inputs are not permitted"),
        ({"errors": {"margin": 0.9}}, "judge.errors.margin", "greater than or equal to 1"),
        ({"errors": {"tolerance": 1.0}}, "judge.errors.tolerance", "greater than 1"),
        ({"errors": {"tolerance": 17}}, "judge.errors.tolerance", "less than or equal to 16"),
        ({"errors": {"tolerance": math.inf}}, "judge.errors.tolerance", "finite number"),
        ({"errors": {"tolerance": math.nan}}, "judge.errors.tolerance", "finite number"),
        ({"errors": {"margin": 1.5, "tolerance": 1.5}}, "judge.errors", "margin 1.5 must be under tolerance 1.5"),
        ({"errors": {"margin": 2.5, "tolerance": 2.0}}, "judge.errors", "margin 2.5 must be under tolerance 2.0"),
        ({"errors": {"negligible": 0}}, "judge.errors.negligible", "greater than 0"),
        ({"errors": {"weight": 0}}, "judge.errors.weight", "greater than 0"),
        ({"errors": None}, "judge.errors", "valid dictionary or instance of ErrorsSpec"),
        ({"latency": {"threshold_milliseconds": 0}}, "judge.latency.threshold_milliseconds", "greater than 0"),
        ({"latency": {"quantile": 1.0}}, "judge.latency.quantile", "less than or equal to 0.999"),
        ({"scores": {}}, "judge.scores.tolerance", "required"),
        ({"scores": {"tolerance": 1, "margin": 1}}, "judge.scores", "margin 1.0 must be under tolerance 1.0"),
        ({"classes": {"margin": 0.2}}, "judge.classes", "margin 0.2 must be under tolerance 0.1"),
        ({"drift": {"action": "stop"}}, "judge.drift.action", "'warn' or 'guard'"),
        ({"burst_seconds": 0}, "judge.burst_seconds", "greater than or equal to 1"),
        ({"burst_cv": -0.1}, "judge.burst_cv", "greater than or equal to 0"),
        ({"burst_cv": math.nan}, "judge.burst_cv", "finite number"),
    ],
)
def test_a_wrong_judge_is_refused(judge: dict[str, object], where: str, what: str) -> None:
    """A judge that could never decide, or would always."""
    assert [(place, what in said) for place, said in complaints(judge=judge)] == [(where, True)]


@pytest.mark.parametrize(
    ("expectation", "what"),
    [
        ({"column": "age"}, "the expectation on column 'age' says nothing: give minimum, maximum or allowed"),
        ({"column": "age", "minimum": 3, "maximum": 2}, "minimum 3.0 is over maximum 2.0 for column 'age'"),
        ({"column": "age", "minimum": math.nan}, "finite number"),
        ({"column": "age", "maximum": math.inf}, "finite number"),
        ({"column": "age", "minimum": 0, "mostly": 1.5}, "less than or equal to 1"),
        ({"column": "age", "minimum": 0, "severity": "fatal"}, "'critical' or 'warning'"),
    ],
)
def test_a_wrong_expectation_is_refused(expectation: dict[str, object], what: str) -> None:
    """One that says nothing, contradicts itself or can't be met."""
    (where, said), *others = complaints(data=SMALLEST["data"] | {"expectations": [expectation]})

    assert where.startswith("data.expectations.0")
    assert what in said
    assert others == []


@pytest.mark.parametrize(
    ("part", "values", "where"),
    [
        ("quality", {"metric": "f2"}, "quality.metric"),
        ("quality", {"minimum": math.nan}, "quality.minimum"),
        ("quality", {"tolerance": -0.1}, "quality.tolerance"),
        ("conversion", {"absolute_tolerance": math.inf}, "conversion.absolute_tolerance"),
        ("conversion", {"margin": 2}, "conversion.margin"),
        ("optimization", {"variants": ["fp 8"]}, "optimization.variants.0"),
        ("optimization", {"rounds": 1}, "optimization.rounds"),
        ("rehearsal", {"requests": 0}, "rehearsal.requests"),
        ("rehearsal", {"p99_limit_milliseconds": 0}, "rehearsal.p99_limit_milliseconds"),
        ("rehearsal", {"memory_limit_mebibytes": -5}, "rehearsal.memory_limit_mebibytes"),
    ],
)
def test_wrong_gates_are_refused(part: str, values: dict[str, object], where: str) -> None:
    """By the key that is wrong, and nothing else."""
    assert [place for place, _said in complaints(**{part: values})] == [where]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("rollout", '{"look_interval_seconds": "10"}'),
        ("rollout", '{"approval": "no"}'),
        ("rollout", '{"approval": 0}'),
        ("allow_pickle", "1"),
        ("rehearsal", '{"requests": true}'),
        ("rehearsal", '{"requests": 100.0}'),
    ],
)
def test_nothing_is_coerced_when_a_document_is_read_strictly(key: str, value: str) -> None:
    """Read as spec files are read (strict JSON), text is no number and 0 is not false."""
    document = f'{{"model": "digits", "data": {{"path": "rows.csv", "label": "digit"}}, "{key}": {value}}}'

    with pytest.raises(ValidationError, match=key):
        ReleaseSpec.model_validate_json(document, strict=True)


def test_a_document_comes_back_as_it_was_written() -> None:
    """Through JSON, strictly: what is stored with a release is the spec it ran with."""
    whole = spec(rollout={"steps": STEPS, "shadow": None, "on_deadline": "roll-back"}, judge={"alpha": 0.001})

    assert ReleaseSpec.model_validate_json(whole.model_dump_json(), strict=True) == whole


def test_a_spec_can_not_be_changed() -> None:
    """A release runs with the spec it began with."""
    with pytest.raises(ValidationError, match="frozen"):
        spec().model = "other"  # type: ignore[misc]  # the point of the test
