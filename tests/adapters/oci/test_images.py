"""Packages pushed to real registries: what arrives, what is not sent twice, and what is said when it can't be."""

import base64
import json
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from slipway.adapters.oci.images import OciImages, RegistryAddress
from slipway.errors import PackagingFailed, SettingsError, TargetUnavailable
from tests.adapters.oci import place


def images(host: str, work: Path, *, builder: str = "auto") -> OciImages:
    """Return a store of images."""
    return OciImages(RegistryAddress.parse(host, insecure=True), builder, place.BASE, work)


def test_a_release_is_one_layer_on_its_runtime(registry: str, tmp_path: Path) -> None:
    """The runtime's layers and settings stay; the package lies on top, with labels that say what it is."""
    one = place.package(tmp_path)

    reference = images(registry, tmp_path / "work").push(one)

    image, files = place.pulled(reference)
    labels = image.config["config"]["Labels"]
    assert reference == f"{registry}/digits@{image.digest}"
    assert len(image.manifest["layers"]) == len(image.config["rootfs"]["diff_ids"]) == 2
    assert image.config["config"]["User"] == "10001:10001"
    assert files["opt/bento/src/model/model.onnx"] == b"weights 7" * 100
    assert labels.pop("built.by") == "tests"
    assert labels.pop("org.opencontainers.image.base.name").startswith("slipway-runtime:")
    assert labels.pop("org.opencontainers.image.base.digest").startswith("sha256:")
    assert labels == {
        "org.opencontainers.image.title": "digits",
        "org.opencontainers.image.version": "7",
        "org.opencontainers.image.revision": "4f1c",
        "slipway.dev/model": "digits",
        "slipway.dev/version": "7",
        "slipway.dev/package": one.digest,
        "slipway.dev/artifact": "sha256:a",
        "slipway.dev/served": "sha256:b",
        "slipway.dev/device": "cpu",
    }
    assert labels.items() <= image.manifest["annotations"].items()
    assert list((tmp_path / "work").iterdir()) == []


def test_the_same_package_is_the_same_image_everywhere(registry: str, tmp_path: Path) -> None:
    """Pushed from other files at another time, to another registry: the same digest."""
    (tmp_path / "other").mkdir()
    with place.registry(tmp_path / "other") as elsewhere:
        place.put_runtime(elsewhere, tmp_path / "other", place.package(tmp_path))

        here = images(registry, tmp_path / "work").push(place.package(tmp_path))
        there = images(elsewhere, tmp_path / "work").push(place.package(tmp_path / "other"))

    assert here.partition("@")[2] == there.partition("@")[2]


def test_a_registry_without_links_gets_copies(registry: str, tmp_path: Path) -> None:
    """The runtime's layers are read and sent again: slower, and the same image."""
    one = place.package(tmp_path, model="copied")
    with place.without_links(registry) as host:
        reference = images(host, tmp_path / "work").push(one)

    image, _ = place.pulled(reference.replace(host, registry))
    first = image.manifest["layers"][0]["digest"]
    assert place.files_of(registry, "copied", first)["opt/venv/python"] == b"an interpreter"


def test_what_is_there_is_found_without_its_files(registry: str, tmp_path: Path) -> None:
    """A resumed release asks again: nothing is packed, and nothing is sent."""
    one = place.package(tmp_path, 8)
    store = images(registry, tmp_path / "work")
    first = store.push(one)
    (one.path / "src" / "model" / "model.onnx").unlink()

    assert store.push(one) == first


def test_another_runtime_makes_another_image(registry: str, tmp_path: Path) -> None:
    """The same package under other dependencies must not be found under its old name."""
    one = place.package(tmp_path, 9)
    images(registry, tmp_path / "work").push(one)
    place.package(tmp_path, 9, needs="tiny==2.0")  # the same folder says something else now

    with pytest.raises(PackagingFailed, match="builder of images"):
        images(registry, tmp_path / "work", builder="podman").push(one)


def test_a_registry_that_is_down_may_be_tried_again(tmp_path: Path) -> None:
    """Nobody listens there."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{probe.getsockname()[1]}"

        with pytest.raises(TargetUnavailable, match=rf"registry {host}: no answer \(ConnectError\)"):
            images(host, tmp_path / "work").push(place.package(tmp_path))


def test_a_registry_that_refuses_is_told_with_the_way_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a login, and with a wrong one, whose password is not shown."""
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(tmp_path / "auth.json"))
    with place.registry(tmp_path, locked=True) as host:
        for login in (None, ("somebody", "guessed")):
            wrong = {} if login is None else {host: {"auth": base64.b64encode(":".join(login).encode()).decode()}}
            (tmp_path / "auth.json").write_text(json.dumps({"auths": wrong}))

            with pytest.raises(PackagingFailed, match=rf"answered 401.*`podman login {host}`") as caught:
                images(host, tmp_path / "work").push(place.package(tmp_path))

            assert "guessed" not in str(caught.value)


def test_a_login_lets_us_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that podman or docker keeps."""
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(tmp_path / "auth.json"))
    with place.registry(tmp_path, locked=True) as host:
        login = base64.b64encode(":".join(place.LOGIN).encode()).decode()
        (tmp_path / "auth.json").write_text(json.dumps({"auths": {host: {"auth": login}}}))
        one = place.package(tmp_path)
        place.put_runtime(host, tmp_path, one)

        reference = images(host, tmp_path / "work").push(one)

    assert reference.startswith(f"{host}/digits@sha256:")


def test_no_builder_says_what_to_install(registry: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only a package with new dependencies needs one."""
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(PackagingFailed, match=r"no buildah and no podman and no docker on PATH.*apt install buildah"):
        images(registry, tmp_path / "work").push(place.package(tmp_path, needs="unheard==1.0"))


def test_a_folder_that_is_no_bento_is_refused(registry: str, tmp_path: Path) -> None:
    """It does not say what it needs."""
    lost = replace(place.package(tmp_path), path=tmp_path / "nowhere")

    with pytest.raises(PackagingFailed, match=r"image of digits:v7-.*requirements.txt: No such file"):
        images(registry, tmp_path / "work").push(lost)


def test_no_room_to_work_in_is_told(registry: str, tmp_path: Path) -> None:
    """A file where the folder should be stands for a full disk: the reason is the system's own."""
    (tmp_path / "work").write_text("not a folder")

    with pytest.raises(PackagingFailed, match="image: File exists; expected room and permission"):
        images(registry, tmp_path / "work").push(place.package(tmp_path, 10))


@pytest.mark.parametrize("registry_", ["", "https://registry.example", "me:secret@registry.example", "r.example/Team"])
def test_an_address_that_is_none_is_refused(registry_: str) -> None:
    """And a login in it is not shown."""
    with pytest.raises(SettingsError, match="SLIPWAY_REGISTRY") as caught:
        RegistryAddress.parse(registry_, insecure=False)

    assert "secret" not in str(caught.value)
