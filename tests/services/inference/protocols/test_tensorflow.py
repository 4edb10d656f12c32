"""TensorFlow Serving's REST API, asked of the real application with real models."""

import asyncio
import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import onnxruntime
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.inference.application import build_application
from services.inference.loading import open_runtime
from services.inference.manifest import parse_manifest
from services.inference.model import Model
from services.inference.pages.operations import OperationsPages
from services.inference.pages.siblings import Siblings
from services.inference.protocols.tensorflow_rows import RowReader
from services.inference.refusals import BadRequest

Ask = Callable[..., httpx.Response]
Maker = Callable[..., dict[str, Any]]
MODEL = "/v1/models/toy"
PREDICT, CLASSIFY, REGRESS = f"{MODEL}:predict", f"{MODEL}:classify", f"{MODEL}:regress"
ROWS = [[0.5, -1.0, 2.0], [-0.5, 1.0, 0.0]]
NAMED = [dict(zip("abc", row, strict=True)) for row in ROWS]
COLUMNS = {name: [row[place] for row in ROWS] for place, name in enumerate("abc")}


@pytest.fixture(scope="module")
def echo_model(tmp_path_factory: pytest.TempPathFactory, manifest_document: Maker) -> Path:
    """Return a model of a number and a word, which gives the word back."""
    from onnx import TensorProto

    folder = tmp_path_factory.mktemp("echo")
    identity(folder, {"number": TensorProto.INT64, "word": TensorProto.STRING}, of="word")
    columns = [{"name": "number", "kind": "int64"}, {"name": "word", "kind": "str"}]
    document = manifest_document(columns=columns, single_matrix=False, inputs=["number", "word"], outputs=["out"])
    (folder / "slipway.json").write_text(json.dumps(document))
    return folder


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
def words_model(tmp_path_factory: pytest.TempPathFactory, manifest_document: Maker) -> Path:
    """Return a model of one column of words, which gives them back."""
    from onnx import TensorProto

    folder = tmp_path_factory.mktemp("words")
    identity(folder, {"word": TensorProto.STRING}, of="word")
    columns = [{"name": "word", "kind": "str"}]
    document = manifest_document(columns=columns, single_matrix=False, inputs=["word"], outputs=["out"])
    (folder / "slipway.json").write_text(json.dumps(document))
    return folder


def identity(folder: Path, inputs: dict[str, int], *, of: str, shape: tuple[int, ...] = (1,)) -> None:
    """Write an ONNX model that gives one of its inputs back."""
    from onnx import helper

    infos = [helper.make_tensor_value_info(name, kind, [None, *shape]) for name, kind in inputs.items()]
    output = helper.make_tensor_value_info("out", inputs[of], [None, *shape])
    graph = helper.make_graph([helper.make_node("Identity", [of], ["out"])], "identity", infos, [output])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    (folder / "model.onnx").write_bytes(model.SerializeToString())


@pytest.fixture(scope="module")
def echo(ask: Callable[[Path], Ask], echo_model: Path) -> Ask:
    """Ask the model of numbers and words."""
    return ask(echo_model)


@pytest.fixture(scope="module")
def image(ask: Callable[[Path], Ask], image_model: Path) -> Ask:
    """Ask the model of pixels."""
    return ask(image_model)


@pytest.fixture(scope="module")
def words(ask: Callable[[Path], Ask], words_model: Path) -> Ask:
    """Ask the model of words."""
    return ask(words_model)


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


