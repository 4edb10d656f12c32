"""Requests in each form, and whether an answer is right: every server is compared with ONNX Runtime's own answers."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from numpy.typing import NDArray

from benchmarks.serving.models import ROWS, Model
from benchmarks.serving.processes import ServerFailed

HEADER_LENGTH = "Inference-Header-Content-Length"
DATATYPES = {"float32": "FP32", "int64": "INT64", "object": "BYTES"}
NEAR = 1e-4
"""Probabilities are float32, and a batch may be computed in another order."""
Answers = dict[str, NDArray[np.generic]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """How a request is written."""

    name: str
    path: str
    headers: dict[str, str]
    bodies: Sequence[bytes]
    """One per row."""


def oip_json(model: Model) -> Form:
    """Return requests of the Open Inference Protocol with tensors in JSON."""
    return Form(
        name="json", path=_path(model), headers=_JSON, bodies=[_compact(_document(model, n)) for n in range(ROWS)]
    )


def oip_binary(model: Model) -> Form:
    """Return requests of the Open Inference Protocol with tensors as bytes, for answers in bytes."""
    bodies, head = [], b""
    for number in range(ROWS):
        document = _document(model, number)
        raw = b""
        for entry in document["inputs"]:
            part = _raw(entry.pop("data"), entry["datatype"])
            entry["parameters"] = {"binary_data_size": len(part)}
            raw += part
        head = _compact(document | {"parameters": {"binary_data_output": True}})
        bodies.append((head, raw))
    longest = max(len(head) for head, _ in bodies)
    headers = {"Content-Type": "application/octet-stream", HEADER_LENGTH: str(longest)}
    padded = [head.ljust(longest) + raw for head, raw in bodies]  # one length, one header
    return Form(name="binary", path=_path(model), headers=headers, bodies=padded)


def oip_batch(model: Model, rows: int) -> Form:
    """Return requests of one matrix of many rows, as bytes, for answers in bytes."""
    ((name, values),) = model.rows.items()
    bodies, head = [], b""
    for number in range(ROWS):
        raw = np.roll(np.resize(values, (rows, *values.shape[1:])), number, axis=0).tobytes()
        entry = {"name": name, "shape": [rows, *values.shape[1:]], "datatype": DATATYPES[values.dtype.name]}
        inputs = [{**entry, "parameters": {"binary_data_size": len(raw)}}]
        head = _compact({"inputs": inputs, "parameters": {"binary_data_output": True}})
        bodies.append(head + raw)
    headers = {"Content-Type": "application/octet-stream", HEADER_LENGTH: str(len(head))}
    return Form(name=f"batch_{rows}", path=_path(model), headers=headers, bodies=bodies)


def bento_json(model: Model) -> Form:
    """Return requests of BentoML's own form: the function's arguments."""
    bodies = []
    for number in range(ROWS):
        row = {
            name: values[number].tolist() if values.ndim > 1 else values[number] for name, values in model.rows.items()
        }
        rows = [json.loads(json.dumps(row, default=_plain))] if len(row) > 1 else [next(iter(row.values()))]
        bodies.append(_compact({"rows": rows}))
    return Form(name="json", path="/predict", headers=_JSON, bodies=bodies)


_JSON = {"Content-Type": "application/json"}


def _path(model: Model) -> str:
    return f"/v2/models/{model.name}/infer"


def _document(model: Model, number: int) -> dict[str, Any]:
    inputs = [
        {
            "name": name,
            "shape": [1, *values.shape[1:]] if values.ndim > 1 else [1, 1],
            "datatype": DATATYPES[values.dtype.name],
            "data": values[number].ravel().tolist() if values.ndim > 1 else [_plain(values[number])],
        }
        for name, values in model.rows.items()
    ]
    return {"inputs": inputs}


def _plain(value: Any) -> Any:  # noqa: ANN401 - a value of any of the arrays
    return value.item() if isinstance(value, np.generic) else value


def _raw(data: list[Any], datatype: str) -> bytes:
    if datatype == "BYTES":
        return b"".join(len(text.encode()).to_bytes(4, "little") + text.encode() for text in data)
    return np.array(data, dtype=np.float32 if datatype == "FP32" else np.int64).tobytes()


def _compact(document: object) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()


def expected(model: Model) -> Answers:
    """Return ONNX Runtime's answers, run on all rows at once in this process."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(model.folder / "model.onnx"), providers=["CPUExecutionProvider"])
    arrays = list(model.rows.values())
    feeds = {
        entry.name: values.reshape(ROWS, *(entry.shape[1:] if values.ndim == 1 else values.shape[1:]))
        for entry, values in zip(session.get_inputs(), arrays, strict=True)
    }
    prediction, probabilities = session.run(["label", "probabilities"], feeds)
    return {"prediction": prediction.reshape(ROWS), "probabilities": probabilities}


def check(server: str, url: str, form: Form, right: Answers) -> None:
    """Ask for every row once; raise ServerFailed at the first answer that is not ONNX Runtime's."""
    with httpx.Client(base_url=url, timeout=30, trust_env=False) as client:
        for number, body in enumerate(form.bodies):
            answer = client.post(form.path, content=body, headers=form.headers)
            if answer.status_code != httpx.codes.OK:
                raise ServerFailed(f"{server}, {form.name}: {answer.status_code} {answer.text[:300]}; expected 200")
            answers = _answers(answer)
            for name, values in right.items():
                seen = np.asarray(answers[name], dtype=np.float64).ravel()
                if not np.allclose(seen, np.ravel(values[number]), atol=NEAR, rtol=NEAR):
                    raise ServerFailed(f"{server}, {form.name}: {name} of row {number} is {seen}, not {values[number]}")


def ask(url: str, form: Form, requests: int) -> None:
    """Ask so many times, one after the other."""
    with httpx.Client(base_url=url, timeout=30, trust_env=False) as client:
        for number in range(requests):
            client.post(form.path, content=form.bodies[number % ROWS], headers=form.headers).raise_for_status()


def _answers(answer: httpx.Response) -> dict[str, Any]:
    head = answer.headers.get(HEADER_LENGTH)
    document = json.loads(answer.content if head is None else answer.content[: int(head)])
    if "outputs" not in document:
        return document
    found, place = {}, int(head or 0)
    for entry in document["outputs"]:
        size = (entry.get("parameters") or {}).get("binary_data_size")
        if size is None:
            found[entry["name"]] = entry["data"]
        else:
            kinds = {"FP32": np.float32, "INT64": np.int64}
            found[entry["name"]] = np.frombuffer(answer.content[place : place + size], kinds[entry["datatype"]])
            place += size
    return found


def write_bodies(form: Form, folder: Path) -> Path:
    """Write what the load generators read: one file per body, and one that says how to ask; return that one."""
    folder.mkdir(parents=True)
    for number, body in enumerate(form.bodies):
        (folder / f"{number}.body").write_bytes(body)
    said = folder / "form.json"
    said.write_text(json.dumps({"path": form.path, "headers": form.headers, "bodies": len(form.bodies)}))
    return said
