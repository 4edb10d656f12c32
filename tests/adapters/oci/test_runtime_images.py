"""Runtimes built for real, with buildah, on the cluster's Python and with a package index that asks for a login."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from slipway.adapters.oci.builders import Build, Builder, run_build
from slipway.adapters.oci.images import OciImages, RegistryAddress
from slipway.adapters.oci.registry import Registry
from slipway.errors import PackagingFailed
from tests.adapters.oci import place
from tests.adapters.oci.index import PASSWORD, USER, index
from tests.cluster import cluster_or_skip

TOOLS = {"gcc", "cc", "g++", "make", "git", "pip", "pip3"}


@pytest.fixture(scope="module")
def base() -> str:
    """Return the Python that runtimes are built on."""
    registry = cluster_or_skip().registry
    if shutil.which("buildah") is None:
        pytest.skip("needs the program buildah (Debian: apt install buildah)")
    return f"{registry}/library/python:3.11-slim"


@pytest.fixture(autouse=True)
def leaves_nothing(tmp_path: Path) -> Iterator[None]:
    """Check that neither images, containers and mounts nor files are left, except locks."""
    before = kept()
    yield
    assert kept() == before
    assert str(tmp_path) not in Path("/proc/self/mountinfo").read_text()
    assert [path for path in (tmp_path / "work").glob("*") if path.suffix != ".lock"] == []


def kept() -> list[str]:
    """Return the images and containers that buildah knows."""
    program = shutil.which("buildah")
    if program is None:
        return []
    lists = ([program, "images", "--all", "--quiet"], [program, "containers", "--all", "--quiet"])
    return [subprocess.run(words, capture_output=True, text=True, check=True).stdout for words in lists]


def images(host: str, base: str, work: Path) -> OciImages:
    """Return a store that builds with buildah."""
    return OciImages(RegistryAddress.parse(host, insecure=True), "buildah", base, work)


def test_a_runtime_is_built_once_and_holds_no_secret(
    registry: str, base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second release asks no index; login and index are in no layer, history or label; no build tool is added."""
    with index(tmp_path / "index") as (address, asked):
        monkeypatch.setenv("PIP_INDEX_URL", address)
        store = images(registry, base, tmp_path / "work")
        first = store.push(place.package(tmp_path, 1, model="built"))
        questions = len(asked)
        second = store.push(place.package(tmp_path, 2, model="built"))

    port = address.rpartition(":")[2].partition("/")[0]
    one, _ = place.pulled(first)
    two, files = place.pulled(second)
    assert 0 < questions == len(asked)
    assert one.manifest["layers"][:-1] == two.manifest["layers"][:-1]
    assert two.config["config"]["User"] == "10001:10001"
    assert "BENTOML_CONTAINERIZED=true" in two.config["config"]["Env"]
    assert files["opt/bento/src/model/model.onnx"] == b"weights 2" * 100
    layers = [place.files_of(registry, "built", layer["digest"]) for layer in two.manifest["layers"][1:]]
    added = [name for layer in layers for name in layer]
    assert any(name.endswith("site-packages/tiny.py") for name in added)
    assert any("site-packages/__pycache__/tiny." in name for name in added)
    assert TOOLS.isdisjoint(Path(name).name for name in added)
    words = (USER.encode(), PASSWORD.encode(), f"127.0.0.1:{port}".encode())
    everything = [str(two.manifest).encode(), str(two.config).encode(), *(c for la in layers for c in la.values())]
    assert not [word for content in everything for word in words if word in content]


def test_a_package_that_can_not_be_had_is_named(
    registry: str, base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In pip's words, without the index's login; nothing is pushed."""
    with index(tmp_path / "index") as (address, _):
        monkeypatch.setenv("PIP_INDEX_URL", address)

        with pytest.raises(PackagingFailed, match=r"No matching distribution found for tiny==9\.9") as caught:
            images(registry, base, tmp_path / "work").push(place.package(tmp_path, needs="tiny==9.9"))

    assert PASSWORD not in str(caught.value)


def test_a_build_has_its_time(registry: str, base: str, tmp_path: Path) -> None:
    """Then it is ended, with all that it started."""
    context = tmp_path / "context"
    context.mkdir()
    (context / "Containerfile").write_text(f"FROM {base}\nRUN sleep 600\n")
    build = Build(
        image=f"{registry}/never:1",
        context=context,
        arguments={},
        secrets={},
        storage=tmp_path / "storage",
        insecure=True,
    )

    with pytest.raises(PackagingFailed, match="no end after 8 s"):
        run_build(Builder.BUILDAH, build, seconds=8)

    assert not (tmp_path / "storage").exists()
    with Registry(registry, ["never"], insecure=True) as there:
        assert there.find_digest("never", "1") is None


def test_a_base_that_is_not_there_is_told(registry: str, tmp_path: Path, base: str) -> None:
    """Its registry answers, and has no such image."""
    missing = base.replace("python", "snake")

    with pytest.raises(PackagingFailed, match=r"manifest unknown|not found|manifest"):
        images(registry, missing, tmp_path / "work").push(place.package(tmp_path, needs="tiny==3.0"))