def test_what_the_signature_does_not_fit_is_refused(toy: Ask, table: Ask) -> None:
    """Classes are no numbers, and numbers no classes; the reason names the predictions' type."""
    regress = toy("POST", REGRESS, json={"examples": NAMED})
    classify = table("POST", CLASSIFY, json={"examples": [{"x": 1}]})

    assert (regress.status_code, classify.status_code) == (400, 400)
    assert (
        "regress: got predictions of type DT_INT64 and shape [-1], expected a model of one" in regress.json()["error"]
    )
    assert "classify: got predictions of type DT_FLOAT" in classify.json()["error"]


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


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "body: got no JSON"),
        (b"{", "body: got no JSON"),
        (b'{"instances": [[NaN, 1, 2]]}', "NaN and Infinity"),
        (b'{"instances": [[1e999, 1, 2]]}', "body: got no JSON"),
        (b'{"instances": [["\xff", 1, 2]]}', "body: got no JSON"),
        (b"[" * 5000, "body: got no JSON"),
        (b"[1]", "body: got list, expected one JSON object"),
        ({}, "body: got neither, expected one of `instances`"),
        ({"instances": ROWS, "inputs": ROWS}, "body: got both"),
        ({"instances": ROWS, "signature_name": "other"}, "signature_name: got other, expected serving_default"),
        ({"instances": ROWS, "signature_name": None}, "signature_name: got None"),
        ({"instances": ROWS, "signature_name": ["serving_default"]}, "signature_name: got ['serving_default']"),
        ({"instances": []}, "instances: got an empty list, expected a list with at least one row"),
        ({"instances": {"a": [1]}}, "instances: got an object, expected a list"),
        ({"instances": 5}, "instances: got 5, expected a list"),
        ({"instances": None}, "instances: got null"),
        ({"instances": [1, 2, 3]}, "input 'input': shape: got [3], expected [rows, 3]"),
        ({"instances": [[1, 2]]}, "shape: got [1, 2], expected [rows, 3]"),
        ({"instances": [[[1, 2, 3]]]}, "shape: got [1, 1, 3]"),
        ({"instances": [[1, 2, 3], [4, 5]]}, "values that make no array"),
        ({"instances": [[]]}, "shape: got [1, 0]"),
        ({"instances": [[1, 2, "3"]]}, "input 'input': data: got '3', expected numbers"),
        ({"instances": [[1, 2, None]]}, "got null, expected numbers"),
        ({"instances": [[1, 2, {"b64": "eA=="}]]}, "expected numbers"),
        ({"instances": [[True, True, True]]}, "got True, expected numbers"),
        ({"instances": [{"b64": "eA=="}]}, "expected numbers"),
        (
            {"instances": [NAMED[0], {"a": 1, "b": 2}]},
            "instances[1]: got none for 'c', expected an object with a, b, c",
        ),
        ({"instances": [NAMED[0], ROWS[0]]}, "instances[1]: got a list, expected an object with a, b, c"),
        ({"instances": [NAMED[0] | {"z": 1}]}, "instances[0]: got the name 'z', expected no other than a, b, c"),
        ({"instances": [{"a": 1, "b": "x", "c": 2}]}, "input 'b': data: got 'x', expected numbers"),
        ({"instances": [{"a": 1, "b": None, "c": 2}]}, "input 'b': data: got null"),
        ({"instances": [{"a": 1, "b": [1, 2], "c": 2}]}, "input 'b': shape: got [1, 2], expected [1] or [1, 1]"),
        ({"instances": [ROWS[0], NAMED[0]]}, "values that make no array"),
        ({"inputs": []}, "inputs: got an empty list, expected a list with at least one row"),
        ({"inputs": 5}, "inputs: got 5"),
        ({"inputs": {}}, "inputs: got none for 'a', expected an object with a, b, c"),
        ({"inputs": {"a": [1], "b": [1]}}, "inputs: got none for 'c'"),
        ({"inputs": {"a": [1], "b": [1], "c": 1}}, "inputs: 'c': got 1, expected a list with a value for each row"),
        ({"inputs": {"a": [1], "b": [1], "c": []}}, "inputs: 'c': got an empty list"),
        ({"inputs": {"a": [1, 2], "b": [1], "c": [1, 2]}}, "input 'b': shape: got [1], expected [2] or [2, 1]"),
        ({"inputs": {"input": [[1, 2]]}}, "shape: got [1, 2]"),
        ({"inputs": {"b64": "eA=="}}, "inputs: got an object"),
    ],
)
def test_a_wrong_request_is_refused_with_what_was_seen_and_expected(toy: Ask, body: object, said: str) -> None:
    """400 in the protocol's error form; never 500."""
    answer = toy("POST", PREDICT, content=body if isinstance(body, bytes) else orjson.dumps(body))

    assert answer.status_code == 400
    assert list(answer.json()) == ["error"]
    assert said in answer.json()["error"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"instances": [[1, "a"]]}, "objects by name, as the model has inputs of several kinds: number, word"),
        ({"inputs": ["a"]}, "objects by name"),
        ({"instances": [{"number": 1.5, "word": "a"}]}, "input 'number': data: got 1.5, expected whole numbers"),
        ({"instances": [{"number": 1e300, "word": "a"}]}, "input 'number': data: got 1e+300"),
        ({"instances": [{"number": 2**63, "word": "a"}]}, "input 'number': data: got 9223372036854775808"),
        ({"instances": [{"number": "1", "word": "a"}]}, "input 'number': data: got '1', expected whole numbers"),
        (
            {"instances": [{"number": [[1], [2, 3]], "word": "a"}]},
            "input 'number': data: got values that make no array",
        ),
        ({"instances": [{"number": 1, "word": 2}]}, "input 'word': got 2, expected texts"),
        ({"instances": [{"number": 1, "word": None}]}, "input 'word': got null, expected texts"),
        ({"instances": [{"number": 1, "word": {"b64": "?"}}]}, "input 'word': b64: got ?, expected UTF-8 text in"),
        ({"instances": [{"number": 1, "word": {"b64": "/w=="}}]}, "input 'word': b64: got /w=="),
        ({"instances": [{"number": 1, "word": {"b64": "ä"}}]}, "input 'word': b64: got ä"),
        ({"instances": [{"number": 1, "word": {"b64": 1}}]}, "input 'word': got {'b64': 1}, expected texts"),
        ({"instances": [{"number": 1, "word": ["a", "b"]}]}, "input 'word': shape: got [1, 2], expected [1] or [1, 1]"),
        ({"inputs": {"number": [1, 2], "word": [["a"], "b"]}}, "input 'word': got lists of different lengths"),
        ({"inputs": {"number": [1, 2], "word": ["a", ["b"]]}}, "input 'word': got ['b'], expected texts"),
    ],
)
def test_values_of_another_kind_than_their_column_are_refused(echo: Ask, body: object, said: str) -> None:
    """The message names the column."""
    answer = echo("POST", PREDICT, content=orjson.dumps(body))

    assert answer.status_code == 400
    assert said in answer.json()["error"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "examples: got none, expected a list of objects by column name"),
        ({"examples": {}}, "examples: got"),
        ({"examples": []}, "examples: got an empty list"),
        ({"examples": [ROWS[0]]}, "expected a list of objects by column name"),
        ({"examples": [{"a": 1}]}, "examples[0]: got none for 'b'"),
        ({"examples": NAMED, "context": 3}, "context: got 3, expected an object by column name"),
        ({"examples": NAMED, "context": {"a": 1}}, "context: got 'a', which an example has too"),
        ({"examples": NAMED, "context": {"z": 1}}, "examples[0]: got the name 'z'"),
        ({"examples": NAMED, "signature_name": "other"}, "signature_name: got other"),
        ({"examples": [{"a": {"b64": "eA=="}, "b": 1, "c": 2}]}, "input 'a': data: got {'b64': 'eA=='}"),
    ],
)
def test_wrong_examples_are_refused(toy: Ask, body: dict[str, Any], said: str) -> None:
    """Those for classes too."""
    answer = toy("POST", CLASSIFY, json=body)

    assert answer.status_code == 400
    assert said in answer.json()["error"]


