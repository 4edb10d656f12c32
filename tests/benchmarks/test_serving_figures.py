"""The arithmetic of the serving benchmark on rows by hand, and its open-loop generator against a real server."""

import asyncio
import doctest
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from benchmarks.serving.figures import figures
from benchmarks.serving.open_loop import Course, load, told
from benchmarks.serving.page import BEGIN, END, filled

PAGE = Path(__file__).resolve().parents[2] / "docs" / "performance.md"
DOCUMENT: dict[str, Any] = {
    "machine": {"cores": 2, "cpu": "a CPU", "threads_per_core": 1},
    "date": "2026-01-01",
    "command": "make it",
    "contended": False,
    "left_out": {"triton": "no Python"},
    "rounds": 2,
    "seconds_each": 1,
    "models": {"digits": {"about": "a forest", "kilobytes": 5}},
    "versions": {"kserve": {"kserve": "1.2"}},
}


def measured(server: str, number: int, rps: float, p99: float, **more: object) -> dict[str, Any]:
    """Return a row of one measurement."""
    setting = {"model": "digits", "form": "json", "connections": 8, "refused": 0, "repeated": 0}
    return setting | {"server": server, "round": number, "rps": rps, "p99": p99, "cpu_us": 1e6 / rps} | more


def overloaded(percent: int, number: int, p99: float) -> dict[str, Any]:
    """Return a row of open-loop load on ours."""
    tails = {"p99_from_due": p99, "p99_from_sent": p99 / 2, "accepted_per_second": 90.0, "capacity": 100.0}
    return {"model": "mlp", "server": "slipway", "percent": percent, "round": number} | tails


def test_servers_are_compared_round_by_round() -> None:
    """A slow round is slow for both, so it moves no ratio; p99 is the peer's over ours."""
    rows = [
        *(measured("slipway", 0, 1000.0, 2.0), measured("kserve", 0, 100.0, 10.0)),
        *(measured("slipway", 1, 500.0, 4.0), measured("kserve", 1, 50.0, 12.0)),
    ]

    found = figures({"closed": rows})

    assert found["vs_kserve_c8"] == {"value": 10.0, "interval": [10.0, 10.0], "unit": "x"}
    assert found["p99_vs_kserve_c8"]["interval"] == [3.0, 5.0]
    assert found["cpu_seconds_per_million_kserve"]["value"] == 15000.0


def test_other_models_and_forms_have_names_of_their_own() -> None:
    """`vs_kserve_c8` is the digits forest in JSON, and nothing else is."""
    rows = [measured(server, 0, 10.0, 1.0, model="cnn", form="binary") for server in ("slipway", "kserve")]

    found = figures({"closed": rows})

    assert "vs_kserve_c8" not in found
    assert found["cnn_binary_vs_kserve_c8"]["value"] == 1.0


def test_refusals_are_told() -> None:
    """Measurements with answers other than 200 are counted, those thrown away and those that stayed."""
    rows = [measured("slipway", 0, 10.0, 1.0, refused=3, repeated=3), measured("kserve", 0, 10.0, 1.0, repeated=1)]

    found = figures({"closed": rows})

    assert found["measurements_repeated"]["value"] == 4
    assert found["measurements_with_refusals"]["value"] == 1


def over_grpc(server: str, form: str, number: int, rps: float) -> dict[str, Any]:
    """Return a row of one measurement beside gRPC."""
    setting = {"server": server, "form": form, "connections": 8, "round": number, "refused": 0, "repeated": 0}
    return setting | {"rps": rps, "p99": 2.0, "cpu_us": 1e6 / rps}


