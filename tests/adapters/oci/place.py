"""Registries of our own, real ones, and packages to push to them."""

import contextlib
import gzip
import io
import os
import shutil
import socket
import subprocess
import tarfile
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from slipway.adapters.oci.image import OCI_MANIFEST, Image, compute_digest, encode_document
from slipway.adapters.oci.layer import write_layer
from slipway.adapters.oci.registry import Registry
from slipway.adapters.oci.runtime import find_runtime
from slipway.domain.rollout.revision import Package

BASE = "docker.io/library/python:3.11-slim"
PASSWORDS = "somebody:$2b$05$abcdefghijklmnopqrstuutXu9KzOt.1yBoZUeFWoT/914/JfszCO\n"
LOGIN = ("somebody", "open-sesame")


@contextlib.contextmanager
def registry(folder: Path, *, locked: bool = False) -> Iterator[str]:
    """Run a registry and give its HOST:PORT; a locked one lets LOGIN in alone."""
    program = shutil.which("docker-registry") or shutil.which("registry")
    if program is None:
        pytest.skip("needs the program docker-registry (Debian: apt install docker-registry)")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{probe.getsockname()[1]}"
    (folder / "passwords").write_text(PASSWORDS)
    lines = ["version: 0.1", "log: {level: warn}", f"storage: {{filesystem: {{rootdirectory: {folder / 'data'}}}}}"]
    lines += [f"http: {{addr: '{host}'}}"]
    lines += [f"auth: {{htpasswd: {{realm: test, path: {folder / 'passwords'}}}}}"] if locked else []
    (folder / "registry.yml").write_text("\n".join(lines))
    # it would read REGISTRY_AUTH_FILE, which names our logins, as a setting of its own
    clean = {name: value for name, value in os.environ.items() if not name.startswith("REGISTRY_")}
    command = [program, "serve", str(folder / "registry.yml")]
    with subprocess.Popen(command, env=clean, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            deadline = time.monotonic() + 30
            while not _answers(f"http://{host}/v2/"):
                assert time.monotonic() < deadline, "the registry does not answer"
                threading.Event().wait(0.05)
            yield host
        finally:
            process.terminate()


@contextlib.contextmanager
def without_links(host: str) -> Iterator[str]:
    """Stand in front of a registry and keep it from linking blobs between repositories, as some can't."""

    class Forgetful(BaseHTTPRequestHandler):
        def _pass_on(self) -> None:
            size = int(self.headers.get("content-length") or 0)
            path = self.path.partition("?")[0] if "mount=" in self.path else self.path
            headers = {name: value for name, value in self.headers.items() if name.lower() != "content-length"}
            answer = httpx.request(
                self.command, f"http://{host}{path}", content=self.rfile.read(size), headers=headers, timeout=60
            )
            self.send_response(answer.status_code)
            for name in ("content-type", "location"):
                if name in answer.headers:
                    self.send_header(name, answer.headers[name])
            self.send_header("content-length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        do_GET = do_HEAD = do_POST = do_PUT = _pass_on  # noqa: N815 - names that the class asks for

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Forgetful) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


def _answers(address: str) -> bool:
    try:
        return httpx.get(address).status_code in {200, 401}
    except httpx.TransportError:
        return False


def package(folder: Path, version: int = 7, *, needs: str = "tiny==1.0", model: str = "digits") -> Package:
    """Write what a Bento has that images are made of."""
    path = folder / f"{model}-{version}"
    files = {"env/python/requirements.txt": f"{needs}\n", "src/model/model.onnx": f"weights {version}" * 100}
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(content)
    digest = compute_digest(f"{model} {version} {needs}".encode())
    labels = {"commit": "4f1c", "artifact": "sha256:a", "served": "sha256:b"}
    tag = f"{model}:v{version}-{digest[7:19]}"
    return Package(model=model, version=version, path=path, digest=digest, tag=tag, runtime="pyfunc", labels=labels)


def put_runtime(host: str, folder: Path, one: Package) -> str:
    """Put a runtime for a package into a registry, without building any; return its digest."""
    content = folder / "runtime"
    content.mkdir(exist_ok=True)
    (content / "python").write_text("an interpreter")
    layer = write_layer(content, "/opt/venv", folder / "runtime.tar.gz")
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"User": "10001:10001", "Labels": {"built.by": "tests"}},
        "rootfs": {"type": "layers", "diff_ids": [layer.diff_id]},
        "history": [{"created_by": "tests"}],
    }
    described = {"digest": compute_digest(encode_document(config)), "size": len(encode_document(config))}
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", **described},
        "layers": [
            {
                "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
                "digest": layer.digest,
                "size": layer.size,
            }
        ],
    }
    image = Image(
        media_type=OCI_MANIFEST, manifest=manifest, config=config, digest=compute_digest(encode_document(manifest))
    )
    with Registry(host, ["slipway-runtime"], insecure=True) as there:
        there.put_layer("slipway-runtime", layer)
        return there.push_image("slipway-runtime", find_runtime(one, BASE, gpu=False).key, image)


def pulled(reference: str) -> tuple[Image, dict[str, bytes]]:
    """Return an image's documents and the files of its last layer, by name."""
    host, _, rest = reference.partition("/")
    repository, _, digest = rest.partition("@")
    with Registry(host, [repository], insecure=True) as there:
        image = there.get_image(repository, digest)
    return image, files_of(host, repository, image.manifest["layers"][-1]["digest"])


def files_of(host: str, repository: str, layer: str) -> dict[str, bytes]:
    """Return a layer's files."""
    blob = httpx.get(f"http://{host}/v2/{repository}/blobs/{layer}", timeout=60).raise_for_status().content
    found = {}
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(blob))) as tar:
        for member in tar:
            content = tar.extractfile(member) if member.isfile() else None
            found[member.name] = content.read() if content else b""
    return found
