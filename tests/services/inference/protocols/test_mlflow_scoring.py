"""MLflow's scoring server contract: asked of the real application, and of MLflow's own server with the same model."""

import asyncio
import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from services.inference.application import build_application
from services.inference.loading import open_runtime
from services.inference.manifest import parse_manifest
from services.inference.model import Model
from services.inference.pages.operations import OperationsPages
from services.inference.pages.siblings import Siblings

Ask = Callable[..., httpx.Response]
Maker = Callable[..., dict[str, Any]]
ROWS = [[0.5, -1.0, 2.0], [-0.5, 1.0, 0.0]]
NAMED = [dict(zip("abc", row, strict=True)) for row in ROWS]
COLUMNS = {name: [row[place] for row in ROWS] for place, name in enumerate("abc")}
JSON, CSV = "application/json", "text/csv"
ECHO = """
import mlflow.pyfunc

class Echo(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        return model_input["word"].to_numpy()

mlflow.models.set_model(Echo())
"""


def invoke(send: Ask, body: object, kind: str | None = JSON) -> httpx.Response:
    """Ask a server to score a body."""
    content = body if isinstance(body, bytes | str) else json.dumps(body)
    return send("POST", "/invocations", content=content, headers={} if kind is None else {"content-type": kind})


def real_server(folder: Path) -> Ask:
    """Return MLflow's own server of a saved model, to be asked in this process."""
    import mlflow.pyfunc
    from mlflow.pyfunc import scoring_server

    transport = httpx.ASGITransport(app=scoring_server.init(mlflow.pyfunc.load_model(folder)))

    def send(method: str, path: str, **request: Any) -> httpx.Response:  # noqa: ANN401 - httpx's own arguments
        async def exchange() -> httpx.Response:
            async with httpx.AsyncClient(transport=transport, base_url="http://mlflow") as client:
                return await client.request(method, path, **request)

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what a server of others warns of: here it would fail the request
            return asyncio.run(exchange())

    return send


@pytest.fixture(scope="module")
def by_matrix(tmp_path_factory: pytest.TempPathFactory) -> Ask:
    """Return MLflow's server of the toy model, saved without a signature: it takes matrices."""
    return real_server(saved(tmp_path_factory.mktemp("mlflow"), signature=False))


@pytest.fixture(scope="module")
def by_name(tmp_path_factory: pytest.TempPathFactory) -> Ask:
    """Return MLflow's server of the toy model, saved with a signature of columns: it takes columns by name."""
    return real_server(saved(tmp_path_factory.mktemp("mlflow"), signature=True))


def saved(folder: Path, *, signature: bool) -> Path:
    """Fit the model that `classifier` converts, and save it."""
    import mlflow.sklearn
    import pandas as pd
    from sklearn.linear_model import LogisticRegression

    rows = np.random.default_rng(7).normal(size=(200, 3))
    model = LogisticRegression().fit(rows, (rows[:, 0] > 0).astype(np.int64))
    table = pd.DataFrame(rows, columns=list("abc"))
    said = mlflow.models.infer_signature(table, model.predict(rows)) if signature else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow's own, about how it is saved
        mlflow.sklearn.save_model(
            model, folder / "model", signature=said, pip_requirements=["mlflow"], serialization_format="cloudpickle"
        )
    return folder / "model"


@pytest.fixture(scope="module")
def echo_model(tmp_path_factory: pytest.TempPathFactory, manifest_document: Maker) -> Path:
    """Return an ONNX model of a number, a word and a truth value, which gives the word back."""
    from onnx import TensorProto, helper

    folder = tmp_path_factory.mktemp("echo")
    kinds = {"number": TensorProto.INT64, "word": TensorProto.STRING, "flag": TensorProto.BOOL}
    inputs = [helper.make_tensor_value_info(name, kind, [None, 1]) for name, kind in kinds.items()]
    output = helper.make_tensor_value_info("out", TensorProto.STRING, [None, 1])
    graph = helper.make_graph([helper.make_node("Identity", ["word"], ["out"])], "echo", inputs, [output])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    columns = [{"name": "number", "kind": "int64"}, {"name": "word", "kind": "str"}, {"name": "flag", "kind": "bool"}]
    document = manifest_document(columns=columns, single_matrix=False, inputs=list(kinds), outputs=["out"])
    (folder / "slipway.json").write_text(json.dumps(document))
    return folder


