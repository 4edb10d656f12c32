"""MLflow's registry: what there is, what there is not, and artifacts that are whole or refused."""

import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from slipway.adapters.mlflow.registry import MlflowRegistry
from slipway.artifacts.store import compute_tree_digest
from slipway.errors import ArtifactBroken, NotFound, RegistryUnavailable

if TYPE_CHECKING:
    from tests.adapters.mlflow.conftest import Registered, Server


@pytest.fixture
def registry(server: "Server") -> MlflowRegistry:
    """Return the adapter under test."""
    return MlflowRegistry(server.uri, 10)


@pytest.fixture(scope="session")
def digits(register: "Callable[[str], Registered]") -> "Registered":
    """Return the second of two registered versions of `digits`."""
    register("digits")
    return register("digits")


def left_in(store: Path) -> list[str]:
    """Return what lies in a store, unfinished things too."""
    return [path.name for path in (store / "models").glob("*")] if store.exists() else []


def test_a_version_is_found_by_number_and_by_alias(registry: MlflowRegistry, digits: "Registered") -> None:
    """Both ways lead to the same record, with its aliases."""
    registry.set_alias("digits", "candidate", digits.version)

    by_number, by_alias = (
        registry.get_version("digits", str(digits.version)),
        registry.get_version("digits", "candidate"),
    )

    assert by_number == by_alias
    assert (by_number.model, by_number.version, by_number.name) == ("digits", 2, "digits-v2")
    assert by_number.aliases == ("candidate",)
    assert by_number.source.startswith("models:/m-")
    assert by_number.created_at > 1_700_000_000


def test_the_identity_follows_what_the_record_points_at(registry: MlflowRegistry, digits: "Registered") -> None:
    """Tags and aliases leave it alone; another artifact changes it."""
    before = registry.get_version("digits", "2")
    registry.set_tags("digits", digits.version, {"note": "looked at"})

    after, other = registry.get_version("digits", "2"), registry.get_version("digits", "1")

    assert after.identity == before.identity
    assert other.identity != before.identity
    assert len(before.identity) == 64


@pytest.mark.parametrize("version", ["9", "0", "99999999999999999999", "nobody", "٣", "a b", ""])
def test_an_unknown_version_or_alias_is_named_with_those_that_exist(
    registry: MlflowRegistry, digits: "Registered", version: str
) -> None:
    """The message lists what could have been meant."""
    with pytest.raises(NotFound, match=r"model digits: no (version|alias) .*; expected one of .*2.*, 1"):
        registry.get_version(digits.model, version)


@pytest.mark.parametrize("model", ["digit", "", "no/such", "it's", "a'b\"c"])
def test_an_unknown_model_is_named_with_those_that_exist(
    registry: MlflowRegistry, digits: "Registered", model: str
) -> None:
    """By version and as a whole."""
    with pytest.raises(NotFound, match=f"no such model in the registry; expected one of .*{digits.model}"):
        registry.get_version(model, "1")
    with pytest.raises(NotFound, match="no such model in the registry"):
        registry.list_versions(model)


def test_versions_come_oldest_first_with_tags_and_aliases(
    registry: MlflowRegistry, register: "Callable[[str], Registered]"
) -> None:
    """Ten versions and more are ordered as numbers; a search alone would not tell the aliases."""
    for _ in range(3):
        register("ordered")
    registry.set_alias("ordered", "champion", 1)
    registry.set_tags("ordered", 2, {"slipway.state": "stopped", "slipway.attempt": "1"})

    versions = registry.list_versions("ordered")

    assert [one.version for one in versions] == [1, 2, 3]
    assert [one.aliases for one in versions] == [("champion",), (), ()]
    assert versions[1].tags == {"slipway.state": "stopped", "slipway.attempt": "1"}
    assert versions[1].state == "stopped"


