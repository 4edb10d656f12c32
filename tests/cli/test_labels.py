"""`slipway labels`: files of labels as people have them, good and bad."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from slipway.cli.exit_codes import ExitCode
from tests.cli.conftest import Run

HEADER = "request_id,revision,wrong\n"
GOOD = HEADER + "r-1,digits-v1,0\nr-2,digits-v1,1\nr-3,digits-v2,true\n"


def counted(home: Path, *revisions: str) -> dict[str, tuple[int, int]]:
    """Return what the store of this home counts, as (labelled, wrong)."""
    from slipway.adapters.local.labels import LocalLabels

    counts = LocalLabels(home / ".slipway" / "target").count_labels("digits", revisions)
    return {name: (one.requests, one.errors) for name, one in counts.items()}


def test_a_csv_file_is_recorded_once(slipway: Run, tmp_path: Path) -> None:
    """Given twice, it changes nothing the second time."""
    (tmp_path / "labels.csv").write_text(GOOD)

    first, second = slipway("labels", "digits", "labels.csv"), slipway("labels", "digits", "labels.csv")

    assert (first.returncode, first.stdout) == (0, "3 labels recorded, 0 known before\n")
    assert (second.returncode, second.stdout) == (0, "0 labels recorded, 3 known before\n")
    assert counted(tmp_path, "digits-v1", "digits-v2") == {"digits-v1": (2, 1), "digits-v2": (1, 1)}


def test_a_spreadsheets_csv_is_read(slipway: Run, tmp_path: Path) -> None:
    """Byte order mark, other line ends, other order of columns, quotes, an empty line."""
    text = '\ufeffwrong,request_id,revision\r\n"1","r,1",digits-v1\r\n\r\nFALSE,r-2,digits-v1\r\n'
    (tmp_path / "labels.CSV").write_bytes(text.encode())

    answer = slipway("labels", "digits", "labels.CSV", "--json")

    assert json.loads(answer.stdout) == {"model": "digits", "added": 2, "duplicates": 0}
    assert counted(tmp_path, "digits-v1") == {"digits-v1": (2, 1)}


def test_json_lines_are_recorded(slipway: Run, tmp_path: Path) -> None:
    """One object per line; one label is told in the singular."""
    (tmp_path / "labels.jsonl").write_text('{"request_id": "r-1", "revision": "digits-v1", "wrong": true}\n\n')

    answer = slipway("labels", "digits", "labels.jsonl")

    assert (answer.returncode, answer.stdout) == (0, "1 label recorded, 0 known before\n")


def test_standard_input_is_json_lines(tmp_path: Path) -> None:
    """For pipes."""
    line = '{"request_id": "r-%d", "revision": "digits-v1", "wrong": 0}\n'
    command = [str(Path(sys.executable).parent / "slipway"), "labels", "digits", "-"]

    answer = subprocess.run(
        command,
        input="".join(line % number for number in range(5)),
        env=os.environ | {"SLIPWAY_HOME": str(tmp_path / ".slipway")},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )

    assert (answer.returncode, answer.stdout, answer.stderr) == (0, "5 labels recorded, 0 known before\n", "")


def test_bad_rows_are_named_by_line_and_nothing_is_recorded(slipway: Run, tmp_path: Path) -> None:
    """What was seen, what is expected, what to do; exit code 8."""
    rows = "r-4,digits-v1,maybe\nr-5,fraud-v1,0\nr-6,digits-v1\nr-7,digits-v1,0,0\n,digits-v1,1\n"
    (tmp_path / "labels.csv").write_text(GOOD + rows)

    answer = slipway("labels", "digits", "labels.csv")

    assert answer.returncode == ExitCode.BROKEN
    assert answer.stdout == ""
    said = answer.stderr.splitlines()
    assert said[:2] == ["error: labels labels.csv", "  seen:     5 of 8 rows can't be used"]
    assert [line.split(":")[0].strip() for line in said[2:7]] == [f"line {line}" for line in (5, 6, 7, 8, 9)]
    assert "wrong: seen 'maybe', expected 0, 1, true or false" in said[2]
    assert "expected a revision of digits" in said[3]
    assert "next:     correct it and run the command again: nothing was recorded" in said[-1]
    assert counted(tmp_path, "digits-v1") == {"digits-v1": (0, 0)}


def test_many_bad_rows_are_counted_and_the_first_ones_shown(slipway: Run, tmp_path: Path) -> None:
    """Ten lines, not a thousand."""
    (tmp_path / "labels.csv").write_text(HEADER + "r-1,digits-v1,?\n" * 1000)

    answer = slipway("labels", "digits", "labels.csv")

    assert "1000 of 1000 rows can't be used" in answer.stderr
    assert answer.stderr.count("line ") == 10
    assert "and 990 more" in answer.stderr


@pytest.mark.parametrize(
    ("name", "content", "seen"),
    [
        ("a.csv", b"", "its header is ''"),
        ("a.csv", b"r-1,digits-v1,0\n", "its header is 'r-1,digits-v1,0'"),
        ("a.csv", HEADER.encode() + b'r-1,"digits-v1,0\n', "line 2: unexpected end of data"),
        ("a.csv", b"\xff\xfe" + HEADER.encode("utf-16-le"), "it is not UTF-8 text"),
        ("a.jsonl", b'{"request_id": \n', "line 1: row: seen '{\"request_id\":', expected an object"),
        ("a.ndjson", b"[" * 100_000, "line 1: row: seen '[[["),
        ("a.jsonl", b'\n{"request_id": "r", "revision": "digits-v1", "wrong": 0.5}', "line 2: wrong: seen 0.5"),
    ],
)
def test_a_file_that_can_not_be_read_is_broken(
    slipway: Run, tmp_path: Path, name: str, content: bytes, seen: str
) -> None:
    """Exit code 8, and the reason."""
    (tmp_path / name).write_bytes(content)

    answer = slipway("labels", "digits", name)

    assert answer.returncode == ExitCode.BROKEN
    assert seen in answer.stderr
    assert "Traceback" not in answer.stderr


def test_a_missing_file_is_not_found(slipway: Run) -> None:
    """Exit code 5."""
    answer = slipway("labels", "digits", "nothing.csv")

    assert answer.returncode == ExitCode.NOT_FOUND
    assert "No such file" in answer.stderr


def test_an_unknown_suffix_is_a_usage_error(slipway: Run, tmp_path: Path) -> None:
    """Exit code 2: no guess at what is in it."""
    (tmp_path / "labels.txt").write_text(GOOD)

    answer = slipway("labels", "digits", "labels.txt")

    assert answer.returncode == ExitCode.USAGE
    assert ".csv, .jsonl or .ndjson" in " ".join(answer.stderr.split())


def test_help_says_where_the_values_come_from(slipway: Run) -> None:
    """Both headers by name."""
    text = slipway("labels", "--help").stdout

    assert "x-slipway-revision" in text
    assert "x-request-id" in text
