"""A model of two columns, its clients over HTTP and gRPC, and a version of it that wants a third column."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from typing import Any

import grpc
import httpx
import numpy as np
import yaml

from services.inference.messages import get_message_class
from tests.end_to_end.conftest import QUICK, Sent, Stack
from tests.services.inference.grpc_serving import INFER

CLIENTS = ["calls", "minutes"]
"""What clients send."""
PER_SECOND = 40


def write_rows(path: Path) -> Path:
    """Write validation rows that have a column more than clients send."""
    draw = np.random.default_rng(7)
    table = draw.normal(size=(400, 3))
    label = (table.sum(axis=1) + table[:, 0] > 0).astype(int)
    lines = [",".join([*(f"{value:.6f}" for value in row), str(left)]) for row, left in zip(table, label, strict=True)]
    path.write_text("\n".join(["calls,minutes,tenure,left", *lines]))
    return path


def write_spec(stack: Stack, model: str, rows: Path, **more: object) -> None:
    """Write the release spec of a model of churn."""
    document: dict[str, Any] = {
        "model": model,
        "data": {"path": str(rows), "label": "left"},
        "quality": {"tolerance": 0.05},
        "optimization": {"variants": []},
        "rehearsal": {"requests": 20},
        "rollout": QUICK,
        "judge": {**{one: {"negligible": 0.05} for one in ("errors", "refused", "shed")}, "latency": None},
    }
    (stack.models / f"{model}.yaml").write_text(yaml.safe_dump(document | more))


def register(stack: Stack, model: str, rows: Path, columns: list[str]) -> None:
    """Train on these columns and register the next version, as a team does."""
    import pandas as pd
    from sklearn.svm import LinearSVC

    table = pd.read_csv(rows)
    _log(stack, model, LinearSVC(random_state=0).fit(table[columns], table["left"]), table[columns].head(3))


def register_plans(stack: Stack, model: str, rows: Path, unknown: str) -> None:
    """Register the next version of a model of texts; `unknown` is what its encoder does with others than it knows."""
    import pandas as pd
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    table = pd.read_csv(rows)
    estimator = make_pipeline(OneHotEncoder(handle_unknown=unknown), LogisticRegression())
    estimator.fit(table[["plan"]], table["left"])
    _log(stack, model, estimator, table[["plan"]].head(3))


def _log(stack: Stack, model: str, estimator: Any, example: Any) -> None:  # noqa: ANN401 - scikit-learn's and pandas' own
    import mlflow
    from mlflow.models import infer_signature

    mlflow.set_tracking_uri(stack.mlflow)
    mlflow.set_experiment("churn")
    with mlflow.start_run():
        mlflow.sklearn.log_model(
            estimator,
            name=model,
            registered_model_name=model,
            signature=infer_signature(example, estimator.predict(example)),
            input_example=example,
            pip_requirements=["scikit-learn", "numpy", "skops"],
        )


@contextmanager
def asked(stack: Stack, model: str) -> Iterator[Sent]:
    """Send rows of two columns at a steady rate, as the clients of version 1 do: over HTTP and gRPC in turn."""
    sent, done, lock = Sent(), threading.Event(), threading.Lock()
    address = f"{stack.front_door}/{model}/v2/models/{model}/infer"
    door = httpx.URL(stack.front_door)

    def one(ask: Callable[[], tuple[bool, str]]) -> None:
        good, who = ask()
        with lock:
            sent.sent += 1
            sent.right += good
            if not good:
                sent.failed[who] = sent.failed.get(who, 0) + 1

    def run() -> None:
        with (
            httpx.Client(timeout=20) as client,
            grpc.insecure_channel(f"{door.host}:{door.port or 80}") as channel,
            ThreadPoolExecutor(8) as senders,
        ):
            asks = (lambda: over_http(client, address), lambda: over_grpc(channel, model))
            for ask in cycle(asks):
                if done.wait(1 / PER_SECOND):
                    return
                senders.submit(one, ask)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield sent
    finally:
        done.set()
        thread.join()


def over_http(client: httpx.Client, address: str) -> tuple[bool, str]:
    """Ask once; return whether there was an answer, and who refused."""
    tensors = [{"name": name, "shape": [1], "datatype": "FP64", "data": [0.5]} for name in CLIENTS]
    answer = client.post(address, json={"inputs": tensors})
    return answer.is_success, f"{answer.headers.get('x-slipway-revision')}: {answer.status_code}"


def over_grpc(channel: grpc.Channel, model: str) -> tuple[bool, str]:
    """Ask once by the same protocol's messages."""
    request = get_message_class("inference.ModelInferRequest")(model_name=model)
    for name in CLIENTS:
        request.inputs.add(name=name, shape=[1], datatype="FP64").contents.fp64_contents.append(0.5)
    try:
        channel.unary_unary(INFER)(request.SerializeToString(), metadata=[("x-slipway-model", model)], timeout=20)
    except grpc.RpcError as error:
        return False, f"{error.code().name}: {error.details()}"
    return True, ""
