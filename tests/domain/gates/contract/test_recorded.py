"""Lines of a log as live requests: the newest, as they were, and nothing else."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway.domain.gates.contract.recorded import LONGEST_LINE, MOST, RecordedSample, read_samples


def line(second: int, inputs: Any, **more: Any) -> bytes:  # noqa: ANN401 - whatever a log may hold
    """Return a line as services write it."""
    document = {"time": f"2026-01-01T00:00:{second:02d}.000Z", "logger": "slipway.inference.samples", "inputs": inputs}
    return json.dumps(document | more).encode()


def test_samples_are_told_from_other_lines() -> None:
    """Numbers, texts and what is missing stay as they were."""
    inputs = {"a": [1, 2.5, None, True], "b": ["x", ""]}
    lines = [b"started", b'{"logger":"slipway.inference","message":"x"}', line(1, inputs), b"\xff\xfe", b""]

    assert read_samples(lines) == RecordedSample(requests=(inputs,))


def test_the_newest_of_all_logs_are_kept_once_each() -> None:
    """By their time, oldest first; a client that asks the same again and again does not crowd out the others."""
    first, second = [line(3, {"a": [3]}), line(1, {"a": [1]})], [line(2, {"a": [2]}), line(4, {"a": [1]})]

    assert read_samples([*first, *second]).requests == ({"a": [2]}, {"a": [3]}, {"a": [1]})
    assert len(read_samples(line(0, {"a": [n]}) for n in range(3 * MOST)).requests) == MOST


BROKEN = [
    line(1, {"a": [1]})[:-3],
    line(1, {}),
    line(1, [1]),
    line(1, {"a": 1}),
    line(1, {"a": [[1]]}),
    line(1, {"a": [{"b": 1}]}),
    line(1, {"a": [1]}, time=5),
    line(1, {"a": ["x" * LONGEST_LINE]}),
    b'{"logger": "slipway.inference.samples", "inputs": ' + b"[" * 100_000,
    b'["slipway.inference.samples"]',
]


@pytest.mark.parametrize("broken", BROKEN, ids=range(len(BROKEN)))
def test_a_line_that_is_no_sample_is_left_out_and_counted(broken: bytes) -> None:
    """Cut, of another shape, too long, or made to break a parser."""
    read = read_samples([broken, line(1, {"a": [1]})])

    assert (read.requests, read.unreadable) == (({"a": [1]},), 1)
    assert read.remark == "1 recorded request could not be read"


def test_a_log_without_samples_says_so() -> None:
    """Where requests are recorded and none came yet; where nobody asked for samples nothing is to be said."""
    assert read_samples([b"started"]).remark == "no live request was recorded yet"
    assert RecordedSample().remark == ""


def test_values_are_not_in_its_words() -> None:
    """Whatever prints it, into a log or an error, prints no values."""
    assert "secret" not in repr(read_samples([line(1, {"a": ["secret"]})]))


@given(st.lists(st.binary() | st.binary().map(lambda some: b'"slipway.inference.samples"' + some)))
def test_any_bytes_are_read(lines: list[bytes]) -> None:
    """A log is untrusted text."""
    assert read_samples(lines).requests == ()
