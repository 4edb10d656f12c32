"""Answers that cross processes in a file that a model's code could write to."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from slipway.adapters.onnx import answering
from slipway.adapters.onnx.answering import load_answers, save_answers
from slipway.domain.gates.parity import Answers


def test_answers_are_read_as_they_were_written(tmp_path: Path) -> None:
    """By name, with probabilities where there are some."""
    original = Answers(predictions=np.array([1, 2]), probabilities=np.array([[0.1, 0.9], [0.5, 0.5]]))
    save_answers(tmp_path / "a.npz", original=original, converted=Answers(predictions=np.array(["x", "y"])))

    read = load_answers(tmp_path / "a.npz")

    assert read["original"].predictions.tolist() == [1, 2]
    assert read["original"].probabilities is not None
    assert read["original"].probabilities.tolist() == [[0.1, 0.9], [0.5, 0.5]]
    assert (read["converted"].predictions.tolist(), read["converted"].probabilities) == (["x", "y"], None)


def _one_array() -> bytes:
    file = io.BytesIO()
    np.save(file, np.zeros(3))
    return file.getvalue()


def _objects() -> bytes:
    file = io.BytesIO()
    np.savez(file, **{"original.predictions": np.array([{}], dtype=object)})
    return file.getvalue()


def _other_entries() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("original.probabilities.npy", b"x")
    return file.getvalue()


@pytest.mark.parametrize(
    "content", [b"", b"PK\x03\x04 cut", _one_array(), _one_array()[:-4], _objects(), _other_entries()]
)
def test_a_file_of_something_else_is_a_value_error(tmp_path: Path, content: bytes) -> None:
    """Empty, cut, one array, objects, entries that are no arrays."""
    (tmp_path / "a.npz").write_bytes(content)

    with pytest.raises(ValueError, match="no answers"):
        load_answers(tmp_path / "a.npz")


def test_a_file_that_unpacks_to_too_much_is_a_value_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its table of contents says so; nothing is unpacked."""
    monkeypatch.setattr(answering, "LARGEST_BYTES", 1000)
    np.savez_compressed(tmp_path / "a.npz", **{"original.predictions": np.zeros(10_000)})

    with pytest.raises(ValueError, match="no answers"):
        load_answers(tmp_path / "a.npz")
