"""Tensors as bytes behind the JSON: both ways, and what is wrong with them."""

import contextlib
from collections.abc import Callable
from pathlib import Path
from struct import pack
from typing import Any

import httpx
import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from services.inference.protocols.oip_binary import encode_values, parse_raw_tensor
from services.inference.refusals import BadRequest
from services.inference.tensors import DTYPES, cast_values, get_array_datatype

Ask = Callable[..., httpx.Response]
INFER = "/v2/models/toy/infer"
LENGTH = "inference-header-content-length"
ROWS = np.array([[0.5, -1.0, 2.0], [-0.5, 1.0, 0.0]], dtype="<f4")


def sent(toy: Ask, inputs: list[dict[str, Any]], raw: bytes, **more: Any) -> httpx.Response:  # noqa: ANN401 - JSON
    """Ask with bytes behind the JSON."""
    head = orjson.dumps({"inputs": inputs, **more})
    return toy("POST", INFER, content=head + raw, headers={LENGTH: str(len(head))})


def matrix(size: object = ROWS.nbytes, **changes: object) -> dict[str, Any]:
    """Return a tensor's description."""
    good = {"name": "input", "shape": [2, 3], "datatype": "FP32", "parameters": {"binary_data_size": size}}
    return good | changes


def test_bytes_in_and_out_are_the_same_numbers(toy: Ask) -> None:
    """As the JSON form of the same request; the header says where the answer's bytes begin."""
    tensor = {"name": "input", "shape": [2, 3], "datatype": "FP32", "data": ROWS.ravel().tolist()}
    plain = toy("POST", INFER, json={"inputs": [tensor]}).json()

    answer = sent(toy, [matrix()], ROWS.tobytes(), id="q", parameters={"binary_data_output": True})

    head = orjson.loads(answer.content[: int(answer.headers[LENGTH])])
    raw = answer.content[int(answer.headers[LENGTH]) :]
    label, scores = head["outputs"]
    assert answer.headers["content-type"] == "application/octet-stream"
    assert head["id"] == "q"
    assert (label["datatype"], label["shape"], label["parameters"]) == ("INT64", [2], {"binary_data_size": 16})
    assert np.frombuffer(raw[:16], "<i8").tolist() == plain["outputs"][0]["data"]
    assert scores["parameters"] == {"binary_data_size": 16}
    assert np.allclose(np.frombuffer(raw[16:], "<f4"), plain["outputs"][1]["data"])


def test_each_output_may_have_its_own_form(toy: Ask) -> None:
    """One as bytes, one as JSON."""
    outputs = [{"name": "prediction"}, {"name": "probabilities", "parameters": {"binary_data": True}}]

    answer = sent(toy, [matrix()], ROWS.tobytes(), outputs=outputs)

    head = orjson.loads(answer.content[: int(answer.headers[LENGTH])])
    assert head["outputs"][0]["data"] == [1, 0]
    assert "data" not in head["outputs"][1]


@pytest.mark.parametrize(
    ("inputs", "raw", "said"),
    [
        ([matrix(25)], ROWS.tobytes(), "binary_data_size: got 25 bytes, expected no more than the 24"),
        ([matrix(-1)], ROWS.tobytes(), "binary_data_size: got -1, expected a whole number"),
        ([matrix("24")], ROWS.tobytes(), "binary_data_size: got 24, expected a whole number"),
        ([matrix(20)], ROWS.tobytes(), "got 20 bytes, expected 24, as FP32 of shape [2, 3] has"),
        ([matrix()], ROWS.tobytes() + b"x", "body: got 25 bytes behind the JSON, expected 24"),
        ([matrix(shape=[2**40, 2**40])], ROWS.tobytes(), "got 24 bytes, expected 4835703278458516698824704"),
        ([matrix(shape=[-2, 3])], ROWS.tobytes(), "shape: got [-2, 3]"),
        ([matrix(datatype="BF16")], ROWS.tobytes(), "datatype: got BF16"),
        ([matrix(data=[1])], ROWS.tobytes(), "both data and binary_data_size"),
        ([matrix(parameters=[])], ROWS.tobytes(), "parameters: got [], expected an object"),
        ([matrix(8, datatype="BYTES", shape=[2, 1])], pack("<I", 9) + b"abcd", "ending at byte 13"),
        ([matrix(8, datatype="BYTES", shape=[1, 1])], pack("<I", 2) + b"abcd", "got 8 bytes, expected 6"),
        ([matrix(6, datatype="BYTES", shape=[1, 1])], pack("<I", 2) + b"\xff\xfe", "not UTF-8"),
        ([matrix(4, datatype="BYTES", shape=[10**9, 1])], pack("<I", 0), "at least 4000000000 for 1000000000 texts"),
        ([matrix(6, datatype="BOOL")], b"\x00\x01\x02\x00\x00\x00", "a byte over 1"),
    ],
)
def test_bytes_that_do_not_fit_are_refused(toy: Ask, inputs: list[dict[str, Any]], raw: bytes, said: str) -> None:
    """400, and what was seen and expected of which input."""
    answer = sent(toy, inputs, raw)

    assert answer.status_code == 400
    assert said in answer.json()["error"]


