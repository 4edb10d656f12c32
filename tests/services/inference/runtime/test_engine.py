"""When requests run: together where they may, each by its deadline, and no more of them than can be answered soon."""

import asyncio
import json
import re
from collections.abc import Callable, Coroutine
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.inference.loading import open_runtime
from services.inference.manifest import parse_manifest
from services.inference.refusals import Draining, ModelFailed, Overloaded, Refused, TooLate
from services.inference.rows import Rows
from services.inference.runtime.admission import MOST_WAITING
from services.inference.runtime.engine import SINGLE_RUNS, Engine
from services.inference.runtime.model_runtime import make_warm_up_rows
from services.inference.telemetry.meter import Meter
from tests.services.inference.waiting import predict

Maker = Callable[..., dict[str, Any]]
FOREVER = float("inf")


@pytest.fixture(scope="session")
def slow_model(tmp_path_factory: pytest.TempPathFactory, manifest_document: Maker) -> Path:
    """Return a model that takes some milliseconds, and gives back the first of its two columns."""
    from onnx import TensorProto, helper, numpy_helper

    size, times = 2048, 16
    folder = tmp_path_factory.mktemp("slow")
    widen = np.zeros((2, size), dtype=np.float32)
    widen[0, 0] = 1.0
    narrow = np.zeros((size, 1), dtype=np.float32)
    narrow[0, 0] = 1.0
    constants = {"widen": widen, "same": np.eye(size, dtype=np.float32), "narrow": narrow}
    nodes = [helper.make_node("MatMul", ["x", "widen"], ["h0"])]
    nodes += [helper.make_node("MatMul", [f"h{n}", "same"], [f"h{n + 1}"]) for n in range(times)]
    nodes.append(helper.make_node("MatMul", [f"h{times}", "narrow"], ["y"]))
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 2])]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 1])]
    initializers = [numpy_helper.from_array(values, name) for name, values in constants.items()]
    graph = helper.make_graph(nodes, "slow", inputs, outputs, initializer=initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    columns = [{"name": name, "kind": "float32"} for name in "ab"]
    (folder / "slipway.json").write_text(json.dumps(manifest_document(columns=columns, inputs=["x"])))
    return folder


class Watched:
    """An engine over a real model, and what it counted."""

    def __init__(self, folder: Path, *, batchable: bool = True) -> None:
        """Load the model."""
        self.manifest = parse_manifest(json.loads((folder / "slipway.json").read_text()))
        self.meter = Meter()
        self.stopped: float | None = None
        """Where the engine's clock stands; None: it goes."""
        runtime = open_runtime(self.manifest, folder)
        self.engine = Engine(runtime, batchable=batchable, meter=self.meter, clock=self._clock)

    def _clock(self) -> float:
        return perf_counter() if self.stopped is None else self.stopped

    async def start(self) -> None:
        """Warm it up."""
        await self.engine.start(make_warm_up_rows(self.manifest))

    async def running(self) -> None:
        """Wait until a run is under way beside the loop."""
        async with asyncio.timeout(10):
            while not self.engine.busy:  # noqa: ASYNC110 - an engine has no event for it, as nobody else waits for that
                await asyncio.sleep(0)

    def runs(self) -> tuple[int, int]:
        """Return how many runs there were since the start, and their rows in all."""
        rows = self.meter.read().get_histogram("rows")
        return int(rows.counts.sum()), int(rows.total)

    async def ask(self, *values: float, deadline: float = FOREVER) -> list[float] | Refused:
        """Return the answers to a request whose rows begin with these numbers, or why there are none."""
        width = self.manifest.width
        matrix = np.zeros((len(values), width), dtype=np.float32)
        matrix[:, 0] = values
        try:
            outputs = await predict(self.engine, Rows(matrix, {}), deadline)
        except Refused as refusal:
            return refusal
        answers: list[float] = outputs["prediction"].tolist()
        return answers


def told(watched: Watched, story: Callable[[Watched], Coroutine[Any, Any, Any]]) -> Any:  # noqa: ANN401 - the story's
    """Play a story with an engine that is warm."""

    async def whole() -> Any:  # noqa: ANN401 - see above
        await watched.start()
        return await story(watched)

    return asyncio.run(whole())


def test_what_comes_in_one_turn_of_the_loop_runs_together(slow_model: Path) -> None:
    """Eight requests, one run; each gets its own rows back."""

    async def story(one: Watched) -> list[Any]:
        return list(await asyncio.gather(*(one.ask(float(n), n + 0.5) for n in range(8))))

    watched = Watched(slow_model)
    answers = told(watched, story)

    assert answers == [[float(n), n + 0.5] for n in range(8)]
    assert watched.runs() == (1, 16)


def test_what_comes_during_a_run_is_gathered_for_the_next(slow_model: Path) -> None:
    """Nobody waits for a timer: the first runs at once, the others together when it is over."""

    async def story(one: Watched) -> list[Any]:
        first = asyncio.ensure_future(one.ask(1.0))
        await one.running()
        return list(await asyncio.gather(first, *(one.ask(float(n)) for n in range(2, 7))))

    watched = Watched(slow_model)
    answers = told(watched, story)

    assert answers == [[float(n)] for n in range(1, 7)]
    assert watched.runs() == (2, 6)


def test_requests_whose_rows_may_depend_on_one_another_run_alone(slow_model: Path) -> None:
    """A model that was not seen to be independent gets one request at a time."""

    async def story(one: Watched) -> list[Any]:
        return list(await asyncio.gather(*(one.ask(float(n)) for n in range(3))))

    watched = Watched(slow_model, batchable=False)
    answers = told(watched, story)

    assert answers == [[0.0], [1.0], [2.0]]
    assert watched.runs() == (3, 3)


@settings(max_examples=30)
@given(batches=st.lists(st.lists(st.sampled_from([0.0, 1.0]), min_size=1, max_size=5), min_size=1, max_size=12))
def test_company_changes_no_answer(table_model: Path, batches: list[list[float]]) -> None:
    """Requests of any sizes in one run get what each gets alone."""

    async def story(one: Watched) -> list[Any]:
        return list(await asyncio.gather(*(one.ask(*batch) for batch in batches)))

    answers = told(Watched(table_model), story)

    assert answers == [[20.0 if value else 10.0 for value in batch] for batch in batches]


def test_a_poisoned_request_fails_alone(table_model: Path) -> None:
    """One that the model raises on, and one whose answer is no number; the others are answered."""

    async def story(one: Watched) -> list[Any]:
        return list(await asyncio.gather(one.ask(0.0), one.ask(7.0), one.ask(1.0), one.ask(2.0)))

    good, raised, well, odd = told(Watched(table_model), story)

    assert (good, well) == ([10.0], [20.0])
    assert isinstance(raised, ModelFailed)
    assert "Gather" in str(raised)
    assert isinstance(odd, ModelFailed)
    assert str(odd) == "output 'prediction' is not a finite number in row 0"


def test_work_past_its_deadline_is_not_done(slow_model: Path) -> None:
    """It waited too long: no run has its row."""

    async def story(one: Watched) -> list[Any]:
        first = asyncio.ensure_future(one.ask(1.0))
        await one.running()
        return list(await asyncio.gather(first, one.ask(2.0, deadline=perf_counter()), one.ask(3.0)))

    watched = Watched(slow_model)
    first, late, third = told(watched, story)

    assert (first, third) == ([1.0], [3.0])
    assert isinstance(late, TooLate)
    assert watched.runs() == (2, 2)


def test_what_can_not_be_answered_in_time_is_refused_at_once(slow_model: Path) -> None:
    """What was accepted is answered; an ending replica says that another one will do."""

    async def story(one: Watched) -> tuple[list[Any], Any, Any]:
        one.stopped = perf_counter()
        waiting = [asyncio.ensure_future(one.ask(float(n))) for n in range(20)]
        await one.running()
        refused = await one.ask(0.0, deadline=one.stopped + 0.001)
        one.engine.draining = True
        ending = await one.ask(0.0, deadline=one.stopped + 0.001)
        return list(await asyncio.gather(*waiting)), refused, ending

    answers, refused, ending = told(Watched(slow_model, batchable=False), story)

    assert answers == [[float(n)] for n in range(20)]
    assert isinstance(refused, Overloaded)
    assert re.fullmatch(r"20 requests wait already, some \d+ ms of work, and this one has 1 ms; .*", str(refused))
    assert refused.retry_after == 1
    assert isinstance(ending, Draining)


def test_clients_that_come_together_are_all_answered(slow_model: Path) -> None:
    """As many as are held; only what is beyond that is refused, whatever the deadline."""

    async def story(one: Watched) -> list[Any]:
        one.stopped = perf_counter()
        return list(await asyncio.gather(*(one.ask(float(n)) for n in range(MOST_WAITING + 1))))

    answers = told(Watched(slow_model), story)

    assert answers[:-1] == [[float(n)] for n in range(MOST_WAITING)]
    assert isinstance(answers[-1], Overloaded)


def test_a_stall_refuses_nobody(slow_model: Path) -> None:
    """For half a second no run ends; what comes meanwhile is answered after it."""

    async def story(one: Watched) -> list[Any]:
        one.stopped = perf_counter()
        waiting = [asyncio.ensure_future(one.ask(0.0, deadline=one.stopped + 30))]
        await one.running()
        for number in range(1, 200):
            waiting.append(asyncio.ensure_future(one.ask(float(number), deadline=one.stopped + 30)))
            one.stopped += 0.0025
        return list(await asyncio.gather(*waiting))

    answers = told(Watched(slow_model, batchable=False), story)

    assert answers == [[float(n)] for n in range(200)]


def test_a_run_that_hangs_keeps_out_whom_it_keeps_from_their_deadline(slow_model: Path) -> None:
    """It is taken for half done: after half a second nobody is let in who has less than that."""

    async def story(one: Watched) -> list[Any]:
        one.stopped = perf_counter()
        first = asyncio.ensure_future(one.ask(1.0))
        await one.running()
        one.stopped += 0.5
        soon = await one.ask(2.0, deadline=one.stopped + 0.3)
        later = await one.ask(3.0, deadline=one.stopped + 3.0)
        return [await first, soon, later]

    first, soon, later = told(Watched(slow_model), story)

    assert (first, later) == ([1.0], [3.0])
    assert isinstance(soon, Overloaded)


def test_who_is_alone_does_not_wait_for_others(table_model: Path) -> None:
    """After some runs of one request each the next is run as it comes; the first company ends that."""

    async def story(one: Watched) -> list[str]:
        for _ in range(SINGLE_RUNS):
            await one.ask(0.0)
        seen: list[str] = []
        one.engine.submit(Rows(np.zeros((1, 1), np.float32), {}), FOREVER, lambda _: seen.append("first"))
        seen.append("between")
        one.engine.submit(Rows(np.zeros((1, 1), np.float32), {}), FOREVER, lambda _: seen.append("second"))
        seen.append("after")
        await asyncio.sleep(0)
        return seen

    assert told(Watched(table_model), story) == ["first", "between", "after", "second"]


def test_who_is_alone_is_not_run_past_the_deadline_either(table_model: Path) -> None:
    """Also where it would be run as it comes."""

    async def story(one: Watched) -> list[Any]:
        for _ in range(SINGLE_RUNS):
            await one.ask(0.0)
        return [await one.ask(0.0, deadline=perf_counter())]

    watched = Watched(table_model)
    (late,) = told(watched, story)

    assert isinstance(late, TooLate)
    assert watched.runs() == (SINGLE_RUNS, SINGLE_RUNS)
