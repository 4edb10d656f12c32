"""Packages: same inputs, same digest; whole or not at all; nothing of this machine in them."""

import json
import multiprocessing
import resource
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from slipway.adapters.bento.manifest import make_manifest
from slipway.adapters.bento.packager import BentoPackager
from slipway.artifacts.store import compute_tree_digest
from slipway.domain.judge.profile import ColumnProfile
from slipway.domain.optimize.conversion import Converted
from slipway.domain.release.version import Artifact, Column, Signature
from slipway.domain.rollout.revision import Package
from slipway.errors import PackagingFailed

ROOT = Path(__file__).parents[3]
SIGNATURE = Signature(inputs=tuple(Column(name=f"pixel_{i}", kind="float64") for i in range(64)), outputs=())
LABELS = {"commit": "4f1c"}
Profile = tuple[ColumnProfile, ...]


def document(package: Package) -> dict[str, object]:
    """Return what the Bento says of itself."""
    said: dict[str, object] = yaml.safe_load((package.path / "bento.yaml").read_text())
    return said


def test_a_package_says_what_it_is(onnx_package: Package, store: Path) -> None:
    """Its folder and tag carry its digest; its labels model, version, digests and commit."""
    said = document(onnx_package)
    hexdigest = onnx_package.digest.removeprefix("sha256:")

    assert onnx_package.path == store / "packages" / hexdigest
    assert onnx_package.tag == f"digits:v7-{hexdigest[:12]}" == f"{said['name']}:{said['version']}"
    assert said["labels"] == onnx_package.labels
    assert onnx_package.labels.keys() == {"commit", "model", "version", "artifact", "served", "package"}
    assert onnx_package.runtime == "onnx"


def test_dependencies_are_pinned(onnx_package: Package, pyfunc_package: Package) -> None:
    """The service's own for ONNX; the model's own too where MLflow runs it."""
    pins = [(package.path / "env/python/requirements.txt").read_text() for package in (onnx_package, pyfunc_package)]

    assert all("==" in line for text in pins for line in text.split())
    assert all(name in pins[0] for name in ("onnxruntime==", "numpy==", "orjson==", "uvicorn==", "bentoml=="))
    assert all(name in pins[1] for name in ("mlflow==", "scikit-learn==", "orjson==", "uvicorn==", "bentoml=="))


