"""What is published beside the code: the schema, and the demo's spec with its rows."""

import csv
import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from slipway.specs import check_file, format_schema, load_spec, make_schema

DEPLOYMENTS = Path(__file__).parents[2] / "deployments"


def test_the_published_schema_is_the_current_one() -> None:
    """`slipway spec schema > deployments/release-spec.schema.json` brings it up to date."""
    assert (DEPLOYMENTS / "release-spec.schema.json").read_text() == format_schema()


def test_every_key_of_the_schema_has_a_description() -> None:
    """Editors show it."""
    definitions = {"ReleaseSpec": make_schema(), **make_schema()["$defs"]}

    bare = [
        f"{name}.{key}"
        for name, definition in definitions.items()
        for key, value in definition.get("properties", {}).items()
        if "description" not in value and "description" not in definitions[value["$ref"].rpartition("/")[2]]
    ]

    assert bare == []


@pytest.mark.parametrize(
    ("serving", "valid"),
    [
        ({"cpu": 2}, True),
        ({"platform": "kubernetes", "cpu": 2}, True),
        ({"platform": "local", "capture_share": 0.5}, True),
        ({"platform": "local", "cpu": 2}, False),
        ({"platform": "elsewhere"}, False),
    ],
)
def test_editors_know_the_platforms_of_serving(serving: dict[str, object], *, valid: bool) -> None:
    """Exactly one model takes a document; without a platform it is that of Kubernetes."""
    document = {"model": "m", "data": {"path": "rows.csv", "label": "y"}, "serving": serving}

    assert jsonschema.Draft202012Validator(make_schema()).is_valid(document) is valid


def test_the_demos_spec_is_valid_for_us_and_for_editors() -> None:
    """And it tells editors where its schema lies."""
    path = DEPLOYMENTS / "models" / "digits.yaml"

    _, problems = check_file(path)
    jsonschema.validate(yaml.safe_load(path.read_text()), json.loads(format_schema()))

    assert problems == []
    first = path.read_text().splitlines()[0]
    assert (path.parent / first.removeprefix("# yaml-language-server: $schema=")).is_file()


def test_the_demos_spec_says_what_the_demo_needs() -> None:
    """Short times, three steps, all pixels in range."""
    spec = load_spec(DEPLOYMENTS / "models" / "digits.yaml")

    assert [(step.weight_percent, step.duration_seconds) for step in spec.rollout.steps] == [(10, 4), (25, 5), (50, 8)]
    assert [one.column for one in spec.data.expectations] == ["pixel_*"]
    assert spec.quality.minimum == 0.85
    assert spec.judge.errors.negligible == 0.02


def test_the_demos_rows_are_the_published_digits() -> None:
    """Rows 1077 to 1436 of scikit-learn's digits, which no version is trained on."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    with (DEPLOYMENTS / "models" / "digits-validation.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))

    assert len(rows) == 360
    assert [int(row["digit"]) for row in rows] == digits.target[1077:1437].tolist()
    assert [float(rows[7][f"pixel_{number}"]) for number in range(64)] == pytest.approx(digits.data[1084])
