"""TensorFlow Serving's REST API: what is refused, what it costs, and what never fails."""

import json
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.inference.manifest import parse_manifest
from services.inference.protocols.tensorflow_rows import RowReader
from services.inference.refusals import BadRequest
from tests.services.inference.protocols.tensorflow_asking import CLASSIFY, MODEL, NAMED, PREDICT, REGRESS, ROWS, Ask


def test_what_the_signature_does_not_fit_is_refused(toy: Ask, table: Ask) -> None:
    """Classes are no numbers, and numbers no classes; the reason names the predictions' type."""
    regress = toy("POST", REGRESS, json={"examples": NAMED})
    classify = table("POST", CLASSIFY, json={"examples": [{"x": 1}]})

    assert (regress.status_code, classify.status_code) == (400, 400)
    assert (
        "regress: got predictions of type DT_INT64 and shape [-1], expected a model of one" in regress.json()["error"]
    )
    assert "classify: got predictions of type DT_FLOAT" in classify.json()["error"]


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
