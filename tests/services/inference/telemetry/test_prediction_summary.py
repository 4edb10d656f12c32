"""What a process sums up of its predictions and inputs, and who gets into it."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from services.inference.manifest import parse_manifest
from services.inference.rows import Rows
from services.inference.telemetry.prediction_summary import PredictionSummary

Ask = Callable[..., httpx.Response]
Maker = Callable[..., dict[str, Any]]
INFER = "/v2/models/toy/infer"
ROWS = Rows(np.zeros((1, 3)), {})
NOTHING = {"requests": 0, "rows": 0, "nonfinite": 0, "scores": None, "classes": {}, "inputs": {}}


@pytest.fixture(scope="session")
def summary(manifest_document: Maker) -> Callable[..., dict[str, Any]]:
    """Return what is shown after some predictions."""

    def shown(*predictions: NDArray[Any]) -> dict[str, Any]:
        kept = PredictionSummary(parse_manifest(manifest_document()))
        for prediction in predictions:
            kept.count(ROWS, prediction)
        found: dict[str, Any] = orjson.loads(orjson.dumps(kept.snapshot()))
        return found

    return shown


def test_before_any_request_there_is_nothing(summary: Callable[..., Any]) -> None:
    """Null and empty, not zeros that look like data."""
    assert summary() == NOTHING


@given(batches=st.lists(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=5), min_size=1, max_size=5))
def test_scores_are_summed_as_a_plain_loop_does(summary: Callable[..., Any], batches: list[list[float]]) -> None:
    """Count, total and squares, once for each request: of several rows their mean."""
    found = summary(*(np.array(batch) for batch in batches))

    every = [sum(batch) / len(batch) for batch in batches]
    scores = found["scores"]
    assert (found["requests"], found["rows"]) == (len(batches), sum(map(len, batches)))
    assert scores["count"] == len(every)
    assert scores["total"] == pytest.approx(sum(every), rel=1e-12, abs=1e-6)
    assert scores["squares"] == pytest.approx(sum(value * value for value in every), rel=1e-12, abs=1e-6)


def test_the_first_number_of_a_row_is_its_score(summary: Callable[..., Any]) -> None:
    """Models with several outputs; float32 squares are taken in float64."""
    scores = summary(*np.array([[[3.0, 9.0]], [[1e20, 9.0]]], dtype=np.float32))["scores"]

    assert scores == {"count": 2, "total": pytest.approx(1e20), "squares": pytest.approx(1e40)}


def test_numbers_that_no_sum_can_hold_are_left_out(summary: Callable[..., Any]) -> None:
    """One of them would make all later sums infinite, which JSON has no word for; those that are no number are told."""
    odd = [[np.nan], [np.inf, 1.0], [1.0, -np.inf, np.inf], [1e300], [1.7e308, 1.7e308], [2.0]]
    found = summary(*(np.array(values) for values in odd))

    assert found["scores"] == {"count": 1, "total": 2.0, "squares": 4.0}
    assert (found["requests"], found["nonfinite"]) == (6, 3)


LABELS = st.sampled_from([[7, -2, 7], [True, False], ["yes", "no", "maybe"]])


@given(batches=LABELS.flatmap(lambda some: st.lists(st.lists(st.sampled_from(some), min_size=1), max_size=5)))
def test_labels_are_counted_as_a_plain_loop_does(summary: Callable[..., Any], batches: list[list[Any]]) -> None:
    """Whole numbers, truth values and texts, each by its text; of several rows each label's share of the request."""
    counts: dict[str, float] = {}
    for batch in batches:
        for label in map(str, batch):
            counts[label] = counts.get(label, 0) + 1 / len(batch)

    found = summary(*(np.array(batch, dtype=object if isinstance(batch[0], str) else None) for batch in batches))

    assert found["classes"] == pytest.approx(counts)
    assert (found["requests"], found["scores"]) == (len(batches), None)


def test_labels_beyond_a_hundred_are_counted_together(summary: Callable[..., Any]) -> None:
    """Memory stays bounded; those known before are still counted apart."""
    labels = [*range(150), *range(50, 151), 0]
    classes = summary(*(np.array([label]) for label in labels))["classes"]

    assert len(classes) == 101
    assert classes["(other)"] == 50 + 51
    assert (classes["0"], classes["49"], classes["50"], classes["99"]) == (2, 1, 2, 2)


