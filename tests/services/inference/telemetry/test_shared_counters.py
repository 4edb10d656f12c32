"""Counts that several processes write: they add up, and outlive who wrote them."""

import subprocess
import sys
from pathlib import Path

import pytest

from services.inference.telemetry.meter import CODES, EDGES_SECONDS, PROTOCOLS, Meter
from services.inference.telemetry.shared_counters import SUFFIX, SharedCounters

ROOT = Path(__file__).parents[4]
OTHER = """
import sys
from pathlib import Path
from services.inference.telemetry.meter import Meter
meter = Meter(Path(sys.argv[1]), "other")
meter.count_arrival()
meter.count_arrival()
meter.count_response("mlflow", 200, 0.5)
"""


def by_another_process(folder: Path) -> None:
    """Count two requests of which one is answered, in a process that ends."""
    subprocess.run([sys.executable, "-c", OTHER, str(folder)], cwd=ROOT, check=True, timeout=60)


def test_all_workers_are_added_up_and_the_dead_have_nothing_under_way(tmp_path: Path) -> None:
    """Counters never go back; who died with a request in its hands leaves none in flight."""
    by_another_process(tmp_path)
    own = Meter(tmp_path, "own")
    own.count_arrival()

    reading = own.read()

    assert reading.in_flight == 1
    assert reading.get_requests()["mlflow", 200] == 1
    assert reading.get_histogram("seconds").counts.sum() == 1


def test_a_replacement_goes_on_from_what_was_counted(tmp_path: Path) -> None:
    """The same slot, another process."""
    by_another_process(tmp_path)

    own = Meter(tmp_path, "other")
    own.count_arrival()
    own.count_response("mlflow", 200, 0.5)

    assert own.read().get_requests()["mlflow", 200] == 2
    assert own.read().in_flight == 0


def test_a_file_of_another_size_is_begun_anew(tmp_path: Path) -> None:
    """Left by another version of us: its cells mean something else."""
    (tmp_path / f"own{SUFFIX}").write_bytes(b"\x01" * 17)

    cells = SharedCounters(tmp_path, "own", 3)

    assert cells.values.tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("code", CODES)
def test_every_status_of_every_protocol_has_a_place_of_its_own(protocol: str, code: int) -> None:
    """One cell each."""
    meter = Meter()
    meter.count_arrival()

    meter.count_response(protocol, code, 0.002)

    counted = {key: count for key, count in meter.read().get_requests().items() if count}
    assert counted == {(protocol, code): 1}


def test_durations_and_runs_land_in_their_buckets() -> None:
    """An edge belongs to its bucket; sums are kept beside."""
    meter = Meter()
    for seconds in (0.001, 0.0011, 1000.0):
        meter.count_arrival()
        meter.count_response("oip", 200, seconds)
    meter.count_run(0.0, 3, 0.004)

    seconds, rows = meter.read().get_histogram("seconds"), meter.read().get_histogram("rows")

    assert seconds.counts[[0, 1, len(EDGES_SECONDS)]].tolist() == [1, 1, 1]
    assert seconds.total == pytest.approx(1000.0021)
    assert rows.counts[rows.edges.index(4.0)] == 1
    assert rows.total == 3
