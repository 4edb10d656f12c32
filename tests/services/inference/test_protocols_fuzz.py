"""Bodies that nobody would send on purpose: every one ends in the protocol's own refusal, or in a prediction."""

import copy
import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.services.inference.environments import environment
from tests.services.inference.serving import ROOT

Ask = Callable[..., httpx.Response]
OIP, PREDICT, CLASSIFY, MLFLOW = (
    "/v2/models/toy/infer",
    "/v1/models/toy:predict",
    "/v1/models/toy:classify",
    "/invocations",
)
PATHS = (OIP, "/v2/models/toy/versions/3/infer", PREDICT, "/v1/models/toy/labels/champion:predict", CLASSIFY, MLFLOW)
ALLOWED = {200, 400, 404, 413, 415}
FORMS = {OIP: {"error"}, PREDICT: {"error"}, CLASSIFY: {"error"}, MLFLOW: {"error_code", "message"}}
FUZZING_SECONDS = 10

WORDS = ("inputs", "instances", "examples", "columns", "data", "shape", "datatype", "name", "a", "b64", "FP64", "BYTES")
"""What the protocols have words for."""
ROW = {"a": 0.5, "b": -1.0, "c": 2.0}
GOOD: dict[str, list[dict[str, Any]]] = {
    OIP: [
        {
            "id": "q",
            "inputs": [{"name": "input", "shape": [1, 3], "datatype": "FP64", "data": [0.5, -1.0, 2.0]}],
            "outputs": [{"name": "prediction", "parameters": {"binary_data": False}}],
            "parameters": {"binary_data_output": False},
        },
        {"inputs": [{"name": name, "shape": [2], "datatype": "INT8", "data": [1, 2]} for name in "abc"]},
    ],
    PREDICT: [
        {"instances": [[0.5, -1.0, 2.0]], "signature_name": "serving_default"},
        {"instances": [ROW, ROW]},
        {"inputs": {"a": [1.5], "b": [2], "c": [3]}},
        {"inputs": {"input": [[1, 2, 3], [4, 5, 6]]}},
    ],
    CLASSIFY: [
        {"examples": [ROW, {"a": [1], "b": [2], "c": [3]}]},
        {"examples": [{"a": 1, "b": 2}], "context": {"c": 3}},
    ],
    MLFLOW: [
        {"dataframe_split": {"columns": ["a", "b", "c"], "data": [[0.5, -1.0, 2.0], [1, 2, 3]], "index": [0, 1]}},
        {"dataframe_records": [ROW, ROW], "params": {}},
        {"instances": [[0.5, -1.0, 2.0]]},
        {"inputs": {"a": [1.5, 1], "b": [2, 1], "c": [3, 1]}},
        {"inputs": ROW},
    ],
}
numbers = (
    st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from([0, 1, 3, -1, 2**63, 2**64])
)
leaves = st.none() | st.booleans() | numbers | st.text(max_size=8) | st.sampled_from(WORDS)
keys = st.sampled_from(WORDS) | st.text(max_size=8)
values = st.recursive(leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4))
bodies = st.binary(max_size=200) | values.map(lambda value: json.dumps(value).encode())
"""Any bytes, and any JSON."""
words = st.text(st.characters(codec="ascii", categories=["L", "N"]), max_size=8)
heads = st.fixed_dictionaries(
    {},
    optional={
        "inference-header-content-length": st.integers(-1, 300).map(str) | words,
        "content-type": st.sampled_from(["text/csv", "application/json; charset=utf-8", "application/json"]) | words,
        "content-encoding": st.sampled_from(["gzip", "zstd", "identity", "br", ""]) | words,
    },
)


@pytest.fixture(scope="module")
def any_number(ask: Callable[[Path], Ask], tree_model: Path) -> Ask:
    """Ask a model that has an answer to any numbers: what fails is the service."""
    return ask(tree_model)


def places(value: Any) -> Iterator[tuple[Any, Any]]:  # noqa: ANN401 - parsed JSON
    """Give every place in a document: what holds it, and its key or position there."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        yield value, key
        yield from places(one)


def own(path: str, answer: httpx.Response) -> bool:
    """Tell whether an answer is one that the path may give: a prediction, or a refusal that says what is wrong."""
    if answer.status_code == 200:
        return True
    if answer.status_code == 415 and path == MLFLOW:
        return answer.headers["content-type"].startswith("text/plain") and "expected" in answer.text
    document = answer.json()
    form = next(form for start, form in FORMS.items() if path.startswith(start[:4]))
    return document.keys() == form and "expected" in document.get("error", document.get("message", ""))


@pytest.mark.parametrize("path", PATHS)
@settings(max_examples=100)
@given(body=bodies)
def test_no_body_makes_the_service_fail(any_number: Ask, path: str, body: bytes) -> None:
    """Whatever stands in it, it is answered in the protocol's own form; never with 500."""
    answer = any_number("POST", path, content=body, headers={"content-type": "application/json"})

    assert answer.status_code in ALLOWED, answer.text
    assert own(path, answer), answer.text


@pytest.mark.parametrize("path", GOOD)
@settings(max_examples=250)
@given(data=st.data())
def test_no_wrong_place_makes_the_service_fail(any_number: Ask, path: str, data: st.DataObject) -> None:
    """A good body in which up to two places hold something else, or nothing."""
    document = copy.deepcopy(data.draw(st.sampled_from(GOOD[path])))
    for _ in range(data.draw(st.integers(1, 2))):
        holder, key = data.draw(st.sampled_from(list(places(document)) or [({}, "inputs")]))
        holder[key] = data.draw(values)
        if data.draw(st.booleans()):
            del holder[key]

    answer = any_number("POST", path, json=document)

    assert answer.status_code in ALLOWED, answer.text
    assert own(path, answer), answer.text


@settings(max_examples=250)
@given(path=st.sampled_from(PATHS), body=bodies, headers=heads)
def test_no_headers_make_the_service_fail(any_number: Ask, path: str, body: bytes, headers: dict[str, str]) -> None:
    """Nor content types, encodings and lengths that don't fit the body."""
    answer = any_number("POST", path, content=body, headers=headers)

    assert answer.status_code in ALLOWED, answer.text
    assert own(path, answer), answer.text


@pytest.mark.parametrize("path", ["/v2/", "/v1/models/", "/invocations/", "/slipway/", "/"])
@settings(max_examples=50)
@given(rest=st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_no_path_makes_the_service_fail(any_number: Ask, path: str, rest: str) -> None:
    """What is not there is 404, and says what there is."""
    answer = any_number("POST", f"{path}~{quote(rest)}")

    assert answer.status_code == 404
    assert "expected" in answer.text


def test_guided_fuzzing_finds_nothing_in_the_binary_parser(tmp_path: Path) -> None:
    """Atheris tries what reaches new code: all of it is refused as bad, or a tensor no larger than the request."""
    programs = environment("atheris", tmp_path / "environment")
    words = ["-m", "tests.services.inference.fuzzing", "--seconds", str(FUZZING_SECONDS)]

    done = subprocess.run(
        [programs / "python", *words],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "src")])},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )

    stats = dict(
        line.split(":") for line in done.stderr.splitlines() if line.startswith("stat::") for line in [line[6:]]
    )
    assert done.returncode == 0, done.stderr[-4000:]
    assert int(stats["number_of_executed_units"]) > 10_000