def test_grpc_is_compared_with_the_faster_form_of_http_and_with_peers() -> None:
    """Of the same round; the page has a row for each."""
    rows = [
        *(over_grpc("slipway", form, 0, rps) for form, rps in (("grpc", 60.0), ("json", 100.0), ("binary", 80.0))),
        *(over_grpc("slipway", form, 1, rps) for form, rps in (("grpc", 90.0), ("json", 50.0), ("binary", 100.0))),
        *(over_grpc("triton", "grpc", number, 10.0) for number in (0, 1)),
    ]

    found = figures({"grpc": rows})
    page = filled(
        f"{BEGIN}{END}", DOCUMENT | {"rows": {"grpc": rows}, "figures": found, "dates": {"grpc": "2026-01-02"}}
    )

    assert found["grpc_vs_http_c8"]["interval"] == [0.6, 0.9]
    assert found["grpc_vs_pytriton_c8"]["interval"] == [6.0, 9.0]
    assert "| triton (PyTriton), gRPC |  | 10 |" in page
    assert "Measured on other days: grpc (2026-01-02)." in page


def test_overload_is_compared_within_a_round() -> None:
    """p99 at three times the capacity over p99 at 80 %, of the same round."""
    rows = [overloaded(80, 0, 10.0), overloaded(300, 0, 20.0), overloaded(80, 1, 5.0), overloaded(300, 1, 20.0)]

    found = figures({"overload": rows})

    assert found["overload_p99_ratio"]["interval"] == [2.0, 4.0]
    assert found["overload_accepted_share_of_capacity_at_300"]["value"] == 0.9


def test_what_the_client_takes_of_the_second_core_is_not_held_against_two_workers() -> None:
    """1.6 times the requests on 1.6 cores are twice as many on two."""
    rows = [
        {"workers": 1, "round": 0, "rps": 100.0, "client_cores": 0.2, "cpu_us": 10.0},
        {"workers": 2, "round": 0, "rps": 160.0, "client_cores": 0.4, "cpu_us": 10.0},
    ]

    found = figures({"workers": rows})

    assert found["two_workers_ratio"]["value"] == 2.0
    assert found["two_workers_ratio_as_measured"]["value"] == 1.6


def test_the_page_keeps_its_prose_and_names_versions_and_what_was_left_out() -> None:
    """Only what stands between the markers is written."""
    rows = {"closed": [measured("slipway", 0, 10.0, 1.0), measured("kserve", 0, 5.0, 1.0)]}
    document = DOCUMENT | {"rows": rows, "figures": figures(rows)}

    page = filled(f"before {BEGIN} old {END} after", document)

    assert page.startswith(f"before {BEGIN}\n")
    assert page.endswith(f"\n{END} after")
    assert "old" not in page
    assert "kserve 1.2" in page
    assert "Left out: triton (no Python)." in page


def test_the_page_has_its_markers() -> None:
    """The benchmark finds where to write."""
    text = PAGE.read_text(encoding="utf-8")

    assert 0 < text.index(BEGIN) < text.index(END)


def test_open_loop_latency_counts_from_when_a_request_was_due() -> None:
    """With one connection to a server that takes 20 ms, 100 requests a second queue up before they are sent."""
    course = Course(requests=[b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n"], rate=100.0)

    asyncio.run(_loaded_slow_server(course, 0.02))

    found = told(course, 0.5)
    assert set(found["statuses"]) == {"200"}
    assert found["p99_from_due"] > 3 * found["p99_from_sent"]
    assert found["p99_from_sent"] >= 20


async def _loaded_slow_server(course: Course, seconds: float) -> None:
    loop = asyncio.get_running_loop()
    ended = loop.create_future()

    class Slow(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self._transport: Any = transport

        def data_received(self, _: bytes) -> None:
            answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
            loop.call_later(seconds, self._transport.write, answer)

        def connection_lost(self, _: Exception | None) -> None:
            ended.set_result(None)

    async with await loop.create_server(Slow, "127.0.0.1", 0) as server:
        await load(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", course, 0.5, 1)
        course.idle[0].close()
        await ended


@pytest.mark.parametrize("name", ["figures", "open_loop", "page", "run"])
def test_examples_say_what_happens(name: str) -> None:
    """Every example gives what stands under it."""
    assert doctest.testmod(import_module(f"benchmarks.serving.{name}")).failed == 0
