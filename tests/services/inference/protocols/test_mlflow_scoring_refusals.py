"""MLflow's scoring server contract: what is refused, as MLflow's own server does, and what never fails."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.services.inference.protocols.mlflow_asking import COLUMNS, CSV, JSON, NAMED, ROWS, Ask, invoke, split


@pytest.mark.parametrize(
    ("body", "kind", "said"),
    [
        (b"", JSON, "body: got no JSON"),
        (b"{", JSON, "body: got no JSON"),
        (b"\xff", JSON, "body: got no JSON"),
        (b'{"inputs": [[NaN, 1, 2]]}', JSON, "NaN and Infinity are not JSON"),
        ([1], JSON, "body: got list"),
        (5, JSON, "body: got int"),
        ({}, JSON, "exactly one of dataframe_split, dataframe_records, instances, inputs"),
        ({"columns": ["a"], "data": [[1]]}, JSON, "body: got the keys ['columns', 'data']"),
        ({"messages": []}, JSON, "body: got the keys ['messages']"),
        ({"inputs": ROWS, "instances": ROWS}, JSON, "body: got instances, inputs, expected a JSON object with exactly"),
        (split(more=1), JSON, "dataframe_split: got ['columns', 'data', 'more'], expected an object with data"),
        ({"dataframe_split": {"columns": ["a"]}}, JSON, "dataframe_split: got ['columns']"),
        ({"dataframe_split": ROWS}, JSON, "dataframe_split: got list"),
        (split(data=5), JSON, "dataframe_split: data: got 5"),
        (split(data=[]), JSON, "dataframe_split: data: got an empty list"),
        (split(data=[[1, 2], [3]]), JSON, "dataframe_split: data[0]: got 2 values, expected a list of 3"),
        (split(data=[[1, 2, 3], 4]), JSON, "dataframe_split: data[1]: got int, expected a list of 3"),
        (split(data=[["x", 1, 2]]), JSON, "input 'a': data: got 'x', expected numbers"),
        (split(data=[[1, 2, None]]), JSON, "input 'c': data: got null"),
        (split(data=[[1, [2], [3, 4]]]), JSON, "input 'c': shape: got [1, 2]"),
        (split(index=[1]), JSON, "dataframe_split: index: got [1], expected a list of 2"),
        (split(columns=None), JSON, "dataframe_split: columns: got none, expected a list of names: a, b, c"),
        (split(columns=[1, 2, 3]), JSON, "dataframe_split: columns: got [1, 2, 3]"),
        (split(columns=["a", "b", "z"]), JSON, "dataframe_split: columns: got none called 'c'"),
        (split(columns=["a", "a", "c"]), JSON, "dataframe_split: columns: got none called 'b'"),
        (split(columns=["a", "b", "c", "a"], data=[[1, 2, 3, 4]]), JSON, "columns: got 'a' twice"),
        ({"dataframe_records": []}, JSON, "dataframe_records: got an empty list"),
        ({"dataframe_records": {"a": 1}}, JSON, "dataframe_records: got an object"),
        ({"dataframe_records": [[1, 2, 3]]}, JSON, "dataframe_records[0]: got a list, expected an object with a, b, c"),
        ({"dataframe_records": [1, 2, 3]}, JSON, "dataframe_records[0]: got 1"),
        ({"dataframe_records": [{"a": 1, "b": 2}]}, JSON, "dataframe_records[0]: got none for 'c'"),
        ({"dataframe_records": [NAMED[0], {"a": 1, "b": 2}]}, JSON, "dataframe_records[1]: got none for 'c'"),
        ({"instances": []}, JSON, "instances: got an empty list, expected a list with at least one row"),
        ({"instances": "x"}, JSON, "instances: got 'x'"),
        ({"instances": [1, 2, 3]}, JSON, "shape: got [3], expected [rows, 3]"),
        ({"instances": [[1, 2]]}, JSON, "shape: got [1, 2], expected [rows, 3]"),
        ({"instances": [["x", 2, 3]]}, JSON, "got 'x', expected numbers"),
        ({"instances": [[1, 2, 3], [4]]}, JSON, "values that make no array"),
        ({"inputs": 3}, JSON, "inputs: got 3"),
        ({"inputs": None}, JSON, "inputs: got null"),
        ({"inputs": {}}, JSON, "inputs: got none for 'a'"),
        ({"inputs": {"a": 1, "b": 2}}, JSON, "inputs[0]: got none for 'c'"),
        ({"inputs": {"a": [1], "b": [1]}}, JSON, "inputs: got none for 'c'"),
        ({"inputs": {"a": [1, 2], "b": [1], "c": [1, 2]}}, JSON, "input 'b': shape: got [1]"),
        ("", CSV, "csv: got an empty body"),
        ("a,b,c\n", CSV, "csv: got no rows"),
        ("a,b\n1,2\n", CSV, "csv: got none called 'c', expected all of a, b, c"),
        ("a,b,c\n1,2\n", CSV, "csv[0]: got 2 values, expected a list of 3"),
        ("a,b,c\nx,2,3\n", CSV, "csv: row 0, column 'a': got 'x', expected a value of type float64"),
        ("a,b,c\n1,2,3\n1,,3\n", CSV, "csv: row 1, column 'b': got '', expected a value of type float64"),
        ("a,b,c\n1,nan,3\n", CSV, "column 'b': got 'nan'"),
        ("a,b,c\n1,2,inf\n", CSV, "column 'c': got 'inf'"),
        ("a,b,c\n1,2,1_0\n", CSV, "column 'c': got '1_0'"),
        (" a,b,c\n1,2,3", CSV, "csv: got none called 'a'"),
        ("a,a,c\n1,2,3\n", CSV, "csv: got none called 'b'"),
        (b"a,b,c\n1,\xff,3\n", CSV, "csv: got bytes that are not UTF-8"),
        ('a,b,c\n"1,2,3', CSV, "csv: got no CSV"),
    ],
)
def test_wrong_requests_are_refused_as_mlflow_does(toy: Ask, by_name: Ask, body: object, kind: str, said: str) -> None:
    """With MLflow's status and error code; the message says what was seen and what is expected."""
    expected = invoke(by_name, body, kind)

    answer = invoke(toy, body, kind)

    assert expected.status_code == answer.status_code == 400, answer.text
    assert answer.json().keys() == {"error_code", "message"}
    assert answer.json()["error_code"] == "BAD_REQUEST"
    assert said in answer.json()["message"]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("x,a,true", "csv: row 0, column 'number': got 'x', expected a value of type int64"),
        ("1.5,a,true", "column 'number': got '1.5'"),
        (",a,true", "column 'number': got ''"),
        ("1,a,yes", "column 'flag': got 'yes', expected a value of type bool"),
        ("1,a,", "column 'flag': got ''"),
        ("1,a, true", "column 'flag': got ' true'"),
        ("1,a,true,", "csv[0]: got 4 values"),
        (f"{2**64},a,true", "input 'number'"),
        (f"{'9' * 5000},a,true", "column 'number'"),
    ],
)
def test_wrong_cells_are_refused_as_mlflow_does(mixed: Ask, real_mixed: Ask, row: str, said: str) -> None:
    """Each with its column's name and kind."""
    body = f"number,word,flag\n{row}\n"

    expected, answer = invoke(real_mixed, body, CSV), invoke(mixed, body, CSV)

    assert expected.status_code == answer.status_code == 400, answer.text
    assert said in answer.json()["message"]


