"""Models that MLflow runs, in more than one process: while requests wait, as far as cores and memory allow."""

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from services.inference.manifest import Manifest, parse_manifest
from services.inference.refusals import ModelFailed, Refused
from services.inference.rows import Rows
from services.inference.runtime.engine import SCALE_UP_SECONDS, Engine
from services.inference.runtime.model_runtime import make_warm_up_rows
from services.inference.runtime.pyfunc import PyfuncRuntime
from services.inference.telemetry.meter import Meter
from tests.services.inference.waiting import predict

Maker = Callable[..., dict[str, Any]]
PLENTY = 1 << 40
MODEL = """
import os
import time
from pathlib import Path

import mlflow.pyfunc

HERE = Path(__file__).parent


class Met(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        number = int(model_input["number"].iloc[0])
        if number:  # waits for as many requests as it is told
            folder = Path(os.environ["SLIPWAY_TEST_MEETING"])
            (folder / f"{os.getpid()}").touch()
            until = time.monotonic() + 60
            while len(list(folder.iterdir())) < number and time.monotonic() < until:
                time.sleep(0.01)
        return [os.getpid()]


mlflow.models.set_model(Met())
"""


@pytest.fixture(scope="session")
def met_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a model that answers once so many processes run it at the same time as it is told, with its process id."""
    import mlflow

    folder = tmp_path_factory.mktemp("met")
    (folder / "code.py").write_text(MODEL)
    mlflow.pyfunc.save_model(folder / "mlflow", python_model=str(folder / "code.py"), pip_requirements=["mlflow"])
    return folder


@pytest.fixture
def manifest(manifest_document: Maker) -> Manifest:
    """Return the manifest of that model."""
    columns = [{"name": "number", "kind": "int64"}]
    more: dict[str, Any] = {"single_matrix": False, "inputs": [], "outputs": [], "batchable": False}
    return parse_manifest(manifest_document(runtime="pyfunc", file="mlflow", columns=columns, **more))


@pytest.fixture
def meeting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder where processes of the model meet."""
    monkeypatch.setenv("SLIPWAY_TEST_MEETING", str(tmp_path))
    return tmp_path


def row(number: int) -> Rows:
    """Return a row."""
    return Rows(None, {"number": np.array([number])})


async def wait_for(condition: Callable[[], bool]) -> None:
    """Wait for what processes do."""
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - a runtime has no event for it, as nobody else waits for that
            await asyncio.sleep(0.01)


@pytest.mark.usefixtures("meeting")
def test_it_grows_to_what_it_may_and_processes_run_at_the_same_time(met_model: Path, manifest: Manifest) -> None:
    """Each of the three that are asked together waits for the two others."""

    async def story() -> tuple[list[int], list[int], list[int]]:
        runtime = PyfuncRuntime(manifest, met_model / "mlflow", 3, lambda: PLENTY)
        await runtime.start()
        first = runtime.child_pids
        for lanes in (2, 3):
            runtime.scale_up()
            await wait_for(lambda lanes=lanes: runtime.concurrency == lanes)
        runtime.scale_up()
        feeds = runtime.make_feeds(row(3))
        results = await asyncio.gather(*(runtime.run_in_background([feeds]) for _ in range(3)))
        pids = runtime.child_pids
        await runtime.stop()
        return first, pids, [int(result["prediction"][0]) for (result,) in results if isinstance(result, dict)]

    first, pids, answered = asyncio.run(story())

    assert len(first) == 1
    assert len(pids) == 3
    assert sorted(answered) == sorted(pids)
    assert not any(map(psutil.pid_exists, pids))


def test_a_process_that_dies_is_replaced_while_the_others_answer(met_model: Path, manifest: Manifest) -> None:
    """Its request fails; the next one is another process's, and there are two again."""

    async def story() -> tuple[list[int], list[int], list[Any]]:
        runtime = PyfuncRuntime(manifest, met_model / "mlflow", 2, lambda: PLENTY)
        await runtime.start()
        runtime.scale_up()
        await wait_for(lambda: runtime.concurrency == 2)
        before = runtime.child_pids
        os.kill(before[0], signal.SIGKILL)
        said = [(await runtime.run_in_background([runtime.make_feeds(row(0))]))[0] for _ in range(2)]
        await wait_for(lambda: runtime.concurrency == 2)
        after = runtime.child_pids
        await runtime.stop()
        return before, after, said

    before, after, (failed, answered) = asyncio.run(story())

    if isinstance(failed, ModelFailed):  # or its end was noticed before it was asked, and it was started again
        assert answered["prediction"].tolist() == [before[1]]
    assert before[0] not in after
    assert before[1] in after


@pytest.mark.parametrize(("most", "free"), [(1, PLENTY), (2, 1)], ids=["one core", "no memory"])
def test_it_does_not_grow_beyond_cores_or_memory(met_model: Path, manifest: Manifest, most: int, free: int) -> None:
    """Nothing is started then."""

    async def story() -> list[int]:
        runtime = PyfuncRuntime(manifest, met_model / "mlflow", most, lambda: free)
        await runtime.start()
        runtime.scale_up()
        await runtime.stop()
        return [runtime.concurrency, len(asyncio.all_tasks())]

    assert asyncio.run(story()) == [1, 1]


@pytest.mark.usefixtures("meeting")
def test_the_engine_asks_for_more_while_requests_wait(met_model: Path, manifest: Manifest) -> None:
    """After a second in which one waited at every run's end; then two run at the same time."""

    async def story() -> set[int]:
        now = [0.0]
        runtime = PyfuncRuntime(manifest, met_model / "mlflow", 2, lambda: PLENTY)
        engine = Engine(runtime, batchable=False, meter=Meter(), clock=lambda: now[0])
        await engine.start(make_warm_up_rows(manifest))

        def tick(_: object) -> None:
            now[0] += SCALE_UP_SECONDS

        told: list[asyncio.Future[Any]] = [asyncio.get_running_loop().create_future() for _ in range(4)]
        for future in told:
            future.add_done_callback(tick)
            engine.submit(row(0), 1e9, future.set_result)
        await asyncio.gather(*told)
        await wait_for(lambda: runtime.concurrency == 2)
        both = await asyncio.gather(*(predict(engine, row(2), 1e9) for _ in range(2)))
        await engine.stop()
        return {int(outputs["prediction"][0]) for outputs in both if not isinstance(outputs, Refused)}

    assert len(asyncio.run(story())) == 2
