"""One request, and the forms of HTTP: the Open Inference Protocol, TensorFlow Serving's REST API, MLflow's scoring."""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from slipway.adapters.bento.replaying.samples import DATATYPES, RequestRows

HEADER_LENGTH = "inference-header-content-length"
OUTPUTS = ("prediction", "probabilities")
"""The name of outputs in every protocol."""


class ReplayProtocol(StrEnum):
    """The address of a service."""

    OIP = "Open Inference Protocol, JSON"
    OIP_BINARY = "Open Inference Protocol, binary"
    TENSORFLOW = "TensorFlow Serving REST"
    MLFLOW = "MLflow invocations"
    OIP_GRPC = "Open Inference Protocol, gRPC"
    TENSORFLOW_GRPC = "TensorFlow PredictionService, gRPC"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayRequest:
    """One request, as sent."""

    protocol: ReplayProtocol
    form: str
    """In words: `named tensors (3 rows)`."""
    path: str
    """Path of the URL, or the name of the RPC."""
    body: bytes
    headers: dict[str, str] = field(default_factory=lambda: {"content-type": "application/json"})


def make_http_requests(model: str, sample: RequestRows) -> Iterator[ReplayRequest]:
    """Yield the same rows in every form of every HTTP protocol; many models accept only some of them."""
    yield from _make_open_inference_requests(f"/v2/models/{model}/infer", sample)
    yield from _make_tensorflow_requests(f"/v1/models/{model}", sample)
    yield from _make_mlflow_requests(sample)


def make_binary_request(model: str, sample: RequestRows) -> ReplayRequest:
    """Return rows as one request that carries every value exactly."""
    return _make_oip_binary_request(f"/v2/models/{model}/infer", describe_form("named tensors", sample), sample.values)


def describe_form(form: str, sample: RequestRows) -> str:
    """Return a form's description, with its number of rows."""
    return f"{form} ({sample.rows} row{'s' * (sample.rows != 1)})"


def list_variants(sample: RequestRows) -> Iterator[tuple[str, RequestRows]]:
    """Yield rows without the optional columns, and with missing values in them (NaN; only bytes can hold it)."""
    optional = [column for column in sample.columns if not column.required]
    if optional and len(optional) < len(sample.columns):
        yield "without optional columns", sample.select_columns([c.name for c in sample.columns if c.required])
    empty = {c.name: np.full_like(sample.values[c.name], np.nan) for c in optional if c.kind.startswith("float")}
    if empty:
        yield "NaN in optional columns", sample.replace_values(empty)


def list_tensors(sample: RequestRows) -> Iterator[tuple[str, dict[str, NDArray[np.generic]]]]:
    """Yield the tensors that one request may have: one per input, flat or with a second axis, or one for all."""
    yield "named tensors", sample.values
    if sample.tensor is None:
        yield "named tensors of two axes", {n: v.reshape(sample.rows, -1) for n, v in sample.values.items()}
    if sample.matrix is not None:
        yield "one matrix", {"input": sample.matrix}


def name_datatype(values: NDArray[np.generic]) -> str:
    """Return the Open Inference Protocol's name of an array's type."""
    return DATATYPES.get(values.dtype.name, "BYTES")


def encode_raw(values: NDArray[np.generic]) -> bytes:
    """Return values as bytes: numbers as in memory, texts after their length."""
    if values.dtype != object:
        return values.tobytes()
    texts = [str(value).encode() for value in values.ravel()]
    return b"".join(len(text).to_bytes(4, "little") + text for text in texts)


def _make_open_inference_requests(path: str, sample: RequestRows) -> Iterator[ReplayRequest]:
    for form, arrays in list_tensors(sample):
        yield _make_oip_json_request(path, describe_form(form, sample), arrays)
        yield _make_oip_binary_request(path, describe_form(form, sample), arrays)
    for count in range(1, len(OUTPUTS) + 1):
        named = [{"name": name} for name in OUTPUTS[:count]]
        form = describe_form(f"outputs {' and '.join(OUTPUTS[:count])} asked for", sample)
        yield _make_oip_json_request(path, form, sample.values, outputs=named, id="replay")
    for form, other in list_variants(sample):
        if not _has_missing(other):
            yield _make_oip_json_request(path, describe_form(form, sample), other.values)
        yield _make_oip_binary_request(path, describe_form(form, sample), other.values)


def _has_missing(sample: RequestRows) -> bool:
    return any(values.dtype.kind == "f" and bool(np.isnan(values).any()) for values in sample.values.values())


def _make_oip_json_request(
    path: str, form: str, arrays: dict[str, NDArray[np.generic]], **more: object
) -> ReplayRequest:
    inputs = [_make_entry(name, values) | {"data": values.ravel().tolist()} for name, values in arrays.items()]
    return ReplayRequest(
        protocol=ReplayProtocol.OIP, form=form, path=path, body=orjson.dumps({"inputs": inputs, **more})
    )


