"""TensorFlow Serving's REST API, asked of the real application with real models: predictions, status and metadata."""

import asyncio
import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import onnxruntime
import pytest

from services.inference.application import build_application
from services.inference.loading import open_runtime
from services.inference.manifest import parse_manifest
from services.inference.model import Model
from services.inference.pages.operations import OperationsPages
from services.inference.pages.siblings import Siblings
from tests.services.inference.protocols.tensorflow_asking import (
    CLASSIFY,
    MODEL,
    NAMED,
    PREDICT,
    REGRESS,
    ROWS,
    Ask,
    Maker,
    identity,
)

COLUMNS = {name: [row[place] for row in ROWS] for place, name in enumerate("abc")}


@pytest.fixture(scope="module")
def image_model(tmp_path_factory: pytest.TempPathFactory, manifest_document: Maker) -> Path:
    """Return a model of one tensor of 2 x 2 pixels, which gives it back."""
    from onnx import TensorProto

    folder = tmp_path_factory.mktemp("image")
    identity(folder, {"pixels": TensorProto.FLOAT}, of="pixels", shape=(2, 2))
    columns = [{"name": "pixels", "kind": "float32", "shape": [-1, 2, 2]}]
    document = manifest_document(columns=columns, inputs=["pixels"], outputs=["out"])
    (folder / "slipway.json").write_text(json.dumps(document))
    return folder


@pytest.fixture(scope="module")
def image(ask: Callable[[Path], Ask], image_model: Path) -> Ask:
    """Ask the model of pixels."""
    return ask(image_model)


def test_rows_get_the_models_own_answer(toy: Ask, classifier: Path) -> None:
    """An object of all outputs for each row, with the values that ONNX Runtime gives."""
    session = onnxruntime.InferenceSession(classifier / "model.onnx", providers=["CPUExecutionProvider"])
    labels, probabilities = session.run(None, {"X": np.array(ROWS, dtype=np.float32)})

    answer = toy("POST", PREDICT, json={"instances": ROWS})

    predictions = answer.json()["predictions"]
    assert answer.status_code == 200
    assert list(answer.json()) == ["predictions"]
    assert [row["prediction"] for row in predictions] == labels.tolist()
    assert np.allclose([row["probabilities"] for row in predictions], probabilities)


@pytest.mark.parametrize(
    "body",
    [
        {"instances": ROWS},
        {"instances": NAMED},
        {"instances": [{name: [value] for name, value in row.items()} for row in NAMED]},
        {"instances": [{"input": row} for row in ROWS]},
        {"instances": ROWS, "signature_name": "serving_default"},
        {"instances": ROWS, "signature_name": ""},
        {"inputs": ROWS},
        {"inputs": {"input": ROWS}},
        {"inputs": COLUMNS},
        {"inputs": COLUMNS | {"more": [1, 2]}},
        {"inputs": {name: [[value] for value in values] for name, values in COLUMNS.items()}},
        {"inputs": {name: COLUMNS[name] for name in "cab"}},
    ],
)
def test_every_form_of_the_same_rows_gets_the_same_answer(toy: Ask, body: dict[str, Any]) -> None:
    """By row or by column, as a matrix or by name: row and column answers hold the same values."""
    rows = toy("POST", PREDICT, json={"instances": ROWS}).json()["predictions"]
    by_column = {name: [row[name] for row in rows] for name in ("prediction", "probabilities")}

    answer = toy("POST", PREDICT, json=body).json()

    assert answer == ({"predictions": rows} if "instances" in body else {"outputs": by_column})


def test_one_output_has_no_name(table: Ask) -> None:
    """Its values stand alone, by row and by column; floats stay floats."""
    bodies: list[dict[str, Any]] = [{"instances": [0, 1]}, {"instances": [{"x": 0}, {"x": 1}]}, {"inputs": [[0], [1]]}]

    answers = [table("POST", PREDICT, json=body).text for body in [*bodies, {"inputs": {"x": [0, 1]}}]]

    by_row, by_column = '{"predictions":[10.0,20.0]}', '{"outputs":[10.0,20.0]}'
    assert answers == [by_row, by_row, by_column, by_column]


@pytest.mark.parametrize("what", ["", "/versions/3", "/labels/champion"])
def test_a_model_answers_by_name_version_and_label(toy: Ask, what: str) -> None:
    """All of its paths, with the same answers."""
    answers = {
        verb: toy("POST", f"{MODEL}{what}:{verb}", json=body).status_code
        for verb, body in (("predict", {"instances": ROWS}), ("classify", {"examples": NAMED}))
    }

    assert answers == {"predict": 200, "classify": 200}
    assert toy("GET", f"{MODEL}{what}").json() == toy("GET", MODEL).json()
    assert toy("GET", f"{MODEL}{what}/metadata").json() == toy("GET", f"{MODEL}/metadata").json()


