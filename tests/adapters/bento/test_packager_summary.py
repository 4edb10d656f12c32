"""What a real process of a package says of its predictions and inputs, beside a plain count of what it was asked."""

import bisect
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest

from slipway.adapters.bento.process import run_package

PIXELS = tuple(f"pixel_{i}" for i in range(64))
INFER = "/v2/models/digits/infer"
Predictions = np.ndarray[tuple[int], np.dtype[np.int64]]


def matrix(rows: "np.ndarray[Any, np.dtype[np.float64]]") -> dict[str, Any]:
    """Return rows as a request of one matrix."""
    tensor = {"name": "input", "shape": list(rows.shape), "datatype": "FP64", "data": rows.ravel().tolist()}
    return {"inputs": [tensor]}


def columns(rows: "np.ndarray[Any, np.dtype[np.float64]]") -> dict[str, Any]:
    """Return rows as a request of one tensor per column."""
    named = zip(PIXELS, rows.T.tolist(), strict=True)
    return {"inputs": [{"name": name, "shape": [len(rows)], "datatype": "FP64", "data": v} for name, v in named]}


@pytest.mark.parametrize("package", ["onnx_package", "pyfunc_package"])
def test_a_process_sums_up_all_that_it_answered(
    request: pytest.FixtureRequest, package: str, digits_rows: Path, expected: Predictions, tmp_path: Path
) -> None:
    """Bins of 100 rows, classes of 22 requests of one row, of many, and by column; a refused one leaves no trace."""
    rows = pd.read_csv(digits_rows)[list(PIXELS)].to_numpy()[:100]
    bodies = [*(matrix(rows[i : i + 1]) for i in range(20)), matrix(rows[20:60]), columns(rows[60:])]

    with (
        run_package(request.getfixturevalue(package), tmp_path / "service.log") as service,
        httpx.Client(base_url=service.url, timeout=30) as client,
    ):
        service.wait_ready(60)
        before = client.get("/slipway/summary").json()
        statuses = {client.post(INFER, json=body).status_code for body in bodies}
        refused = client.post(INFER, json=matrix(rows[:1, :3])).status_code
        after = client.get("/slipway/summary").json()

    counts = {name: [0] * 7 for name in PIXELS}
    for row in rows:
        for name, value in zip(PIXELS, row, strict=True):
            counts[name][bisect.bisect_right([1, 4, 8, 12, 15], value)] += 1
    assert (statuses, refused) == ({200}, 400)
    shares: Counter[str] = Counter()
    for number, label in enumerate(map(str, expected[:100].tolist())):
        shares[label] += 1 if number < 20 else 1 / 40
    assert (before["classes"], before["inputs"]) == ({}, {name: [0] * 7 for name in PIXELS})
    assert [before[name] for name in ("scores", "requests", "rows", "nonfinite")] == [None, 0, 0, 0]
    assert after["classes"] == pytest.approx(shares)
    assert [after[name] for name in ("requests", "rows", "nonfinite")] == [22, 100, 0]
    assert after["inputs"] == counts
    assert after["scores"] is None
