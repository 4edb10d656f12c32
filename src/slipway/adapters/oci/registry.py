"""A registry's HTTP API (OCI distribution), as far as adding a layer to an image needs it."""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from slipway.adapters.oci.access import RegistryAccess
from slipway.adapters.oci.credentials import DOCKER_HUB, find_login
from slipway.adapters.oci.image import DOCKER_MANIFEST, OCI_MANIFEST, Image, compute_digest, encode_document
from slipway.adapters.oci.layer import Layer
from slipway.errors import PackagingFailed, SlipwayError, TargetUnavailable

CALL_SECONDS = 30.0
ANSWER_SECONDS = 300.0
"""Time limit: a registry checks gigabytes before it answers."""
CHUNK = 1 << 20
REFUSALS = (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN)
LATER = (httpx.codes.TOO_MANY_REQUESTS, *range(500, 600))


class Registry:
    """One registry, for the repositories that one push touches."""

    def __init__(self, host: str, repositories: Sequence[str], *, insecure: bool) -> None:
        """Connect to HOST:PORT, in plain HTTP if `insecure`; with the logins of podman or docker."""
        self._host = host
        address = "registry-1.docker.io" if host == DOCKER_HUB else host
        self._client = httpx.Client(
            base_url=f"{'http' if insecure else 'https'}://{address}",
            auth=RegistryAccess(find_login(host), repositories),
            timeout=httpx.Timeout(CALL_SECONDS, read=ANSWER_SECONDS),
            follow_redirects=True,  # blobs may be in an object store
        )

    def __enter__(self) -> Self:
        """Open its connections."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Close them."""
        self._client.close()

    def find_digest(self, repository: str, tag: str) -> str | None:
        """Return the digest that a tag names; None: there is no such image."""
        found = self._find_manifest(repository, tag)
        return None if found is None else compute_digest(found.content)

    def get_image(self, repository: str, reference: str) -> Image:
        """Return an image's documents; raise PackagingFailed if it is not one image for one platform."""
        found = self._find_manifest(repository, reference)
        kind = "nothing" if found is None else found.headers.get("content-type", "")
        if found is None or kind not in {OCI_MANIFEST, DOCKER_MANIFEST}:
            raise PackagingFailed(
                f"image {repository}:{reference}",
                seen=kind,
                expected="an image's manifest",
                do="delete the tag in the registry, then release again: it is built again",
            )
        manifest = found.json()
        config = self._send_request("GET", f"/v2/{repository}/blobs/{manifest['config']['digest']}")
        return Image(media_type=kind, manifest=manifest, config=config.json(), digest=compute_digest(found.content))

    def push_image(self, repository: str, tag: str, image: Image) -> str:
        """Push configuration and manifest, whose layers exist; return the image's digest."""
        self._upload_blob(repository, image.manifest["config"]["digest"], encode_document(image.config))
        path, kind = f"/v2/{repository}/manifests/{tag}", {"content-type": image.media_type}
        self._send_request("PUT", path, content=encode_document(image.manifest), headers=kind)
        return image.digest

    def put_layer(self, repository: str, layer: Layer) -> None:
        """Push a layer, unless it exists."""
        self._upload_blob(repository, layer.digest, layer.path)

    def mount_blob(self, repository: str, digest: str, source: str) -> None:
        """Add a blob of another repository to this one: by a mount if the registry supports it, else by copying it."""
        if self._has_blob(repository, digest):
            return
        words = {"mount": digest, "from": source}
        answer = self._send_request("POST", f"/v2/{repository}/blobs/uploads/", params=words)
        if answer.status_code == httpx.codes.CREATED:
            return
        with self._translate_errors(), self._client.stream("GET", f"/v2/{source}/blobs/{digest}") as blob:
            if not blob.is_success:
                raise self._make_unexpected_error(blob, f"GET /v2/{source}/blobs")
            self._finish_upload(answer, digest, blob.iter_bytes(CHUNK), int(blob.headers["content-length"]))

    def _find_manifest(self, repository: str, reference: str) -> httpx.Response | None:
        accepted = {"accept": f"{OCI_MANIFEST}, {DOCKER_MANIFEST}"}
        return self._send_if_found("GET", f"/v2/{repository}/manifests/{reference}", headers=accepted)

    def _has_blob(self, repository: str, digest: str) -> bool:
        return self._send_if_found("HEAD", f"/v2/{repository}/blobs/{digest}") is not None

    def _upload_blob(self, repository: str, digest: str, content: bytes | Path) -> None:
        if self._has_blob(repository, digest):
            return
        begun = self._send_request("POST", f"/v2/{repository}/blobs/uploads/")
        if isinstance(content, bytes):
            self._finish_upload(begun, digest, iter([content]), len(content))
        else:
            with content.open("rb") as file:
                self._finish_upload(begun, digest, iter(lambda: file.read(CHUNK), b""), content.stat().st_size)

    def _finish_upload(self, begun: httpx.Response, digest: str, content: Iterator[bytes], size: int) -> None:
        place = begun.url.join(begun.headers["location"]).copy_merge_params({"digest": digest})
        headers = {"content-type": "application/octet-stream", "content-length": str(size)}
        # an object store's signed address is enough to write: our login is not sent to it
        access = httpx.USE_CLIENT_DEFAULT if place.host == begun.url.host else None
        with self._translate_errors():
            answer = self._client.request("PUT", place, content=content, headers=headers, auth=access)
        self._check_answer(answer, f"PUT {place.path}")

    def _send_if_found(self, method: str, path: str, *, headers: dict[str, str] | None = None) -> httpx.Response | None:
        with self._translate_errors():
            answer = self._client.request(method, path, headers=headers)
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        return self._check_answer(answer, f"{method} {path}")

    def _send_request(
        self,
        method: str,
        path: str,
        *,
        content: bytes | None = None,
        headers: dict[str, str] | None = None,
        params: dict[str, str] | None = None,
    ) -> httpx.Response:
        with self._translate_errors():
            answer = self._client.request(method, path, content=content, headers=headers, params=params)
        return self._check_answer(answer, f"{method} {path}")

    def _check_answer(self, answer: httpx.Response, asked: str) -> httpx.Response:
        if not answer.is_success:
            raise self._make_unexpected_error(answer, asked)
        return answer

    def _make_unexpected_error(self, answer: httpx.Response, asked: str) -> SlipwayError:
        seen, status = f"{asked}: answered {answer.status_code}", answer.status_code
        if status in REFUSALS:
            do = f"log in as a user who may push: `podman login {self._host}` (or buildah login, docker login)"
            return PackagingFailed(f"registry {self._host}", seen=seen, expected="leave to push", do=do)
        if status in LATER:
            do = "see the registry's log; the release may be tried again"
            return TargetUnavailable(f"registry {self._host}", seen=seen, expected="an answer", do=do)
        do = "look at SLIPWAY_REGISTRY: HOST:PORT/PATH of a registry for container images"
        return PackagingFailed(f"registry {self._host}", seen=seen, expected="a registry's answer", do=do)

    @contextlib.contextmanager
    def _translate_errors(self) -> Iterator[None]:
        try:
            yield
        except httpx.TransportError as error:
            raise TargetUnavailable(
                f"registry {self._host}",
                seen=f"no answer ({type(error).__name__})",
                expected="a registry that answers (SLIPWAY_REGISTRY_INSECURE=true if it speaks plain HTTP)",
                do="start it or fix the network, then release again",
            ) from error