def test_labels_come_from_the_environment(
    ask: Callable[[Path], Ask], classifier: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A revision learns its labels when it is started; the default is champion alone."""
    monkeypatch.setenv("SLIPWAY_LABELS", "stable, canary,")
    send = ask(classifier)

    labels = ("stable", "canary", "champion")
    statuses = [send("GET", f"{MODEL}/labels/{label}").status_code for label in labels]

    assert statuses == [200, 200, 404]
    assert "expected stable or canary" in send("GET", f"{MODEL}/labels/champion").json()["error"]


def test_mixed_columns_come_by_name(echo: Ask) -> None:
    """Numbers and words reach the model each in its own kind; words may come as bytes in base64."""
    packed = {"b64": base64.b64encode("grün".encode()).decode()}

    by_row = echo("POST", PREDICT, json={"instances": [{"word": "a", "number": 1}, {"word": packed, "number": 2.0}]})
    by_column = echo("POST", PREDICT, json={"inputs": {"word": ["a", packed], "number": [1, 2**62]}})

    assert by_row.json() == {"predictions": ["a", "grün"]}
    assert by_column.json() == {"outputs": ["a", "grün"]}


@pytest.mark.parametrize(
    "body",
    [
        {"instances": ["x", {"b64": "eQ=="}]},
        {"instances": [{"b64": "eA=="}, "y"]},
        {"instances": [["x"], ["y"]]},
        {"instances": [{"word": "x"}, {"word": {"b64": "eQ=="}}]},
        {"inputs": ["x", "y"]},
        {"inputs": {"word": [{"b64": "eA=="}, {"b64": "eQ=="}]}},
    ],
)
def test_one_column_of_words_needs_no_name(words: Ask, body: dict[str, Any]) -> None:
    """Plain words, objects of bytes, and both with the column's name."""
    answer = words("POST", PREDICT, json=body).json()

    assert list(answer.values()) == [["x", "y"]]


PIXELS = [[[1.0, 2.0], [3.0, 4.0]], [[5.0, 6.0], [7.0, 8.0]]]


@pytest.mark.parametrize(
    "body",
    [
        {"instances": PIXELS},
        {"instances": [[1, 2, 3, 4], [5, 6, 7, 8]]},
        {"instances": [{"pixels": one} for one in PIXELS]},
        {"inputs": PIXELS},
        {"inputs": {"pixels": PIXELS}},
    ],
)
def test_a_tensor_comes_in_its_own_shape(image: Ask, body: dict[str, Any]) -> None:
    """Nested as it is, or flat; with or without its name; it goes back nested."""
    answer = image("POST", PREDICT, json=body).json()

    assert list(answer.values()) == [PIXELS]


def test_classes_have_scores(toy: Ask) -> None:
    """A pair of class and probability for each class of each example; context is common to all examples."""
    probabilities = toy("POST", PREDICT, json={"inputs": ROWS}).json()["outputs"]["probabilities"]
    examples = [{"a": 0.5, "b": [-1.0]}, {"a": -0.5, "b": [1.0]}]

    results = toy("POST", CLASSIFY, json={"examples": NAMED}).json()["results"]
    shared = toy("POST", CLASSIFY, json={"examples": examples, "context": {"c": 2.0}}).json()["results"]

    assert results == [[["0", row[0]], ["1", row[1]]] for row in probabilities]
    assert shared[0] == results[0]
    assert shared[1] != results[1]


def test_classes_without_probabilities_are_certain(echo: Ask) -> None:
    """The predicted label alone, with the score 1."""
    answer = echo("POST", CLASSIFY, json={"examples": [{"number": 1, "word": "spam"}], "signature_name": ""})

    assert answer.json() == {"results": [[["spam", 1.0]]]}


def test_a_regression_is_a_list_of_numbers(table: Ask) -> None:
    """One for each example."""
    answer = table("POST", REGRESS, json={"examples": [{"x": 1.0}, {"x": [0.0]}]})

    assert answer.json() == {"results": [20.0, 10.0]}


def test_status_is_that_of_the_guide(toy: Ask) -> None:
    """One version, available."""
    status = {"error_code": "OK", "error_message": ""}

    answer = toy("GET", MODEL).json()

    assert answer == {"model_version_status": [{"version": "3", "state": "AVAILABLE", "status": status}]}


def test_status_follows_the_models_life(classifier: Path) -> None:
    """It is loading before it is ready, and unloading once it drains."""
    manifest = parse_manifest(json.loads((classifier / "slipway.json").read_text()))
    model = Model(manifest=manifest, runtime=open_runtime(manifest, classifier))
    transport = httpx.ASGITransport(app=build_application(model, OperationsPages(model, Siblings(model, None, ""))))

    async def story() -> list[str]:
        async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
            states = [(await client.get(MODEL)).json()["model_version_status"][0]["state"]]
            await model.start()
            states.append((await client.get(MODEL)).json()["model_version_status"][0]["state"])
            await model.stop()
            states.append((await client.get(MODEL)).json()["model_version_status"][0]["state"])
        return states

    states = asyncio.run(story())

    assert states == ["LOADING", "AVAILABLE", "UNLOADING"]


def test_metadata_describe_the_signature(toy: Ask, echo: Ask, image: Ask) -> None:
    """As the real server writes them: sizes are texts, types are TensorFlow's."""
    about = toy("GET", f"{MODEL}/metadata").json()
    mixed, pixels = (
        send("GET", f"{MODEL}/metadata").json()["metadata"]["signature_def"]["signature_def"]["serving_default"]
        for send in (echo, image)
    )

    rows, three, two = ({"size": size, "name": ""} for size in ("-1", "3", "2"))
    assert about["model_spec"] == {"name": "toy", "signature_name": "", "version": "3"}
    assert about["metadata"]["signature_def"]["signature_def"] == {
        "serving_default": {
            "inputs": {"input": tensor("input", "DT_DOUBLE", rows, three)},
            "outputs": {
                "prediction": tensor("prediction", "DT_INT64", rows),
                "probabilities": tensor("probabilities", "DT_FLOAT", rows, two),
            },
            "method_name": "tensorflow/serving/predict",
        }
    }
    assert mixed["inputs"] == {
        "number": tensor("number", "DT_INT64", rows),
        "word": tensor("word", "DT_STRING", rows),
    }
    assert [one["tensor_shape"]["dim"] for one in pixels["inputs"].values()] == [[rows, two, two]]


def tensor(name: str, kind: str, *sizes: dict[str, str]) -> dict[str, Any]:
    """Return the description of a tensor."""
    return {"dtype": kind, "tensor_shape": {"dim": list(sizes), "unknown_rank": False}, "name": f"{name}:0"}
