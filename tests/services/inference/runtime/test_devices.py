"""What a replica may run its model on, and what happens when it is not there."""

import asyncio
import logging
from pathlib import Path

import pytest

from services.inference.loading import open_runtime
from services.inference.manifest import read_manifest
from services.inference.refusals import ModelFailed
from services.inference.runtime.devices import Devices, DevicesError, Gpu, read_devices
from services.inference.runtime.model_runtime import make_warm_up_rows
from tests.services.inference.serving import served, until


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, Devices()),
        ({"SLIPWAY_GPU": "allow", "SLIPWAY_CPUS": "4"}, Devices(gpu=Gpu.ALLOW, cpus=4)),
        ({"SLIPWAY_GPU": "", "SLIPWAY_CPUS": "0.25"}, Devices(cpus=1)),
    ],
)
def test_the_environment_says_what_there_is(environment: dict[str, str], expected: Devices) -> None:
    """Unset is one CPU."""
    assert read_devices(environment) == expected


@pytest.mark.parametrize(
    "environment", [{"SLIPWAY_GPU": "yes"}, *({"SLIPWAY_CPUS": cpus} for cpus in ("many", "0", "-1", "nan", "inf"))]
)
def test_what_can_not_be_understood_is_refused(environment: dict[str, str]) -> None:
    """The sentence names the variable and what it may be."""
    (name, value) = next(iter(environment.items()))

    with pytest.raises(DevicesError, match=f"{name} is '{value}'; expected"):
        read_devices(environment)


def test_several_cores_give_the_same_answer(classifier: Path) -> None:
    """Threads change nothing but time."""
    manifest = read_manifest(classifier)
    runtime = open_runtime(manifest, classifier, Devices(cpus=2))

    async def story() -> list[float]:
        await runtime.start()
        (outputs,) = await runtime.run_in_background([runtime.make_feeds(make_warm_up_rows(manifest))])
        assert not isinstance(outputs, ModelFailed)
        await runtime.stop()
        return outputs["prediction"].tolist()

    assert asyncio.run(story()) in ([0], [1])
    assert runtime.device == "cpu"


def test_a_required_gpu_that_is_not_there_ends_the_process(classifier: Path, tmp_path: Path) -> None:
    """In a container nothing is started again inside: it was never ready, and the reason lies where a cluster reads."""
    reason = tmp_path / "reason"
    reason.touch()
    asked = {"SLIPWAY_GPU": "require", "BENTOML_CONTAINERIZED": "true", "SLIPWAY_TERMINATION_LOG": str(reason)}
    with served(classifier, tmp_path / "served", **asked) as service:
        seen_ready = False

        def ended() -> bool:
            nonlocal seen_ready
            seen_ready = seen_ready or service.ready()
            return service.process.poll() is not None

        until(ended)

    assert not seen_ready
    assert service.process.returncode != 0
    assert reason.read_text().startswith("SLIPWAY_GPU=require: ONNX Runtime can't use a GPU here; expected ")
    assert "SLIPWAY_GPU=require: " in service.log.read_text()


def test_an_allowed_gpu_that_is_not_there_is_told(
    classifier: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It serves on the CPU."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    caplog.set_level(logging.INFO, "slipway.inference")
    runtime = open_runtime(read_manifest(classifier), classifier, Devices(gpu=Gpu.ALLOW))

    asyncio.run(runtime.start())

    assert runtime.device == "cpu"
    assert "device: the CPU" in caplog.text