@pytest.fixture(scope="module")
def echo(ask: Callable[[Path], Ask], echo_model: Path) -> Ask:
    """Ask the model of mixed columns."""
    return ask(echo_model)


@pytest.fixture(scope="module")
def real_echo(tmp_path_factory: pytest.TempPathFactory) -> Ask:
    """Return MLflow's server of a model of the same columns, which gives the word back too."""
    import mlflow.pyfunc
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    folder = tmp_path_factory.mktemp("real-echo")
    (folder / "code.py").write_text(ECHO)
    specs = [ColSpec("long", "number"), ColSpec("string", "word"), ColSpec("boolean", "flag")]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow's own, about type hints
        mlflow.pyfunc.save_model(
            folder / "model",
            python_model=str(folder / "code.py"),
            signature=ModelSignature(Schema(specs)),
            pip_requirements=["mlflow"],
        )
        return real_server(folder / "model")


@pytest.fixture(scope="module")
def pixels(tmp_path_factory: pytest.TempPathFactory, ask: Callable[[Path], Ask], manifest_document: Maker) -> Ask:
    """Ask a model of one tensor of 2 x 2 pixels, which gives it back."""
    from onnx import TensorProto, helper

    folder = tmp_path_factory.mktemp("pixels")
    infos = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, 2, 2]) for name in ("pixels", "out")]
    graph = helper.make_graph([helper.make_node("Identity", ["pixels"], ["out"])], "pixels", infos[:1], infos[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    columns = [{"name": "pixels", "kind": "float32", "shape": [-1, 2, 2]}]
    document = manifest_document(columns=columns, inputs=["pixels"], outputs=["out"])
    (folder / "slipway.json").write_text(json.dumps(document))
    return ask(folder)


def split(**changes: object) -> dict[str, Any]:
    """Return a body in the split form, with some keys changed."""
    return {"dataframe_split": {"columns": ["a", "b", "c"], "data": ROWS, **changes}}


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (split(), JSON),
        (split(), "application/json; charset=utf-8"),
        (split(), "application/json;charset=UTF-8"),
        (split(index=[5, 6]), JSON),
        (split(index=None), JSON),
        (split(columns=["c", "b", "a"]), JSON),
        (split(columns=["a", "b", "c", "d"], data=[[1, 2, 3, 4]]), JSON),
        (split(columns=["d", "c", "a", "b"], data=[["x", 2, -3, 4]]), JSON),
        (split(data=[[1, 2, 3]]), JSON),
        ({"dataframe_records": NAMED}, JSON),
        ({"dataframe_records": [{"c": 1, "b": 2, "a": 3, "d": None}]}, JSON),
        ({"instances": NAMED}, JSON),
        ({"instances": COLUMNS}, JSON),
        ({"inputs": NAMED}, JSON),
        ({"inputs": COLUMNS}, JSON),
        ({"inputs": COLUMNS | {"d": [1, 2]}}, JSON),
        ({"inputs": {"a": -1, "b": 2, "c": 3.5}}, JSON),
        ({"inputs": COLUMNS, "params": {"x": 1}}, JSON),
        ({"inputs": COLUMNS, "other": 1}, JSON),
        ("a,b,c\n0.5,-1,2\n-0.5,1,0\n", CSV),
        ("a,b,c\n0.5,-1,2", CSV),
        ("a,b,c\r\n0.5,-1,2\r\n\r\n", "text/csv; charset=utf-8"),
        ("c,b,a\n0.5,-1,2\n", CSV),
        (',a,b,c\n0,0.5,-1,2\n1,"-0.5",1e0,0\n', CSV),
        ('"a","b",c\n 1 ,2 , -3\n', CSV),
        ("\ufeffa,b,c\n-1,2,3\n", CSV),
        ("d,c,a,b\nx,2,-3,4\n", CSV),
    ],
)
def test_every_form_by_name_is_answered_as_mlflow_does(toy: Ask, by_name: Ask, body: object, kind: str) -> None:
    """The same body gets the same answer from MLflow's own server of the same model."""
    expected = invoke(by_name, body, kind)

    answer = invoke(toy, body, kind)

    assert expected.status_code == 200, expected.text
    assert answer.status_code == 200, answer.text
    assert answer.json() == expected.json()
    assert answer.headers["content-type"] == expected.headers["content-type"]


