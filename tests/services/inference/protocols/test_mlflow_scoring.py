"""MLflow's scoring server contract: every form of rows, asked of the application and of MLflow's own server."""

import asyncio
import json
from pathlib import Path

import httpx
import pytest
from packaging.version import Version

from services.inference.application import build_application
from services.inference.loading import open_runtime
from services.inference.manifest import parse_manifest
from services.inference.model import Model
from services.inference.pages.operations import OperationsPages
from services.inference.pages.siblings import Siblings
from tests.services.inference.protocols.mlflow_asking import (
    COLUMNS,
    CSV,
    JSON,
    NAMED,
    ROWS,
    Ask,
    invoke,
    real_server,
    saved,
    split,
)


@pytest.fixture(scope="module")
def by_matrix(tmp_path_factory: pytest.TempPathFactory) -> Ask:
    """Return MLflow's server of the toy model, saved without a signature: it takes matrices."""
    return real_server(saved(tmp_path_factory.mktemp("mlflow"), signature=False))


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
def test_mixed_columns_are_answered_as_mlflow_does(mixed: Ask, real_mixed: Ask, body: object, kind: str) -> None:
    """Whole numbers, words and truth values, each as its column's kind; quoted words with commas and lines in them."""
    expected = invoke(real_mixed, body, kind)

    answer = invoke(mixed, body, kind)

    assert expected.status_code == 200, expected.text
    assert answer.status_code == 200, answer.text
    assert answer.json() == expected.json()


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


def test_one_column_is_a_list_of_values(table: Ask) -> None:
    """Models of one column take all forms too; numbers stay floats."""
    bodies: list[object] = [{"inputs": [0, 1]}, {"instances": [[0], [1]]}, {"dataframe_records": [{"x": 0}, {"x": 1}]}]

    answers = [invoke(table, body).text for body in bodies]
    answers.append(invoke(table, {"dataframe_split": {"columns": ["y", "x"], "data": [[5, 0], [5, 1]]}}).text)
    answers.append(invoke(table, {"dataframe_split": {"columns": ["x"], "data": [[0], [1]]}}).text)
    answers.append(invoke(table, "x\n0\n1\n", CSV).text)

    assert answers == ['{"predictions":[10.0,20.0]}'] * 6


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