def test_all_models_are_named(registry: MlflowRegistry, digits: "Registered", server: "Server") -> None:
    """Sorted, with those that have no version yet."""
    server.api("POST", "registered-models/create", json={"name": "a-new-one"})

    models = registry.list_models()

    assert models == sorted(models)
    assert {"a-new-one", digits.model} <= set(models)
    assert registry.list_versions("a-new-one") == []


def test_the_newest_version_of_every_model_comes_in_one_answer(
    registry: MlflowRegistry, register: "Callable[[str], Registered]", server: "Server"
) -> None:
    """The same record that `versions` gives, with tags and aliases; models without a version are left out."""
    for model in ("newest", "newest", "another"):
        register(model)
    server.api("POST", "registered-models/create", json={"name": "without-a-version"})
    registry.set_alias("newest", "challenger", 2)
    registry.set_tags("newest", 2, {"slipway.state": "releasing"})

    newest = registry.list_newest_versions()

    assert [newest[model] for model in ("newest", "another")] == [
        registry.list_versions("newest")[1],
        registry.list_versions("another")[0],
    ]
    assert newest["newest"].aliases == ("challenger",)
    assert "without-a-version" not in newest


def test_an_alias_moves_and_goes(registry: MlflowRegistry, digits: "Registered") -> None:
    """Setting it twice, and taking it away twice, changes nothing more."""
    for version in (1, 1, digits.version):
        registry.set_alias("digits", "moving", version)
    moved = registry.get_version("digits", "moving").version
    for _ in range(2):
        registry.set_alias("digits", "moving", None)

    assert moved == digits.version
    with pytest.raises(NotFound, match="no alias moving"):
        registry.get_version("digits", "moving")


def test_what_does_not_exist_gets_no_alias_and_no_tag(registry: MlflowRegistry, digits: "Registered") -> None:
    """The message says which version is missing."""
    with pytest.raises(NotFound, match="no version 9 for alias 'champion'"):
        registry.set_alias(digits.model, "champion", 9)
    with pytest.raises(NotFound, match="model digits: no version 9"):
        registry.set_tags(digits.model, 9, {"slipway.state": "stopped"})


def test_an_artifact_is_fetched_under_its_digest(
    registry: MlflowRegistry, digits: "Registered", digits_model: Path, tmp_path: Path
) -> None:
    """The digest is the one of the folder that was logged."""
    artifact = registry.download(registry.get_version("digits", str(digits.version)), tmp_path)

    assert artifact.digest == compute_tree_digest(digits_model) == compute_tree_digest(artifact.path)
    assert artifact.path == tmp_path / "models" / artifact.digest.removeprefix("sha256:")
    assert artifact.version.version == digits.version
    assert left_in(tmp_path) == [artifact.path.name]


def test_an_artifact_that_is_there_is_kept_and_a_damaged_one_replaced(
    registry: MlflowRegistry, digits: "Registered", tmp_path: Path
) -> None:
    """What is in the store is believed only as long as it has its digest."""
    version = registry.get_version("digits", str(digits.version))
    first = registry.download(version, tmp_path)
    made = first.path.stat().st_ino
    kept = registry.download(version, tmp_path).path.stat().st_ino
    (first.path / "MLmodel").write_text("flavors: {}")
    (first.path / "link").symlink_to("/")

    again = registry.download(version, tmp_path)

    assert kept == made
    assert compute_tree_digest(again.path) == again.digest == first.digest
    assert left_in(tmp_path) == [first.path.name]


def test_a_file_that_clients_generate_does_not_count(
    registry: MlflowRegistry, register: "Callable[[str], Registered]", digits_model: Path, tmp_path: Path
) -> None:
    """`registered_model_meta` is written into downloads by some MLflow versions."""
    one = register("generated")
    (one.folder / "registered_model_meta").write_text("model_name: generated\n")

    artifact = registry.download(registry.get_version("generated", "1"), tmp_path)

    assert artifact.digest == compute_tree_digest(digits_model)


