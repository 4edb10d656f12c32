"""NVIDIA's own client against the service, over HTTP and gRPC, unchanged: `ask_triton.py MODEL HTTP GRPC`.

Runs in an environment of its own; what it saw goes to standard output as JSON.
"""

import json
import queue
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
from tritonclient import grpc, http
from tritonclient.utils import InferenceServerException

ROWS = np.array([[2, 0, 0], [-2, 0, 0]], dtype=np.float32)
WORDS = np.array(["hello", "w\u00f6rld", ""], dtype=object)


def main(model: str, http_address: str, grpc_address: str) -> dict[str, Any]:
    """Ask everything of a model: `numbers` classifies three numbers, `words` gives texts back."""
    clients = {"http": (http, http_address), "grpc": (grpc, grpc_address)}
    seen: dict[str, Any] = {}
    for name, (module, address) in clients.items():
        client = module.InferenceServerClient(address)
        seen[name] = about(client) | (numbers(module, client) if model == "numbers" else words(module, client))
        client.close()
    if model == "numbers":
        with http.InferenceServerClient(http_address) as client:
            seen["http"] |= over_http(client)
        with grpc.InferenceServerClient(grpc_address) as client:
            seen["grpc"] |= over_grpc(client)
    return seen


def about(client: Any) -> dict[str, Any]:  # noqa: ANN401 - of either module
    """Ask for health and metadata."""
    server, model = client.get_server_metadata(), client.get_model_metadata("toy")
    if not isinstance(server, dict):
        server = {"name": server.name, "version": server.version}
        model = {
            "versions": list(model.versions),
            "inputs": [{"name": one.name, "datatype": one.datatype, "shape": list(one.shape)} for one in model.inputs],
            "outputs": [
                {"name": one.name, "datatype": one.datatype, "shape": list(one.shape)} for one in model.outputs
            ],
        }
    tensors = [(one["name"], one["datatype"], one["shape"]) for one in (*model["inputs"], *model["outputs"])]
    return {
        "live": client.is_server_live(),
        "ready": client.is_server_ready(),
        "models_ready": [client.is_model_ready(*model) for model in (("toy",), ("toy", "3"), ("toy", "4"), ("joy",))],
        "server": [server["name"], server["version"]],
        "versions": model["versions"],
        "tensors": tensors,
    }


def rows_of(module: ModuleType, rows: np.ndarray = ROWS, **how: bool) -> list[Any]:
    """Return rows as the client's inputs."""
    tensor = module.InferInput("input", list(rows.shape), "FP32")
    tensor.set_data_from_numpy(rows, **how)
    return [tensor]


def numbers(module: ModuleType, client: Any) -> dict[str, Any]:  # noqa: ANN401 - of either module
    """Ask the classifier for classes and probabilities, in every way that both clients have."""
    whole = client.infer("toy", rows_of(module), request_id="request-7", parameters={"mine": "yes"})
    one = client.infer("toy", rows_of(module), "3", [module.InferRequestedOutput("probabilities")])
    return {
        "classes": whole.as_numpy("prediction").tolist(),
        "shape": list(whole.as_numpy("probabilities").shape),
        "type": str(whole.as_numpy("probabilities").dtype),
        "id": getattr(whole.get_response(), "id", None) or whole.get_response()["id"],
        "selected": [one.as_numpy(name) is not None for name in ("prediction", "probabilities")],
        "errors": {
            "width": refused(lambda: client.infer("toy", rows_of(module, ROWS[:, :2]))),
            "model": refused(lambda: client.infer("joy", rows_of(module))),
            "version": refused(lambda: client.infer("toy", rows_of(module), "4")),
            "output": refused(lambda: client.infer("toy", rows_of(module), "", [module.InferRequestedOutput("y")])),
        },
    }


def words(module: ModuleType, client: Any) -> dict[str, Any]:  # noqa: ANN401 - of either module
    """Ask the model of texts, with texts that take more bytes than characters, and none."""
    number = module.InferInput("number", [3], "INT64")
    number.set_data_from_numpy(np.arange(3))
    word = module.InferInput("word", [3], "BYTES")
    word.set_data_from_numpy(WORDS)
    texts = client.infer("toy", [number, word]).as_numpy("prediction")
    return {"words": [text.decode() for text in texts.ravel()]}


def over_http(client: http.InferenceServerClient) -> dict[str, Any]:
    """Ask in the ways that only HTTP has: JSON values, either way, and packed bodies."""
    as_json = client.infer(
        "toy",
        rows_of(http, binary_data=False),
        outputs=[http.InferRequestedOutput("prediction", binary_data=False)],
    )
    packed = {
        name: client.infer(
            "toy",
            rows_of(http, np.tile(ROWS, (400, 1))),
            request_compression_algorithm=name,
            response_compression_algorithm="gzip",
        )
        for name in ("gzip",)
    }
    later = [client.async_infer("toy", rows_of(http)) for _ in range(8)]
    return {
        "json": as_json.as_numpy("prediction").tolist(),
        "packed": [int(result.as_numpy("prediction").sum()) for result in packed.values()],
        "async": [result.get_result().as_numpy("prediction").tolist() for result in later],
    }


def over_grpc(client: grpc.InferenceServerClient) -> dict[str, Any]:
    """Ask in the ways that gRPC has: callbacks, packed messages, and a stream in which one request is wrong."""
    came: queue.Queue[Any] = queue.Queue()

    def tell(result: Any, error: Any) -> None:  # noqa: ANN401 - the client's own
        came.put(str(error.message()) if error is not None else result)

    for _ in range(8):
        client.async_infer("toy", rows_of(grpc), callback=tell)
    later = [came.get(timeout=30).as_numpy("prediction").tolist() for _ in range(8)]
    packed = {
        name: client.infer("toy", rows_of(grpc, np.tile(ROWS, (400, 1))), compression_algorithm=name)
        for name in ("gzip", "deflate")
    }
    client.start_stream(callback=tell)
    for number in range(20):
        client.async_stream_infer(
            "toy", rows_of(grpc, ROWS[:, : 2 if number == WRONG else 3]), request_id=f"streamed-{number}"
        )
    streamed = [came.get(timeout=30) for _ in range(20)]
    client.stop_stream()
    return {
        "async": later,
        "packed": [int(result.as_numpy("prediction").sum()) for result in packed.values()],
        "streamed": [one if isinstance(one, str) else one.get_response().id for one in streamed],
    }


WRONG = 5
"""Which request of the stream has too few columns."""


def refused(ask: Callable[[], object]) -> list[str]:
    """Return the client's error: status and message."""
    try:
        ask()
    except InferenceServerException as error:
        return [error.status(), error.message()]
    return ["none", "none"]


if __name__ == "__main__":
    json.dump(main(*sys.argv[1:]), sys.stdout)
