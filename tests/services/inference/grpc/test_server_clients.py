"""The clients that people have, unchanged, each in an environment of its own: tritonclient and TensorFlow Serving's."""

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.services.inference.environments import CLIENTS, environment
from tests.services.inference.grpc_serving import GrpcServed, served_grpc, words_model

ANSWER_SECONDS = 120
Asked = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def numbers(classifier: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GrpcServed]:
    """Serve the classifier."""
    with served_grpc(classifier, tmp_path_factory.mktemp("numbers")) as service:
        service.wait_ready()
        yield service


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GrpcServed]:
    """Serve the model that gives texts back."""
    model = words_model(tmp_path_factory.mktemp("texts"))
    with served_grpc(model, tmp_path_factory.mktemp("words")) as service:
        service.wait_ready()
        yield service


@pytest.fixture(scope="session")
def triton(tmp_path_factory: pytest.TempPathFactory) -> Asked:
    """Return a way to ask with tritonclient."""
    return asking("triton", tmp_path_factory.mktemp("triton"))


@pytest.fixture(scope="session")
def tensorflow(tmp_path_factory: pytest.TempPathFactory) -> Asked:
    """Return a way to ask with TensorFlow Serving's client."""
    return asking("tensorflow", tmp_path_factory.mktemp("tensorflow"))


def asking(client: str, folder: Path) -> Asked:
    """Make a client's environment; return what runs its script there and gives what it saw."""
    programs = environment(client, folder / "env")

    def ask(*words: str) -> dict[str, Any]:
        command = [programs / "python", CLIENTS / f"ask_{client}.py", *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=ANSWER_SECONDS)
        assert done.returncode == 0, done.stderr
        seen: dict[str, Any] = json.loads(done.stdout)
        return seen

    return ask


@pytest.fixture(scope="module")
def by_triton(triton: Asked, numbers: GrpcServed) -> dict[str, Any]:
    """Ask the classifier everything with tritonclient."""
    return triton("numbers", numbers.http, numbers.grpc)


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_tritonclient_reads_health_and_metadata(by_triton: dict[str, Any], protocol: str) -> None:
    """Over both; models and versions that are not here are not ready."""
    seen = by_triton[protocol]

    assert (seen["live"], seen["ready"], seen["models_ready"]) == (True, True, [True, True, False, False])
    assert (seen["server"], seen["versions"]) == (["slipway", "toy-v3"], ["3"])
    assert seen["tensors"] == [
        ["input", "FP64", [-1, 3]],
        ["prediction", "INT64", [-1]],
        ["probabilities", "FP32", [-1, 2]],
    ]


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_tritonclient_gets_predictions(by_triton: dict[str, Any], protocol: str) -> None:
    """As arrays of the model's types, with its own id, and of outputs only those it selects; also later, and packed."""
    seen = by_triton[protocol]

    assert (seen["classes"], seen["shape"], seen["type"]) == ([1, 0], [2, 2], "float32")
    assert (seen["id"], seen["selected"]) == ("request-7", [False, True])
    assert seen["async"] == [[1, 0]] * 8
    assert set(seen["packed"]) == {400}


def test_tritonclient_takes_json_values(by_triton: dict[str, Any]) -> None:
    """Over HTTP values may be JSON, in and out."""
    assert by_triton["http"]["json"] == [1, 0]


def test_tritonclient_streams(by_triton: dict[str, Any]) -> None:
    """Answers come in order; a request that is wrong gets its message, and the stream goes on."""
    wrong = "input 'input': shape: got [2, 2], expected [rows, 3], or one tensor per column"
    expected = [wrong if number == 5 else f"streamed-{number}" for number in range(20)]

    assert by_triton["grpc"]["streamed"] == expected


@pytest.mark.parametrize(
    ("protocol", "bad", "absent"), [("http", "400", "404"), ("grpc", "INVALID_ARGUMENT", "NOT_FOUND")]
)
def test_tritonclient_gets_our_messages(by_triton: dict[str, Any], protocol: str, bad: str, absent: str) -> None:
    """Its exception has the protocol's status, and says what was wrong, seen and expected."""
    errors = {name: (status.rpartition(".")[2], text) for name, (status, text) in by_triton[protocol]["errors"].items()}

    assert errors["width"] == (bad, "input 'input': shape: got [2, 2], expected [rows, 3], or one tensor per column")
    assert errors["output"] == (bad, "outputs: got y, expected one of prediction, probabilities")
    assert errors["model"] == (absent, "model: got 'joy', expected 'toy': this service has one model")
    assert errors["version"][0] == absent
    assert errors["version"][1].startswith("version: got '4', expected '3'")


def test_tritonclient_sends_texts(triton: Asked, words: GrpcServed) -> None:
    """BYTES go in and out over both, with characters of several bytes, and none at all."""
    seen = triton("words", words.http, words.grpc)

    assert [seen[protocol]["words"] for protocol in ("http", "grpc")] == [["hello", "w\u00f6rld", ""]] * 2


def test_tensorflow_servings_client_predicts(tensorflow: Asked, numbers: GrpcServed) -> None:
    """By bytes and by typed values, by version, label and signature; its errors have our messages."""
    seen = tensorflow("numbers", numbers.grpc)

    assert seen["content"]
    assert (seen["classes"], seen["by_type"], seen["values"]) == ([1, 0], [1, 0], [1, 0])
    assert (seen["versions"], seen["probabilities"]) == ([[1, 0]] * 3, [2, 2])
    assert (seen["filtered"], seen["spec"]) == (["probabilities"], ["toy", 3, "serving_default"])
    assert seen["metadata"] == {
        "unpacked": True,
        "method": "tensorflow/serving/predict",
        "inputs": {"input": ["float64", [-1, 3]]},
        "outputs": {"prediction": ["int64", [-1]], "probabilities": ["float32", [-1, 2]]},
    }
    one = "this service has one model"
    assert seen["errors"] == {
        "model": ["NOT_FOUND", f"model: got 'joy', expected toy: {one}"],
        "version": ["NOT_FOUND", f"version: got '4', expected 3: {one}"],
        "label": ["NOT_FOUND", f"version_label: got 'canary', expected champion: {one}"],
        "signature": ["NOT_FOUND", f"signature_name: got 'other', expected serving_default: {one}"],
        "width": [
            "INVALID_ARGUMENT",
            "input 'input': shape: got [2, 2], expected [rows, 3], or one tensor per column",
        ],
        "field": ["INVALID_ARGUMENT", "metadata_field: got other, expected signature_def"],
    }


def test_tensorflow_servings_client_sends_texts(tensorflow: Asked, words: GrpcServed) -> None:
    """DT_STRING goes in and out."""
    assert tensorflow("words", words.grpc) == {"words": ["hello", "w\u00f6rld"]}