def test_a_changed_artifact_gets_another_digest(
    registry: MlflowRegistry, register: "Callable[[str], Registered]", tmp_path: Path
) -> None:
    """The same version, another content: both are told apart, and the first stays."""
    one = register("changing")
    version = registry.get_version("changing", "1")
    before = registry.download(version, tmp_path)
    (one.folder / "requirements.txt").write_text("scikit-learn\n" * 100)

    after = registry.download(version, tmp_path)

    assert after.digest != before.digest
    assert sorted(left_in(tmp_path)) == sorted([before.path.name, after.path.name])
    assert compute_tree_digest(before.path) == before.digest


def _remove_all(folder: Path) -> None:
    for path in sorted(folder.rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()


BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "gone": (_remove_all, "no MLmodel file"),
    "no MLmodel": (lambda folder: (folder / "MLmodel").unlink(), "no MLmodel file"),
    "no model": (lambda folder: (folder / "model.skops").unlink(), r"\d+ bytes beside MLmodel; expected at least the"),
    "half a model": (lambda folder: _halve(folder / "model.skops"), "bytes beside MLmodel; expected at least the"),
    "empty MLmodel": (lambda folder: (folder / "MLmodel").write_text(""), "without flavors"),
    "MLmodel cut": (lambda folder: (folder / "MLmodel").write_text("flavors:\n  sklearn: {"), "that is no YAML"),
}