@pytest.mark.parametrize("length", ["-1", "x", "1e3", "999999", "9" * 400])
def test_a_header_length_that_lies_is_refused(toy: Ask, length: str) -> None:
    """It is a number of bytes within the body."""
    answer = toy("POST", INFER, content=b"{}", headers={LENGTH: length})

    assert answer.status_code == 400
    assert "expected a number of bytes up to the body's 2" in answer.json()["error"]


def test_bytes_without_the_header_are_refused(toy: Ask) -> None:
    """Nobody can tell where they begin."""
    answer = toy("POST", INFER, content=orjson.dumps({"inputs": [matrix()]}))

    assert answer.status_code == 400
    assert "without Inference-Header-Content-Length" in answer.json()["error"]


NUMBERS = [dtype for dtype in DTYPES.values() if dtype.kind != "O"]


@given(st.sampled_from(NUMBERS).flatmap(lambda kind: arrays.arrays(kind, arrays.array_shapes(max_dims=3, max_side=4))))
def test_numbers_come_back_from_their_bytes(values: np.ndarray[Any, Any]) -> None:
    """Every type and shape."""
    back = parse_raw_tensor(get_array_datatype(values), list(values.shape), memoryview(encode_values(values)), "x")

    assert back.dtype == values.dtype
    assert back.tobytes() == values.tobytes()


@given(st.lists(st.text(max_size=8), min_size=1, max_size=6))
def test_texts_come_back_from_their_bytes(texts: list[str]) -> None:
    """Empty ones and any script too."""
    raw = memoryview(encode_values(np.array(texts, dtype=object)))

    assert parse_raw_tensor("BYTES", [len(texts)], raw, "x").tolist() == texts


@given(
    raw=st.binary(max_size=64),
    datatype=st.sampled_from([*DTYPES, "FP8", ""]),
    shape=st.lists(st.integers(-2, 2**62), max_size=3),
)
def test_any_bytes_are_a_tensor_or_refused(raw: bytes, datatype: str, shape: list[int]) -> None:
    """Never another error, and never more memory than the bytes have."""
    values = None
    with contextlib.suppress(BadRequest):
        values = parse_raw_tensor(datatype, shape, memoryview(raw), "x")

    assert values is None or list(values.shape) == shape


def test_numbers_are_a_view_of_the_body(classifier: Path) -> None:
    """Nothing is copied on the way to the model."""
    body = bytearray(ROWS.tobytes())

    values = parse_raw_tensor("FP32", [2, 3], memoryview(body), str(classifier))
    body[0:4] = np.float32(9.0).tobytes()

    assert values[0, 0] == 9.0


def test_a_value_that_is_missing_stays_so_in_a_narrower_type() -> None:
    """NaN as FP64 is NaN in a column of FP32, as it is in one of FP64; a number beyond the type is refused."""
    sent_values = np.array([np.nan, 1.5])

    assert np.array_equal(cast_values(sent_values, np.dtype(np.float32), "x"), [np.nan, 1.5], equal_nan=True)
    with pytest.raises(BadRequest, match=r"x: got 1e\+300, expected values within the range of FP32"):
        cast_values(np.array([np.nan, 1e300]), np.dtype(np.float32), "x")