@pytest.mark.parametrize(
    "row",
    [
        {"number": 1.5, "word": "a", "flag": True},
        {"number": "1", "word": "a", "flag": True},
        {"number": 1, "word": 2, "flag": True},
        {"number": 1, "word": None, "flag": True},
        {"number": 1, "word": "a", "flag": "true"},
        {"number": 1, "word": "a", "flag": None},
    ],
)
def test_what_mlflow_guesses_is_refused(mixed: Ask, real_mixed: Ask, row: dict[str, Any]) -> None:
    """MLflow cuts fractions and makes numbers, texts and truth values of one another; here the client hears of it."""
    body = {"dataframe_records": [row]}

    guessed, answer = invoke(real_mixed, body), invoke(mixed, body)

    assert guessed.status_code == 200
    assert answer.status_code == 400
    assert answer.json()["error_code"] == "BAD_REQUEST"


@pytest.mark.parametrize(
    "kind",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/json; charset=latin-1",
        "application/json; format=pandas-split",
        "text/csv; header=present",
    ],
)
def test_other_content_types_are_refused_as_mlflow_does(toy: Ask, by_name: Ask, kind: str) -> None:
    """415 with a plain text that names what came."""
    expected = invoke(by_name, {"inputs": COLUMNS}, kind)

    answer = invoke(toy, {"inputs": COLUMNS}, kind)

    assert expected.status_code == answer.status_code == 415
    assert answer.headers["content-type"] == expected.headers["content-type"]
    assert answer.text.startswith("content-type: got ")