def _halve(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


@pytest.mark.parametrize("how", BROKEN)
def test_a_broken_artifact_is_refused_and_leaves_nothing(
    registry: MlflowRegistry, register: "Callable[[str], Registered]", tmp_path: Path, how: str
) -> None:
    """Missing, incomplete or truncated in the registry's own store."""
    one = register("broken")
    damage, message = BROKEN[how]
    damage(one.folder)

    with pytest.raises(ArtifactBroken, match=f"artifact of broken-v{one.version}: .*{message}"):
        registry.download(registry.get_version("broken", str(one.version)), tmp_path)

    assert left_in(tmp_path) == []


def test_a_download_that_breaks_off_leaves_nothing(
    breaking: Callable[[bytes, int], AbstractContextManager[str]], digits: "Registered", tmp_path: Path
) -> None:
    """A lost connection in the middle of a file: try again later."""
    with breaking(b"model.skops HTTP", 2000) as uri:
        registry = MlflowRegistry(uri, 10)
        version = registry.get_version("digits", str(digits.version))

        with pytest.raises(RegistryUnavailable, match=r"MLflow at http://127.*peer closed connection"):
            registry.download(version, tmp_path)

    assert left_in(tmp_path) == []


FULL = """
import resource, sys
from pathlib import Path
from slipway.adapters.mlflow.registry import MlflowRegistry
from slipway.errors import ArtifactBroken
registry = MlflowRegistry(sys.argv[1], 10)
version = registry.get_version("digits", "2")
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    registry.download(version, Path(sys.argv[2]))
except ArtifactBroken as error:
    print(error)
"""


def test_a_full_disk_is_said_and_leaves_nothing(server: "Server", digits: "Registered", tmp_path: Path) -> None:
    """The disk's own refusal, here by the limit that a process has on its files."""
    assert digits.version == 2

    command = [sys.executable, "-c", FULL, server.uri, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=240)

    assert "artifact of digits-v2: can't be written to the store: File too large" in done.stdout
    assert "Next: free disk space" in done.stdout
    assert left_in(tmp_path) == []


def test_artifacts_that_clients_fetch_themselves_are_copied(
    strict_server: "Server", digits_model: Path, tmp_path: Path
) -> None:
    """A server that does not hand artifacts out names a folder, here one of this machine."""
    _, registry = _logged_to_a_folder(strict_server, "copied", digits_model)

    artifact = registry.download(registry.get_version("copied", "1"), tmp_path)

    assert artifact.digest == compute_tree_digest(digits_model)
    assert left_in(tmp_path) == [artifact.path.name]


@pytest.mark.parametrize("target", ["/etc/hostname", "../../secret", "MLmodel"])
def test_a_link_in_an_artifact_is_refused(
    strict_server: "Server", digits_model: Path, tmp_path: Path, target: str
) -> None:
    """A link can lead out of the artifact, into what is not the model's."""
    folder, registry = _logged_to_a_folder(strict_server, "linked", digits_model)
    (folder / "requirements.txt").unlink()
    (folder / "requirements.txt").symlink_to(target)
    version = registry.list_versions("linked")[-1]

    with pytest.raises(ArtifactBroken, match="a link; expected plain files"):
        registry.download(version, tmp_path)

    assert left_in(tmp_path) == []


def test_a_folder_that_is_not_on_this_machine_is_said(
    strict_server: "Server", digits_model: Path, tmp_path: Path
) -> None:
    """The usual cause: a server elsewhere that does not hand out its artifacts."""
    folder, registry = _logged_to_a_folder(strict_server, "elsewhere", digits_model)
    folder.rename(folder.with_name("moved"))

    with pytest.raises(ArtifactBroken, match=r"no such folder on this machine.*--artifacts-destination"):
        registry.download(registry.get_version("elsewhere", "1"), tmp_path)


def _logged_to_a_folder(server: "Server", model: str, content: Path) -> tuple[Path, MlflowRegistry]:
    """Register a model whose artifact lies in a folder of this machine."""
    registry = MlflowRegistry(server.uri, 10)
    if model not in registry.list_models():
        server.api("POST", "registered-models/create", json={"name": model})
        server.api("POST", "experiments/create", json={"name": f"runs of {model}"})
    experiment = server.api("GET", "experiments/get-by-name", params={"experiment_name": f"runs of {model}"})
    request = {"experiment_id": experiment["experiment"]["experiment_id"]}
    run = server.api("POST", "runs/create", json=request)["run"]["info"]
    folder = Path(run["artifact_uri"]) / "model"
    folder.mkdir(parents=True)
    for path in content.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    request = {"name": model, "source": str(folder), "run_id": run["run_id"]}
    server.api("POST", "model-versions/create", json=request)
    return folder, registry


def test_a_store_without_a_client_is_said(registry: MlflowRegistry, server: "Server", tmp_path: Path) -> None:
    """Object stores are left to MLflow's own client; what it says is passed on."""
    server.api("POST", "registered-models/create", json={"name": "far"})
    server.api("POST", "model-versions/create", json={"name": "far", "source": "gopher://bucket/model"})

    with pytest.raises(ArtifactBroken, match=r"artifact store gopher://: .*gopher"):
        registry.download(registry.get_version("far", "1"), tmp_path)

    assert left_in(tmp_path) == []


def test_names_with_spaces_and_signs_are_fetched(
    registry: MlflowRegistry, register: "Callable[[str], Registered]", tmp_path: Path
) -> None:
    """Names are not taken for parts of an address."""
    one = register("signs")
    (one.folder / "code").mkdir()
    (one.folder / "code" / "a&b (1) +ü.py").write_text("pass")

    artifact = registry.download(registry.get_version("signs", "1"), tmp_path)

    assert (artifact.path / "code" / "a&b (1) +ü.py").read_text() == "pass"


def test_nothing_of_mlflow_is_imported(server: "Server") -> None:
    """Its import takes seconds: the adapter must start at once."""
    code = (
        "import sys; from slipway.adapters.mlflow import ledger, webhooks;"
        "from slipway.adapters.mlflow.registry import MlflowRegistry;"
        f"registry = MlflowRegistry({server.uri!r}, 10); registry.list_models();"
        "sys.exit('mlflow' in sys.modules or 'pandas' in sys.modules)"
    )

    done = subprocess.run([sys.executable, "-c", code], check=False, timeout=240)

    assert done.returncode == 0
    assert httpx.get(f"{server.uri}/health").is_success
