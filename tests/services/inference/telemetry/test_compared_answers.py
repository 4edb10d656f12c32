"""The ring of compared answers."""

import numpy as np

from services.inference.telemetry.compared_answers import ComparedAnswers


def test_the_ring_forgets_the_oldest() -> None:
    """It never grows beyond its capacity."""
    ring = ComparedAnswers()
    for number in range(5000):
        ring.record(str(number), 200, np.array([number]), milliseconds=1.0)

    latest = ring.list_latest()

    assert len(latest) == 4096
    assert latest[0]["request_id"] == "904"
    assert latest[-1]["values"] == [4999]


def test_long_predictions_are_cut() -> None:
    """Only the first 64 values are kept; text stays text. The time is kept beside them."""
    ring = ComparedAnswers()
    ring.record("numbers", 200, np.arange(100.0).reshape(10, 10), milliseconds=1.5)
    ring.record("text", 200, np.array(["yes"], dtype=object), milliseconds=2.5)

    numbers, text = ring.list_latest()

    assert numbers["values"] == list(range(64))
    assert text == {"request_id": "text", "status": 200, "values": ["yes"], "milliseconds": 2.5}