def test_no_content_type_is_refused(toy: Ask) -> None:
    """MLflow's server fails on it; here it is the client's to mend."""
    answer = invoke(toy, {"inputs": COLUMNS}, None)

    assert answer.status_code == 415
    assert answer.text == "content-type: got '', expected application/json or text/csv"


@pytest.mark.parametrize(
    ("body", "kind", "said"),
    [
        ("p,q,r\n1,2,3\n", CSV, "shape: got [1, 3], expected [rows, 4]"),
        ("p,q,r,s\n1,2,x,4\n", CSV, "csv: row 0, column 'pixels': got 'x'"),
        ("pixels\n1\n", CSV, "input 'pixels': shape"),
        ({"dataframe_split": {"columns": ["pixels"], "data": [[1]]}}, JSON, "input 'pixels': shape"),
    ],
)
def test_a_table_of_another_width_than_the_tensor_is_refused(pixels: Ask, body: object, kind: str, said: str) -> None:
    """With the shape that is expected."""
    answer = invoke(pixels, body, kind)

    assert answer.status_code == 400
    assert said in answer.json()["message"]


def test_a_model_that_fails_is_a_server_error(table: Ask) -> None:
    """500, unlike MLflow's 400: the canary judge counts it; the next request is answered."""
    failed, after = (invoke(table, {"inputs": [value]}) for value in (7, 1))

    assert failed.status_code == 500
    assert failed.json()["error_code"] == "INTERNAL_ERROR"
    assert "toy-v3 failed" in failed.json()["message"]
    assert after.json() == {"predictions": [20.0]}


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/invocations", 405, "BAD_REQUEST"),
        ("POST", "/ping", 405, "BAD_REQUEST"),
        ("DELETE", "/version", 405, "BAD_REQUEST"),
        ("POST", "/invocations/toy", 404, "ENDPOINT_NOT_FOUND"),
    ],
)
def test_wrong_methods_and_paths_are_refused(toy: Ask, method: str, path: str, status: int, code: str) -> None:
    """In MLflow's error form."""
    answer = toy(method, path)

    assert answer.status_code == status
    assert answer.json().keys() == {"error_code", "message"}
    assert answer.json()["error_code"] == code


def test_deep_json_is_refused(toy: Ask) -> None:
    """MLflow's server fails on it."""
    answer = invoke(toy, b'{"inputs":' + b"[" * 900 + b"]" * 900 + b"}")

    assert answer.status_code == 400
    assert "values that make no array" in answer.json()["message"]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "x", "word"]), inner, max_size=3),
    max_leaves=8,
)
FRAMES = st.fixed_dictionaries(
    {"data": VALUES}, optional={"columns": st.lists(st.sampled_from(["number", "word", "flag"])), "index": VALUES}
)
ROWS_BY_NAME = st.lists(st.dictionaries(st.sampled_from(["number", "word", "flag"]), VALUES), max_size=3)


@given(form=st.sampled_from(["inputs", "instances", "dataframe_records"]), rows=VALUES | ROWS_BY_NAME)
def test_no_rows_make_the_service_fail(mixed: Ask, form: str, rows: object) -> None:
    """They are answered, or refused as the client's fault, in MLflow's form."""
    answer = invoke(mixed, json.dumps({form: rows}))

    assert answer.status_code in {200, 400}
    assert answer.json().keys() in ({"predictions"}, {"error_code", "message"})


@given(frame=FRAMES)
def test_no_frame_makes_the_service_fail(mixed: Ask, frame: dict[str, object]) -> None:
    """As above."""
    answer = invoke(mixed, json.dumps({"dataframe_split": frame}))

    assert answer.status_code in {200, 400}
    assert answer.json().keys() in ({"predictions"}, {"error_code", "message"})


@given(
    text=st.text(alphabet='abc,"\n\r 1.-einf_', max_size=30)
    | st.text(max_size=20).map("number,word,flag\n1,a,".__add__)
)
def test_no_csv_makes_the_service_fail(toy: Ask, mixed: Ask, text: str) -> None:
    """As above."""
    answers = [invoke(send, text.encode(), CSV) for send in (toy, mixed)]

    assert all(answer.status_code in {200, 400} for answer in answers)
    assert all(answer.json().keys() in ({"predictions"}, {"error_code", "message"}) for answer in answers)