@pytest.mark.parametrize(
    "body",
    [
        {"inputs": ROWS},
        {"instances": ROWS},
        {"inputs": [[1, 2, 3]]},
        {"inputs": ROWS, "params": {"x": 1}},
        {"inputs": ROWS, "params": 3},
        {"inputs": ROWS, "signature_name": "x"},
        split(),
    ],
)
def test_every_form_of_a_matrix_is_answered_as_mlflow_does(toy: Ask, by_matrix: Ask, body: object) -> None:
    """MLflow takes matrices for models that were saved without names of columns."""
    expected = invoke(by_matrix, body)

    answer = invoke(toy, body)

    assert expected.status_code == 200, expected.text
    assert answer.status_code == 200, answer.text
    assert answer.json() == expected.json()


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"dataframe_split": {"columns": ["number", "word", "flag"], "data": [[1, "a", True], [2, "b", False]]}}, JSON),
        ({"dataframe_split": {"columns": ["flag", "word", "number"], "data": [[True, "ä", 2**53 + 1]]}}, JSON),
        ({"dataframe_records": [{"number": 1.0, "word": "a", "flag": True}]}, JSON),
        ({"inputs": {"number": [1, 2], "word": ["a", ""], "flag": [True, False]}}, JSON),
        ({"inputs": {"number": 1, "word": "a", "flag": True}}, JSON),
        ({"instances": [{"number": 1, "word": "a", "flag": True}]}, JSON),
        ('number,word,flag\n1,a,true\n2,"x, ""y""\nz",False\n', CSV),
        ("flag,word,number\nTRUE, a ,007\nFalse,1,2.0\ntrue,b,-3\n", CSV),
        ("flag,word,number\n1,a,1\n0,b,2\n", CSV),
    ],
)
def test_mixed_columns_are_answered_as_mlflow_does(echo: Ask, real_echo: Ask, body: object, kind: str) -> None:
    """Whole numbers, words and truth values, each as its column's kind; quoted words with commas and lines in them."""
    expected = invoke(real_echo, body, kind)

    answer = invoke(echo, body, kind)

    assert expected.status_code == 200, expected.text
    assert answer.status_code == 200, answer.text
    assert answer.json() == expected.json()


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
def test_wrong_cells_are_refused_as_mlflow_does(echo: Ask, real_echo: Ask, row: str, said: str) -> None:
    """Each with its column's name and kind."""
    body = f"number,word,flag\n{row}\n"

    expected, answer = invoke(real_echo, body, CSV), invoke(echo, body, CSV)

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
def test_what_mlflow_guesses_is_refused(echo: Ask, real_echo: Ask, row: dict[str, Any]) -> None:
    """MLflow cuts fractions and makes numbers, texts and truth values of one another; here the client hears of it."""
    body = {"dataframe_records": [row]}

    guessed, answer = invoke(real_echo, body), invoke(echo, body)

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
    ("body", "kind"),
    [
        ({"inputs": [[[1, 2], [3, 4]]]}, JSON),
        ({"instances": [[1, 2, 3, 4]]}, JSON),
        ({"inputs": {"pixels": [[[1, 2], [3, 4]]]}}, JSON),
        ({"dataframe_split": {"columns": ["p", "q", "r", "s"], "data": [[1, 2, 3, 4]]}}, JSON),
        ({"dataframe_split": {"data": [[1, 2, 3, 4]]}}, JSON),
        ({"dataframe_split": {"columns": ["pixels"], "data": [[[[1, 2], [3, 4]]]]}}, JSON),
        ("p,q,r,s\n1,2,3,4\n", CSV),
    ],
)
def test_a_tensor_comes_nested_or_as_a_table_of_its_values(pixels: Ask, body: object, kind: str) -> None:
    """Whatever the table's columns are called, as with MLflow's tensor signatures."""
    answer = invoke(pixels, body, kind)

    assert answer.json() == {"predictions": [[[1.0, 2.0], [3.0, 4.0]]]}


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