def _make_oip_binary_request(path: str, form: str, arrays: dict[str, NDArray[np.generic]]) -> ReplayRequest:
    parts = [encode_raw(values) for values in arrays.values()]
    inputs = [
        _make_entry(name, values) | {"parameters": {"binary_data_size": len(part)}}
        for (name, values), part in zip(arrays.items(), parts, strict=True)
    ]
    head = orjson.dumps({"inputs": inputs, "parameters": {"binary_data_output": True}})
    headers = {"content-type": "application/octet-stream", HEADER_LENGTH: str(len(head))}
    return ReplayRequest(
        protocol=ReplayProtocol.OIP_BINARY, form=form, path=path, body=b"".join((head, *parts)), headers=headers
    )


def _make_entry(name: str, values: NDArray[np.generic]) -> dict[str, Any]:
    return {"name": name, "datatype": name_datatype(values), "shape": list(values.shape)}


def _make_tensorflow_requests(path: str, sample: RequestRows) -> Iterator[ReplayRequest]:
    records, lists, matrix = sample.list_records(), _list_by_name(sample), _list_rows(sample)
    bodies: list[tuple[str, str, dict[str, Any]]] = [
        ("predict", "rows as objects", {"instances": records}),
        ("predict", "by column", {"inputs": lists}),
        ("predict", "rows as objects, signature named", {"instances": records, "signature_name": "serving_default"}),
        ("classify", "examples to classify", {"examples": records}),
        ("regress", "examples to regress", {"examples": records}),
    ]
    if matrix is not None:
        bodies += [
            ("predict", "rows as lists", {"instances": matrix}),
            ("predict", "rows of the one input", {"instances": [{"input": row} for row in matrix]}),
            ("predict", "one input by name", {"inputs": {"input": matrix}}),
            ("predict", "one input", {"inputs": matrix}),
        ]
    bodies += [("predict", form, {"instances": other.list_records()}) for form, other in _list_json_variants(sample)]
    for verb, form, body in bodies:
        yield ReplayRequest(
            protocol=ReplayProtocol.TENSORFLOW,
            form=describe_form(form, sample),
            path=f"{path}:{verb}",
            body=orjson.dumps(body),
        )


def _list_json_variants(sample: RequestRows) -> list[tuple[str, RequestRows]]:
    """Return the variants that JSON can represent."""
    return [(form, other) for form, other in list_variants(sample) if not _has_missing(other)]


def _list_by_name(sample: RequestRows) -> dict[str, Any]:
    return {name: values.tolist() for name, values in sample.values.items()}


def _list_rows(sample: RequestRows) -> list[Any] | None:
    """Return the rows as lists of values in the model's order; of a tensor in its own shape."""
    if sample.tensor is not None:
        return list(sample.values[sample.tensor.name].tolist())
    if len(sample.columns) == 1:
        return list(sample.values[sample.columns[0].name].tolist())
    return None if sample.matrix is None else list(sample.matrix.tolist())


def _make_mlflow_requests(sample: RequestRows) -> Iterator[ReplayRequest]:
    records, matrix = sample.list_records(), _list_rows(sample)
    names = list(sample.values)
    rows = [list(record.values()) for record in records]
    bodies: list[tuple[str, dict[str, Any]]] = [
        ("records", {"dataframe_records": records}),
        ("rows as objects", {"instances": records}),
        ("by column", {"inputs": _list_by_name(sample)}),
        ("records with params", {"dataframe_records": records, "params": {}}),
    ]
    if sample.tensor is None:
        bodies.append(("split", {"dataframe_split": {"columns": names, "data": rows}}))
    if matrix is not None:
        bodies += [("rows as lists", {"instances": matrix}), ("one input", {"inputs": matrix})]
    bodies += [(form, {"dataframe_records": other.list_records()}) for form, other in _list_json_variants(sample)]
    for form, body in bodies:
        yield ReplayRequest(
            protocol=ReplayProtocol.MLFLOW,
            form=describe_form(form, sample),
            path="/invocations",
            body=orjson.dumps(body),
        )
    if sample.tensor is None:
        yield _make_csv_request(names, rows, describe_form("CSV", sample))


def _make_csv_request(names: Sequence[str], rows: Sequence[Sequence[Any]], form: str) -> ReplayRequest:
    text = io.StringIO()
    csv.writer(text).writerows([names, *rows])
    headers = {"content-type": "text/csv"}
    return ReplayRequest(
        protocol=ReplayProtocol.MLFLOW, form=form, path="/invocations", body=text.getvalue().encode(), headers=headers
    )