def test_nothing_of_this_machine_gets_into_a_package(
    artifact: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither what stands in the environment nor where it was built."""
    monkeypatch.setenv("SLIPWAY_WEBHOOK_SECRET", "s3cr3t-of-the-test")

    package = BentoPackager(tmp_path / "home", ROOT).build_package(artifact, SIGNATURE, None, LABELS, tmp_path)

    ours = [path for path in package.path.rglob("*") if path.is_file() and "mlflow" not in path.parts]
    content = b"".join(path.read_bytes() for path in ours)
    assert not [word for word in ("s3cr3t", str(ROOT), str(tmp_path)) if word.encode() in content]


def test_the_same_inputs_give_the_same_digest(
    artifact: Artifact, onnx: Converted, profile: Profile, onnx_package: Package, tmp_path: Path
) -> None:
    """Built again elsewhere its digest and every file are the same; where it is there already, nothing is built."""
    packager = BentoPackager(tmp_path / "home", ROOT)
    written = (onnx_package.path / "bento.yaml").stat()

    again = packager.build_package(artifact, SIGNATURE, onnx, LABELS, onnx_package.path.parents[1], profile=profile)
    elsewhere = packager.build_package(artifact, SIGNATURE, onnx, LABELS, tmp_path / "store", profile=profile)

    assert again == onnx_package
    assert elsewhere.digest == onnx_package.digest
    assert (again.path / "bento.yaml").stat().st_ino == written.st_ino
    assert compute_tree_digest(elsewhere.path) == compute_tree_digest(onnx_package.path)


@pytest.fixture
def other_sources(tmp_path: Path) -> Path:
    """Return a copy of the service's source with one more comment."""
    root = tmp_path / "root"
    shutil.copytree(ROOT / "services" / "inference", root / "services" / "inference")
    shutil.copy(ROOT / "services" / "__init__.py", root / "services")
    with (root / "services" / "inference" / "app.py").open("a") as file:
        file.write("# another line\n")
    return root


def test_a_changed_input_gives_another_digest(
    artifact: Artifact, onnx: Converted, other_sources: Path, tmp_path: Path
) -> None:
    """The model, its signature, a label, and the service's source all count."""
    model = tmp_path / "other.onnx"
    model.write_bytes(onnx.path.read_bytes() + b"\0")
    signature = Signature(inputs=tuple(replace(column, kind="float32") for column in SIGNATURE.inputs), outputs=())
    here, there = BentoPackager(tmp_path / "home", ROOT), BentoPackager(tmp_path / "home", other_sources)

    digests = {
        here.describe_package(artifact, SIGNATURE, onnx, LABELS, tmp_path).digest,
        here.describe_package(artifact, SIGNATURE, replace(onnx, path=model), LABELS, tmp_path).digest,
        here.describe_package(artifact, signature, onnx, LABELS, tmp_path).digest,
        here.describe_package(artifact, SIGNATURE, onnx, {"commit": "77aa"}, tmp_path).digest,
        there.describe_package(artifact, SIGNATURE, onnx, LABELS, tmp_path).digest,
    }

    assert len(digests) == 5


def test_the_bins_of_inputs_count_in_the_digest_their_rows_do_not(
    artifact: Artifact, onnx: Converted, profile: Profile, onnx_package: Package, tmp_path: Path
) -> None:
    """Other validation rows in the same bins change nothing in the package."""
    packager = BentoPackager(tmp_path / "home", ROOT)
    first, *others = profile
    profiles = {
        "same": profile,
        "other counts": (replace(first, counts=tuple(range(len(first.counts)))), *others),
        "other edges": (replace(first, edges=(2.0, *first.edges[1:])), *others),
        "none": (),
    }

    digests = {
        name: packager.describe_package(artifact, SIGNATURE, onnx, LABELS, tmp_path, profile=one).digest
        for name, one in profiles.items()
    }

    assert digests["same"] == digests["other counts"] == onnx_package.digest
    assert len(set(digests.values())) == 3


def test_the_manifest_says_the_bins(onnx_package: Package) -> None:
    """Edges by column, without the validation rows' counts."""
    said = json.loads((onnx_package.path / "src" / "model" / "slipway.json").read_text())

    assert len(said["profile"]) == 64
    assert said["profile"][63] == {"name": "pixel_63", "edges": [1.0, 4.0, 8.0, 12.0, 15.0]}


def test_texts_and_truth_values_have_categories_in_the_manifest(artifact: Artifact) -> None:
    """Categories stay in their order; a column may come without any edge or category."""
    kinds = {"text": "str", "thing": "object", "truth": "bool", "whole": "int64"}
    signature = Signature(inputs=tuple(Column(name=name, kind=kind) for name, kind in kinds.items()), outputs=())
    profile = (
        ColumnProfile(name="truth", categories=("True", "False"), counts=(1, 2, 0, 0)),
        ColumnProfile(name="text", categories=("b", "a"), counts=(1, 2, 0, 0)),
        ColumnProfile(name="thing", counts=(0, 3)),
        ColumnProfile(name="whole", counts=(3, 0)),
    )

    said = make_manifest(artifact, signature, None, "sha256:00", profile)

    assert said["profile"] == [
        {"name": "truth", "categories": ["True", "False"]},
        {"name": "text", "categories": ["b", "a"]},
        {"name": "thing", "categories": []},
        {"name": "whole", "edges": []},
    ]


def bins(name: str, *edges: float) -> ColumnProfile:
    """Return the bins of a column of numbers."""
    return ColumnProfile(name=name, edges=edges, counts=(0,) * (len(edges) + 2))


def kinds(name: str, *categories: str) -> ColumnProfile:
    """Return the bins of a column of texts."""
    return ColumnProfile(name=name, categories=categories, counts=(0,) * (len(categories) + 2))


@pytest.mark.parametrize(
    ("profile", "said"),
    [
        ((bins("z", 1.0),), "profile of 'z': no such input column; expected an input column with one value a row"),
        ((bins("image", 1.0),), "profile of 'image': no such input column"),
        ((bins("a", 1.0), bins("a", 2.0)), "profile: a column that appears twice"),
        ((bins("word", 1.0),), "profile of 'word': edges [1.0] for str; expected categories for texts"),
        ((bins("a", float("nan")),), "profile of 'a': edges [nan]; expected finite numbers"),
        ((bins("a", 1.0, float("inf")),), "profile of 'a': edges [1.0, inf]; expected finite numbers"),
        ((kinds("word", "x", "x"),), "profile of 'word': categories ['x', 'x']; expected different texts"),
        ((kinds("a", "x"),), "profile of 'a': categories ['x'] for float64; expected edges for numbers"),
    ],
)
def test_a_profile_that_does_not_fit_the_signature_is_refused(artifact: Artifact, profile: Profile, said: str) -> None:
    """At once, and not when the service starts."""
    columns = (
        Column(name="a", kind="float64"),
        Column(name="word", kind="str"),
        Column(name="image", kind="float64", shape=(-1, 8, 8)),
    )

    with pytest.raises(PackagingFailed) as caught:
        make_manifest(artifact, Signature(inputs=columns, outputs=()), None, "sha256:00", profile)

    assert f"digits-v7, {said}" in str(caught.value)


def test_a_build_error_leaves_nothing(artifact: Artifact, onnx: Converted, other_sources: Path, tmp_path: Path) -> None:
    """A service that can't be imported fails the package with the reason."""
    (other_sources / "services" / "inference" / "service.py").write_text("raise RuntimeError('no such luck')\n")
    packager = BentoPackager(tmp_path / "home", other_sources)

    with pytest.raises(PackagingFailed, match="no such luck"):
        packager.build_package(artifact, SIGNATURE, onnx, LABELS, tmp_path / "store")

    assert not list((tmp_path / "store" / "packages").iterdir())
    assert not list((tmp_path / "home").iterdir())


def package_with_small_files(artifact: Artifact, onnx: Converted, folder: Path, label: str) -> str:
    """Package where no file may grow beyond 20,000 bytes; return the error's text."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
    try:
        packager = BentoPackager(folder / "home", ROOT)
        packager.build_package(artifact, SIGNATURE, onnx, {"note": label}, folder / "store")
    except PackagingFailed as error:
        return str(error)
    return "no error"


@pytest.mark.parametrize(("padding", "label"), [(30_000, ""), (0, "x" * 30_000)], ids=["the model", "the Bento"])
def test_a_full_disk_leaves_nothing(
    artifact: Artifact, onnx: Converted, tmp_path: Path, padding: int, label: str
) -> None:
    """Writing fails for real, before the build (a big model) or within it (a big label): one clear error."""
    model = tmp_path / "big.onnx"
    model.write_bytes(onnx.path.read_bytes() + b"\0" * padding)

    with multiprocessing.get_context("spawn").Pool(1) as pool:
        said = pool.apply(package_with_small_files, (artifact, replace(onnx, path=model), tmp_path, label))

    assert said.startswith("package of digits-v7:")
    assert "File too large" in said
    assert not list((tmp_path / "store" / "packages").iterdir())
    assert not list((tmp_path / "home").iterdir())


def test_a_store_that_may_not_be_written_is_named(packager: BentoPackager, artifact: Artifact, tmp_path: Path) -> None:
    """A file stands where the store should be."""
    (tmp_path / "store").write_text("in the way")

    with pytest.raises(PackagingFailed, match="room and permission"):
        packager.build_package(artifact, SIGNATURE, None, LABELS, tmp_path / "store")


def test_a_missing_checkout_is_named(artifact: Artifact, onnx: Converted, tmp_path: Path) -> None:
    """Without the service's source there is nothing to package."""
    with pytest.raises(PackagingFailed, match="no services/inference"):
        BentoPackager(tmp_path, tmp_path).build_package(artifact, SIGNATURE, onnx, LABELS, tmp_path)


def test_a_column_that_the_service_cannot_take_is_named(artifact: Artifact, onnx: Converted, tmp_path: Path) -> None:
    """Dates have no type in the protocol."""
    signature = Signature(inputs=(Column(name="day", kind="datetime64[ns]"),), outputs=())

    with pytest.raises(PackagingFailed, match=r"input 'day': type datetime64\[ns\]"):
        BentoPackager(tmp_path, ROOT).build_package(artifact, signature, onnx, LABELS, tmp_path)


@pytest.mark.parametrize(
    ("requirements", "said"),
    [
        (None, "requirements.txt: not there"),
        ("numpy==2.4.6\n--index-url https://me:pass@example.org/simple\n", "entry 2: an option"),
        ("pkg @ https://me:pass@example.org/pkg.whl\n", "entry 1: an option"),
    ],
)
def test_requirements_that_may_not_ship_are_refused(
    artifact: Artifact, tmp_path: Path, requirements: str | None, said: str
) -> None:
    """Options and credentials would end up in the package; the message does not show them."""
    if requirements is not None:
        (tmp_path / "requirements.txt").write_text(requirements)
    (tmp_path / "MLmodel").write_text("flavors: {}")

    with pytest.raises(PackagingFailed) as caught:
        BentoPackager(tmp_path / "home", ROOT).build_package(
            replace(artifact, path=tmp_path), SIGNATURE, None, LABELS, tmp_path / "store"
        )

    assert said in str(caught.value)
    assert "pass" not in str(caught.value)


@pytest.mark.parametrize(
    ("requirements", "said"),
    [
        (b"numpy==2.4.6\n" * 100_000, "1,300,000 bytes, over the 1,048,576 allowed"),
        (b"numpy==2.4.6\xff\n", "can't decode byte 0xff"),
        (b"numpy==2.4.6\0\n", "entry 1: an option"),
    ],
)
def test_requirements_that_are_no_text_are_refused(
    artifact: Artifact, tmp_path: Path, requirements: bytes, said: str
) -> None:
    """They are the model author's file: bounded in size, UTF-8, and without control characters."""
    (tmp_path / "requirements.txt").write_bytes(requirements)
    packager = BentoPackager(tmp_path / "home", ROOT)

    with pytest.raises(PackagingFailed, match=said):
        packager.build_package(replace(artifact, path=tmp_path), SIGNATURE, None, LABELS, tmp_path / "store")