def test_a_label_called_other_takes_no_place(summary: Callable[..., Any]) -> None:
    """A hundred others are still told apart."""
    labels = ["(other)", *map(str, range(101))]
    classes = summary(*(np.array([label], dtype=object) for label in labels))["classes"]

    assert len(classes) == 101
    assert classes["(other)"] == 2


def test_long_texts_are_cut(summary: Callable[..., Any]) -> None:
    """A model that writes essays does not fill the memory."""
    classes = summary(np.array(["x" * 1000, "x" * 64], dtype=object), np.array(["ü" * 65]))["classes"]

    assert classes == {"x" * 64: 1, "ü" * 64: 1}


@pytest.mark.parametrize("prediction", [np.zeros((2, 0)), np.array(["2026-11-21"], dtype="datetime64[D]")])
def test_what_is_neither_number_nor_label_is_not_counted(summary: Callable[..., Any], prediction: Any) -> None:  # noqa: ANN401
    """An answer of no values, a date."""
    assert summary(prediction) == NOTHING | {"requests": 1, "rows": len(prediction)}


def counted(send: Ask) -> dict[str, Any]:
    """Return the page but for what it says of the process."""
    page: dict[str, Any] = send("GET", "/slipway/summary").json()
    assert page.pop("warm") is False
    assert page.pop("seconds_up") > 0
    return page


@pytest.fixture
def profiled(ask: Callable[[Path], Ask], tmp_path: Path) -> Callable[..., Ask]:
    """Return a maker of clients: a model's folder, with a profile in its manifest."""

    def client(folder: Path, *profile: dict[str, Any]) -> Ask:
        shutil.copytree(folder, tmp_path / "model")
        path = tmp_path / "model" / "slipway.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"profile": list(profile)}))
        return ask(tmp_path / "model")

    return client


def test_the_service_shows_what_it_answered(classifier: Path, profiled: Callable[..., Ask]) -> None:
    """Rows of matrices and of columns alike; the warm-up, wrong requests and others' pages leave no trace."""
    send = profiled(classifier, {"name": "c", "edges": [0, 1.5]}, {"name": "a", "edges": []})
    rows = [[0.5, -1.0, 2.0], [-0.5, 1.0, 0.0]]
    matrix = {"name": "input", "shape": [2, 3], "datatype": "FP64", "data": rows}
    columns = [{"name": name, "shape": [1], "datatype": "FP32", "data": [-3]} for name in "abc"]
    wrong = {"inputs": [matrix], "outputs": [{"name": "score"}]}

    before = counted(send)
    answers = [send("POST", INFER, json={"inputs": inputs}).json() for inputs in ([matrix], columns)]
    statuses = [send("POST", INFER, json=body).status_code for body in ({"inputs": []}, wrong)]
    after = counted(send)

    labels = [[str(label) for label in body["outputs"][0]["data"]] for body in answers]
    shares = [(label, 1 / len(some)) for some in labels for label in some]
    assert statuses == [400, 400]
    assert before == NOTHING | {"inputs": {"c": [0] * 4, "a": [0] * 2}}
    assert after == NOTHING | {
        "requests": 2,
        "rows": 3,
        "classes": {label: sum(share for one, share in shares if one == label) for label, _ in shares},
        "inputs": {"c": [1, 1, 1, 0], "a": [3, 0]},
    }


def test_what_the_model_failed_on_is_not_summed_up(table_model: Path, profiled: Callable[..., Ask]) -> None:
    """A request counts where it was answered with 200; which outputs it asked for does not matter."""
    send = profiled(table_model, {"name": "x", "edges": [0.5]})
    bodies = [{"inputs": [{"name": "x", "shape": [1], "datatype": "FP32", "data": [x]}]} for x in (0, 1, 2, 7, 1)]

    statuses = [send("POST", INFER, json=body).status_code for body in bodies]
    found = counted(send)

    assert statuses == [200, 200, 500, 500, 200]
    assert found == NOTHING | {
        "requests": 3,
        "rows": 3,
        "scores": {"count": 3, "total": 50.0, "squares": 900.0},
        "classes": {},
        "inputs": {"x": [1, 2, 0]},
    }