def test_one_column_is_a_list_of_values(table: Ask) -> None:
    """Models of one column take all forms too; numbers stay floats."""
    bodies: list[object] = [{"inputs": [0, 1]}, {"instances": [[0], [1]]}, {"dataframe_records": [{"x": 0}, {"x": 1}]}]

    answers = [invoke(table, body).text for body in bodies]
    answers.append(invoke(table, {"dataframe_split": {"columns": ["y", "x"], "data": [[5, 0], [5, 1]]}}).text)
    answers.append(invoke(table, {"dataframe_split": {"columns": ["x"], "data": [[0], [1]]}}).text)
    answers.append(invoke(table, "x\n0\n1\n", CSV).text)

    assert answers == ['{"predictions":[10.0,20.0]}'] * 6


def test_a_model_that_fails_is_a_server_error(table: Ask) -> None:
    """500, unlike MLflow's 400: the canary judge counts it; the next request is answered."""
    failed, after = (invoke(table, {"inputs": [value]}) for value in (7, 1))

    assert failed.status_code == 500
    assert failed.json()["error_code"] == "INTERNAL_ERROR"
    assert "toy-v3 failed" in failed.json()["message"]
    assert after.json() == {"predictions": [20.0]}


@pytest.mark.parametrize("path", ["/ping", "/health"])
def test_probes_answer_as_mlflow_does(toy: Ask, by_name: Ask, path: str) -> None:
    """200 and a line's end, which is what SageMaker asks for too."""
    expected, answer = by_name("GET", path), toy("GET", path)

    assert answer.status_code == expected.status_code == 200
    assert answer.text == expected.text == "\n"
    assert answer.headers["content-type"] == expected.headers["content-type"]


def test_probes_follow_the_models_life(classifier: Path) -> None:
    """Neither before it is loaded nor while it drains do they say that all is well."""
    manifest = parse_manifest(json.loads((classifier / "slipway.json").read_text()))
    model = Model(manifest=manifest, runtime=open_runtime(manifest, classifier))
    transport = httpx.ASGITransport(app=build_application(model, OperationsPages(model, Siblings(model, None, ""))))

    async def story() -> list[int]:
        async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
            statuses = [(await client.get("/ping")).status_code]
            await model.start()
            statuses.append((await client.get("/ping")).status_code)
            await model.stop()
            statuses.append((await client.get("/ping")).status_code)
        return statuses

    statuses = asyncio.run(story())

    assert statuses == [503, 200, 503]


def test_version_is_that_of_the_contract(toy: Ask, by_name: Ask) -> None:
    """A version that MLflow's clients can read, of the release whose server this file compares with."""
    expected, answer = (Version(send("GET", "/version").text) for send in (by_name, toy))

    assert answer.release[:2] == expected.release[:2]


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
def test_no_rows_make_the_service_fail(echo: Ask, form: str, rows: object) -> None:
    """They are answered, or refused as the client's fault, in MLflow's form."""
    answer = invoke(echo, json.dumps({form: rows}))

    assert answer.status_code in {200, 400}
    assert answer.json().keys() in ({"predictions"}, {"error_code", "message"})


@given(frame=FRAMES)
def test_no_frame_makes_the_service_fail(echo: Ask, frame: dict[str, object]) -> None:
    """As above."""
    answer = invoke(echo, json.dumps({"dataframe_split": frame}))

    assert answer.status_code in {200, 400}
    assert answer.json().keys() in ({"predictions"}, {"error_code", "message"})


@given(
    text=st.text(alphabet='abc,"\n\r 1.-einf_', max_size=30)
    | st.text(max_size=20).map("number,word,flag\n1,a,".__add__)
)
def test_no_csv_makes_the_service_fail(toy: Ask, echo: Ask, text: str) -> None:
    """As above."""
    answers = [invoke(send, text.encode(), CSV) for send in (toy, echo)]

    assert all(answer.status_code in {200, 400} for answer in answers)
    assert all(answer.json().keys() in ({"predictions"}, {"error_code", "message"}) for answer in answers)
