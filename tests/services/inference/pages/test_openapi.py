"""The OpenAPI document: it is valid, its examples work, and the service does what it says, whatever it is asked."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator

from services.inference.manifest import parse_manifest
from services.inference.pages.openapi import build_document
from tests.services.inference.environments import CLIENTS, environment
from tests.services.inference.serving import served

Ask = Callable[..., httpx.Response]
Maker = Callable[..., dict[str, Any]]
MODELS = ("tree", "mixed", "table")
EXAMPLES = 60
"""Requests that schemathesis makes up of each operation, beside those at the edges of its schema."""
UNSAID = "negative_data_rejection,positive_data_acceptance"
"""Checks that a schema must say everything for: that values are as many as a shape says is beyond any schema."""
OURS = "not_a_server_error"
"""A check that the hooks have a stricter form of: it knows which 504 the request itself asked for."""


@pytest.fixture(scope="session")
def mixed_model(tmp_path_factory: pytest.TempPathFactory, manifest_document: Maker) -> Path:
    """Return a model of a number, a word, a truth value and a tensor, which gives the number back."""
    from onnx import TensorProto, helper

    folder = tmp_path_factory.mktemp("mixed")
    kinds = {"number": (TensorProto.INT64, 1), "word": (TensorProto.STRING, 1), "truth": (TensorProto.BOOL, 1)}
    kinds["pixels"] = (TensorProto.FLOAT, 4)
    inputs = [helper.make_tensor_value_info(name, kind, [None, width]) for name, (kind, width) in kinds.items()]
    output = helper.make_tensor_value_info("out", TensorProto.INT64, [None, 1])
    graph = helper.make_graph([helper.make_node("Identity", ["number"], ["out"])], "mixed", inputs, [output])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    named = {"number": "int64", "word": "str", "truth": "bool"}
    columns: list[dict[str, object]] = [{"name": name, "kind": kind} for name, kind in named.items()]
    columns.append({"name": "pixels", "kind": "float32", "shape": [-1, 2, 2]})
    document = manifest_document(columns=columns, single_matrix=False, inputs=list(kinds), outputs=["out"])
    (folder / "slipway.json").write_text(json.dumps(document))
    return folder


@pytest.fixture
def asked(request: pytest.FixtureRequest, ask: Callable[[Path], Ask]) -> Ask:
    """Ask the model that a test is parametrized with."""
    return ask(request.getfixturevalue(f"{request.param}_model"))


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return where schemathesis is."""
    return environment("schemathesis", tmp_path_factory.mktemp("schemathesis") / "environment")


def posts(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any], dict[str, Any]]]:
    """Give each body that a model can be asked with: path, content type, that type's entry, and the operation."""
    for path, methods in document["paths"].items():
        for kind, content in methods.get("post", {"requestBody": {"content": {}}})["requestBody"]["content"].items():
            yield path, kind, content, methods["post"]


def conforms(answer: httpx.Response, operation: dict[str, Any], document: dict[str, Any]) -> bool:
    """Tell whether an answer is one of those described."""
    described = operation["responses"][str(answer.status_code)]
    if "$ref" in described:
        described = document["components"]["responses"][described["$ref"].rpartition("/")[2]]
    schema = described["content"][answer.headers["content-type"]]["schema"]
    Draft202012Validator({**schema, "components": document["components"]}).validate(answer.json())
    return described["headers"].keys() >= {"x-slipway-revision"}


@pytest.mark.parametrize("asked", MODELS, indirect=True)
def test_every_example_works_and_is_answered_as_described(asked: Ask) -> None:
    """By every path and in every form; the examples themselves are what the schemas allow."""
    document = asked("GET", "/openapi.json").json()
    seen = 0
    for path, kind, content, operation in posts(document):
        for example in content.get("examples", {}).values():
            value = example["value"]
            Draft202012Validator(content["schema"]).validate(value)
            body = value.encode() if isinstance(value, str) else json.dumps(value).encode()

            answer = asked("POST", path, content=body, headers={"content-type": kind})

            assert (answer.status_code, conforms(answer, operation, document)) == (200, True), answer.text
            seen += 1
    assert seen >= 15


@pytest.mark.parametrize("asked", MODELS, indirect=True)
def test_refusals_are_answered_as_described(asked: Ask) -> None:
    """In the form of each protocol."""
    document = asked("GET", "/openapi.json").json()

    answers = [(asked("POST", path, content=b"{"), operation) for path, _, _, operation in posts(document)]
    wrong = [
        (asked("POST", path, content=b"{", headers={"content-type": "application/json"}), operation)
        for path, kind, _, operation in posts(document)
        if kind == "application/json"
    ]

    assert {answer.status_code for answer, _ in answers} == {400, 415}
    assert {answer.status_code for answer, _ in wrong} == {400}
    assert all(conforms(answer, operation, document) for answer, operation in wrong)