@pytest.mark.parametrize(
    ("method", "path", "status", "said"),
    [
        ("GET", PREDICT, 405, "method: got GET, expected POST"),
        ("GET", CLASSIFY, 405, "expected POST"),
        ("GET", f"{MODEL}/versions/3:regress", 405, "expected POST"),
        ("POST", MODEL, 405, "expected GET"),
        ("DELETE", f"{MODEL}/metadata", 405, "expected GET"),
        ("GET", "/v1/models/other", 404, "model: got 'other', expected toy"),
        ("POST", "/v1/models/other:predict", 404, "model: got 'other', expected toy"),
        ("POST", "/v1/models/other/versions/3:predict", 404, "model: got 'other'"),
        ("POST", f"{MODEL}/versions/4:predict", 404, "version: got '4', expected 3"),
        ("GET", f"{MODEL}/versions/4/metadata", 404, "version: got '4', expected 3"),
        ("POST", f"{MODEL}/labels/canary:predict", 404, "label: got 'canary', expected champion"),
        ("GET", f"{MODEL}/labels/canary", 404, "label: got 'canary', expected champion"),
        ("POST", f"{MODEL}:explain", 404, f"path: got '{MODEL}:explain', expected {PREDICT}"),
        ("GET", "/v1/models/", 404, "model: got ''"),
        ("GET", "/v1/nothing", 404, "path: got '/v1/nothing'"),
    ],
)
def test_unknown_names_and_wrong_methods_are_refused(toy: Ask, method: str, path: str, status: int, said: str) -> None:
    """In the protocol's error form, with what there is."""
    answer = toy(method, path, json={"instances": ROWS})

    assert answer.status_code == status
    assert list(answer.json()) == ["error"]
    assert said in answer.json()["error"]


