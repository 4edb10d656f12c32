"""The key of a runtime: the same for what is the same, another for everything that makes another image."""

from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import pytest

from slipway.adapters.oci.runtime import find_runtime, list_installed_versions
from tests.adapters.oci import place


def test_packages_with_the_same_needs_share_a_runtime(tmp_path: Path) -> None:
    """Whatever the model and its version are."""
    one, two = place.package(tmp_path, 1), place.package(tmp_path, 2, model="others")

    assert find_runtime(one, place.BASE, gpu=False).key == find_runtime(two, place.BASE, gpu=False).key


@pytest.mark.parametrize(
    "changes", [{"base_image": "python:3.12"}, {"requirements": ("x==1",)}, {"constraints": ("y==1",)}]
)
def test_other_contents_have_another_key(tmp_path: Path, changes: dict[str, object]) -> None:
    """So that nothing is found under a key that it does not have."""
    runtime = find_runtime(place.package(tmp_path), place.BASE, gpu=False)

    assert replace(runtime, **changes).key != runtime.key


def test_a_gpu_takes_the_same_version_of_onnx_runtime(tmp_path: Path) -> None:
    """In the build for GPUs, with CUDA's libraries; everything else as on CPUs."""
    one = place.package(tmp_path, needs="onnxruntime==1.31.1\nonnx==1.23.2")

    gpu, cpu = (find_runtime(one, place.BASE, gpu=gpu) for gpu in (True, False))

    assert gpu.requirements == ("onnxruntime-gpu[cuda,cudnn]==1.31.1", "onnx==1.23.2")
    assert cpu.requirements == ("onnxruntime==1.31.1", "onnx==1.23.2")
    assert gpu.key != cpu.key


def test_what_was_rehearsed_is_what_is_installed(tmp_path: Path) -> None:
    """What BentoML needs in its turn is pinned to what is installed here; a model's own requirements are left alone."""
    one = place.package(tmp_path, needs=f"bentoml=={version('bentoml')}")

    onnx = find_runtime(replace(one, runtime="onnx"), place.BASE, gpu=False)
    pyfunc = find_runtime(one, place.BASE, gpu=False)

    assert f"uvicorn=={version('uvicorn')}" in onnx.constraints
    assert f"prometheus-client=={version('prometheus-client')}" in onnx.constraints
    assert not any(pin.startswith("bentoml") for pin in onnx.constraints)
    assert pyfunc.constraints == ()


def test_what_is_not_installed_here_is_left_to_pip() -> None:
    """The other build of ONNX Runtime, for one."""
    assert list_installed_versions(["not-installed-anywhere==1.0"]) == []