@pytest.mark.parametrize("asked", MODELS, indirect=True)
def test_every_page_is_as_described(asked: Ask) -> None:
    """What is asked of the protocols beside predictions."""
    document = asked("GET", "/openapi.json").json()
    pages = {path: methods["get"] for path, methods in document["paths"].items() if "get" in methods}

    answers = {path: asked("GET", path) for path in pages}

    assert all(answer.is_success for answer in answers.values())
    for path, answer in answers.items():
        content = pages[path]["responses"]["200"]["content"]["application/json"]
        assert "schema" not in content or conforms(answer, pages[path], document)
    assert {
        path for path in pages if "schema" not in pages[path]["responses"]["200"]["content"]["application/json"]
    } == {
        "/ping",
        "/health",
        "/version",
    }


def test_what_does_not_fit_the_model_is_not_described(manifest_document: Maker) -> None:
    """A model whose answers were never seen neither classifies nor regresses; labels have paths, names are quoted."""
    manifest = parse_manifest(manifest_document(model="my {toy}", outputs=["y"]))

    document: dict[str, Any] = build_document(manifest, {}, ("champion", "a b"))

    verbs = {
        path.rpartition(":")[2] for path, methods in document["paths"].items() if ":" in path and "post" in methods
    }
    assert verbs == {"predict"}
    assert "/v1/models/my%20%7Btoy%7D/labels/a%20b:predict" in document["paths"]
    assert "/v2/models/my%20%7Btoy%7D/versions/3/infer" in document["paths"]


def test_a_wrong_method_is_told_the_right_ones(toy: Ask) -> None:
    """In `allow`, as HTTP has it."""
    answers = [toy("DELETE", "/v2/models/toy"), toy("GET", "/invocations"), toy("POST", "/metrics")]

    assert [answer.status_code for answer in answers] == [405] * 3
    assert [answer.headers["allow"] for answer in answers] == ["GET, HEAD", "POST", "GET, HEAD"]


def test_documents_are_valid(programs: Path, manifest_document: Maker, tmp_path: Path) -> None:
    """As the validator of the specification says, also for models of odd columns and without any answer yet."""
    kinds = ("bool", "uint8", "int64", "float16", "float32", "float64", "str")
    odd = [{"name": f"{{{kind}}}/$ref", "kind": kind, "shape": [-1, 3]} for kind in kinds]
    changes: list[dict[str, object]] = [
        {},
        {"columns": odd, "single_matrix": False, "inputs": list(kinds)},
    ]
    files = [tmp_path / f"{place}.json" for place in range(len(changes))]
    for file, change in zip(files, changes, strict=True):
        file.write_text(json.dumps(build_document(parse_manifest(manifest_document(**change)), {}, ("champion",))))

    done = subprocess.run(
        [programs / "openapi-spec-validator", *files], capture_output=True, text=True, check=False, timeout=60
    )

    assert done.returncode == 0, done.stdout
    assert done.stdout.count("OK") == len(files)


@pytest.mark.parametrize("model", ["tree", "mixed"])
def test_the_service_keeps_to_its_document_whatever_it_is_asked(
    model: str, programs: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """A real server, asked by schemathesis: statuses, content types, headers and bodies are as described; no 5xx."""
    with served(request.getfixturevalue(f"{model}_model"), tmp_path / "package") as service:
        service.wait_ready()
        document = f"http://127.0.0.1:{service.port}/openapi.json"
        asked = ["--phases", "examples,coverage,fuzzing", "--max-examples", str(EXAMPLES), "--seed", "7"]
        more = ["--exclude-checks", f"{UNSAID},{OURS}", "--suppress-health-check", "all", "--no-color"]

        done = subprocess.run(
            [programs / "schemathesis", "run", document, *asked, *more, "--continue-on-failure"],
            env=os.environ | {"SCHEMATHESIS_HOOKS": str(CLIENTS / "schemathesis_hooks.py")},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=180,
        )
        counted = service.samples()["slipway_requests_total"]

    assert done.returncode == 0, done.stdout
    by_code: dict[str, float] = {}
    for labels, count in counted.items():
        code = dict(labels)["code"]
        by_code[code] = by_code.get(code, 0) + count
    assert by_code["200"] > 50
    assert by_code["400"] > 500
    assert by_code["500"] == 0