def test_a_model_that_fails_is_a_server_error(table: Ask) -> None:
    """500 with the reason in the protocol's form; the next request is answered."""
    failed = table("POST", PREDICT, json={"instances": [7]})
    after = table("POST", PREDICT, json={"instances": [1]})

    assert failed.status_code == 500
    assert "toy-v3 failed" in failed.json()["error"]
    assert after.json() == {"predictions": [20.0]}


def test_a_long_text_among_numbers_costs_no_memory(classifier: Path) -> None:
    """An array of numpy would give each of the values its length: 80 GB here."""
    reader = RowReader(parse_manifest(json.loads((classifier / "slipway.json").read_text())))
    rows = [["x" * 1_000_000, 1, 2], *([1, 2, 3] for _ in range(7000))]

    with pytest.raises(BadRequest, match="expected numbers"):
        reader.read_rows(rows, "instances", exact=True)


def test_a_long_text_among_texts_costs_no_memory(words: Ask) -> None:
    """It goes through the model like any other: 8 GB would have been its price."""
    texts = ["x" * 1_000_000, *("" for _ in range(2000))]

    answer = words("POST", PREDICT, json={"instances": texts})

    assert answer.json() == {"predictions": texts}


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b64"]), inner, max_size=2),
    max_leaves=8,
)
BY_NAME = st.dictionaries(st.sampled_from(["number", "word", "input"]), VALUES, max_size=3)
BODIES = st.dictionaries(
    st.sampled_from(["instances", "inputs", "examples", "context", "signature_name"]),
    VALUES | BY_NAME | st.lists(BY_NAME, max_size=3),
    max_size=2,
)


@given(verb=st.sampled_from(["predict", "classify"]), body=BODIES)
def test_no_body_makes_the_service_fail(echo: Ask, verb: str, body: dict[str, object]) -> None:
    """It is answered, or refused as the client's fault, in the protocol's form."""
    answer = echo("POST", f"{MODEL}:{verb}", content=json.dumps(body))

    assert answer.status_code in {200, 400}
    assert answer.json().keys() in ({"predictions"}, {"outputs"}, {"results"}, {"error"})
