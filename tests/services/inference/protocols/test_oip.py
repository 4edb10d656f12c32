"""The Open Inference Protocol (v2, JSON), asked of the real application with real models."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import onnxruntime
import orjson
import pytest

Ask = Callable[..., httpx.Response]
INFER = "/v2/models/toy/infer"
ROW = {"name": "input", "shape": [1, 3], "datatype": "FP64", "data": [0.5, -1.0, 2.0]}


def columns(**changes: dict[str, Any]) -> list[dict[str, Any]]:
    """Return one tensor per column, some of them changed."""
    good = {name: {"name": name, "shape": [2], "datatype": "FP32", "data": [0.5, 1]} for name in "abc"}
    return [{**tensor, **changes.get(name, {})} for name, tensor in good.items()]


def test_a_matrix_gets_the_models_own_answer(toy: Ask, classifier: Path) -> None:
    """Prediction and probabilities are those of ONNX Runtime, with the model's name, version and the request's id."""
    rows = np.array([[0.5, -1.0, 2.0], [-0.5, 1.0, 0.0]], dtype=np.float32)
    session = onnxruntime.InferenceSession(classifier / "model.onnx", providers=["CPUExecutionProvider"])
    labels, probabilities = session.run(None, {"X": rows})

    tensor = ROW | {"shape": [2, 3], "data": rows.ravel().tolist()}
    answer = toy("POST", INFER, json={"id": "q1", "inputs": [tensor]}).json()

    assert {key: answer[key] for key in ("model_name", "model_version", "id")} == {
        "model_name": "toy",
        "model_version": "3",
        "id": "q1",
    }
    assert answer["outputs"][0] == {"name": "prediction", "datatype": "INT64", "shape": [2], "data": labels.tolist()}
    assert np.allclose(answer["outputs"][1]["data"], probabilities.ravel())


@pytest.mark.parametrize(
    "inputs",
    [
        [ROW | {"shape": [2, 3], "data": [[0.5, 0.5, 0.5], [1, 1, 1]]}],
        [ROW | {"shape": [2, 3], "data": [0.5, 0.5, 0.5, 1, 1, 1], "name": "anything"}],
        columns(),
        columns(b={"shape": [2, 1]}),
        columns(c={"datatype": "FP64", "data": [[0.5], [1.0]]}),
        list(reversed(columns())),
    ],
)
def test_every_form_of_the_same_rows_gets_the_same_answer(toy: Ask, inputs: list[dict[str, Any]]) -> None:
    """Nested or flat, one matrix or one tensor per column in any order."""
    same = toy("POST", INFER, json={"inputs": columns()}).json()

    answer = toy("POST", INFER, json={"inputs": inputs}).json()

    assert answer == same


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"{", "body: got no JSON"),
        (b'{"inputs": [{"name": "x", "shape": [1, 3], "datatype": "FP32", "data": [NaN, 1, 2]}]}', "NaN and Infinity"),
        (b"[" * 5000, "body: got no JSON"),
        (b"[1]", "body: got list"),
        (b"{}", "inputs: got none"),
        ({"inputs": {}}, "inputs: got none"),
        ({"inputs": [3]}, "inputs[0]: got 3"),
        ({"id": 4, "inputs": [ROW]}, "id: got 4, expected a text"),
        ({"inputs": [ROW, ROW]}, "the name twice"),
        ({"inputs": [ROW | {"datatype": "FLOAT"}]}, "datatype: got FLOAT, expected one of BOOL"),
        ({"inputs": [ROW | {"datatype": ["FP32"]}]}, "datatype: got ['FP32']"),
        ({"inputs": [ROW | {"shape": [1, -3]}]}, "shape: got [1, -3]"),
        ({"inputs": [ROW | {"shape": [0, 3], "data": []}]}, "at least one row"),
        ({"inputs": [ROW | {"shape": [1, 4], "data": [1, 2, 3, 4]}]}, "got [1, 4], expected [rows, 3]"),
        ({"inputs": [ROW | {"shape": [10**18, 3]}]}, "got 3 values, expected 3000000000000000000"),
        ({"inputs": [ROW | {"data": [1, 2]}]}, "got 2 values, expected 3, as its shape [1, 3] says"),
        ({"inputs": [ROW | {"data": "abc"}]}, "data: got str, expected a list"),
        ({"inputs": [ROW | {"data": []}]}, "got 0 values"),
        ({"inputs": [ROW | {"data": ["1", "2", "3"]}]}, "got '1', expected numbers, as its datatype FP64 says"),
        ({"inputs": [ROW | {"data": [1, 2, None]}]}, "got null, expected numbers"),
        ({"inputs": [ROW | {"data": [1, 2, {}]}]}, "got {}, expected numbers"),
        ({"inputs": [ROW | {"data": [[1, 2], [3]]}]}, "values that make no array"),
        ({"inputs": [ROW | {"datatype": "INT64", "data": [1.5, 2, 3]}]}, "expected whole numbers"),
        ({"inputs": [ROW | {"datatype": "INT8", "data": [1, 2, 300]}]}, "got 300, expected values within"),
        ({"inputs": [ROW | {"datatype": "UINT64", "data": [1, 2, -3]}]}, "got -3, expected values within"),
        ({"inputs": [ROW | {"datatype": "FP32", "data": [1, 2, 1e300]}]}, "got 1e+300, expected values within"),
        ({"inputs": [ROW | {"datatype": "BYTES", "data": ["a", "b", "c"]}]}, "got values of type BYTES"),
        ({"inputs": [ROW | {"datatype": "BYTES", "data": ["a", 1, "c"]}]}, "got 1, expected texts"),
        (
            {"inputs": columns(a={"name": "z"})},
            "input 'z': got a name the model does not have, expected one of a, b, c",
        ),
        ({"inputs": columns()[:2]}, "inputs: got none for c"),
        ({"inputs": columns(b={"shape": [1], "data": [1]})}, "input 'b': shape: got [1], expected [2] or [2, 1]"),
        ({"inputs": [ROW], "outputs": [{"name": "score"}]}, "outputs: got score"),
        ({"inputs": [ROW], "outputs": "prediction"}, "outputs: got str"),
        ({"inputs": [ROW], "outputs": [{}]}, "outputs: got None"),
    ],
)
def test_a_wrong_request_is_refused_with_what_was_seen_and_expected(toy: Ask, body: object, said: str) -> None:
    """400 in the protocol's error form: the input's name, what was seen, what was expected; never 500."""
    content = body if isinstance(body, bytes) else orjson.dumps(body)

    answer = toy("POST", INFER, content=content)

    assert answer.status_code == 400
    assert said in answer.json()["error"]


def test_a_body_beyond_the_limit_is_refused(toy: Ask) -> None:
    """413 as soon as the limit is passed."""
    answer = toy("POST", INFER, content=b" " * (16 * 1024 * 1024 + 1))

    assert answer.status_code == 413
    assert "fewer rows" in answer.json()["error"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v2/models/other", 404),
        ("POST", "/v2/models/other/infer", 404),
        ("POST", "/v2/models/toy/versions/4/infer", 404),
        ("GET", "/v2/models/toy/versions/4/ready", 404),
        ("GET", "/v2/nothing", 404),
        ("GET", INFER, 405),
    ],
)
def test_unknown_models_versions_and_paths_are_refused(toy: Ask, method: str, path: str, status: int) -> None:
    """In the protocol's error form too."""
    answer = toy(method, path, json={"inputs": [ROW]})

    assert answer.status_code == status
    assert list(answer.json()) == ["error"]


def test_health_and_metadata(toy: Ask) -> None:
    """What routers and clients read first."""
    bodies = {
        path: toy("GET", path).json()
        for path in ("/v2", "/v2/health/live", "/v2/health/ready", "/v2/models/toy/versions/3/ready", "/v2/models/toy")
    }

    described = bodies["/v2/models/toy"]
    assert bodies["/v2"]["version"] == "toy-v3"
    assert bodies["/v2/health/live"] == {"live": True}
    assert bodies["/v2/health/ready"] == {"ready": True}
    assert bodies["/v2/models/toy/versions/3/ready"] == {"name": "toy", "ready": True}
    assert described["versions"] == ["3"]
    assert described["inputs"][0]["shape"] == [-1, 3]
    assert described["inputs"][0]["parameters"] == {"columns": ["a", "b", "c"]}


def test_outputs_can_be_chosen(toy: Ask) -> None:
    """Only those asked for come back."""
    body = {"inputs": [ROW], "outputs": [{"name": "probabilities"}]}

    answer = toy("POST", INFER, json=body).json()

    assert [output["name"] for output in answer["outputs"]] == ["probabilities"]


def test_an_output_that_the_model_lacks_is_refused(table: Ask) -> None:
    """A regressor has no probabilities."""
    body = {"inputs": [one(0)], "outputs": [{"name": "probabilities"}]}

    answer = table("POST", INFER, json=body)

    assert answer.status_code == 400
    assert answer.json()["error"] == "outputs: got probabilities, expected one of prediction"


def one(value: float) -> dict[str, Any]:
    """Return one row for the table."""
    return {"name": "x", "shape": [1], "datatype": "FP32", "data": [value]}


@pytest.mark.parametrize(("value", "said"), [(7, "toy-v3 failed"), (2, "'prediction' is not a finite number in row 0")])
def test_a_model_that_fails_is_a_server_error(table: Ask, value: float, said: str) -> None:
    """500 with the reason: the canary judge counts it, and the next request is answered."""
    answer = table("POST", INFER, json={"inputs": [one(value)]})
    after = table("POST", INFER, json={"inputs": [one(1)]})

    assert answer.status_code == 500
    assert said in answer.json()["error"]
    assert after.json()["outputs"][0]["data"] == [20.0]


def test_every_answer_names_the_revision_and_the_request(toy: Ask) -> None:
    """Errors and unknown paths too."""
    for path in ("/v2", "/v2/models/other", "/nowhere"):
        answer = toy("GET", path, headers={"x-request-id": "r-1"})

        assert answer.headers["x-slipway-revision"] == "toy-v3"
        assert answer.headers["x-request-id"] == "r-1"


def test_compared_requests_are_remembered_with_their_status(table: Ask) -> None:
    """Only those marked for comparison: good answers, wrong requests and failures; with the time each took."""
    for name, value, mark in (("a", 1, "1"), ("b", 7, "1"), ("c", 1, "0"), ("d", "x", "1")):
        headers = {"x-request-id": name, "x-slipway-compare": mark}
        table("POST", INFER, json={"inputs": [one(value)]}, headers=headers)

    answers = table("GET", "/slipway/answers").json()["answers"]

    took = [answer.pop("milliseconds") for answer in answers]
    assert all(isinstance(one, float) and 0 < one < 60_000 for one in took)
    assert answers == [
        {"request_id": "a", "status": 200, "values": [20.0]},
        {"request_id": "b", "status": 500, "values": []},
        {"request_id": "d", "status": 400, "values": []},
    ]
