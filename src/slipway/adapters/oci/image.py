"""An image as documents: a runtime image with one more layer and labels on top. Pure: nothing is fetched or pushed."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from slipway.adapters.oci.layer import Layer
from slipway.domain.rollout.revision import Package

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
LAYERS = {
    OCI_MANIFEST: "application/vnd.oci.image.layer.v1.tar+gzip",
    DOCKER_MANIFEST: "application/vnd.docker.image.rootfs.diff.tar.gzip",
}
"""A gzipped layer's media type by that of the manifest: builders write both forms."""
EPOCH = "1970-01-01T00:00:00Z"
"""Creation time of every image: two of the same package are the same image."""
Document = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """A manifest and the configuration it names."""

    media_type: str
    manifest: Document
    config: Document
    digest: str


def extend_image(base: Image, layer: Layer, labels: Mapping[str, str]) -> Image:
    """Return the base with a layer on top; labels in its configuration, and as annotations of its manifest."""
    history = [*base.config.get("history", []), {"created": EPOCH, "created_by": "slipway: the package"}]
    inner = base.config.get("config", {})
    config = {
        **base.config,
        "created": EPOCH,
        "config": {**inner, "Labels": {**(inner.get("Labels") or {}), **labels}},
        "rootfs": {"type": "layers", "diff_ids": [*base.config["rootfs"]["diff_ids"], layer.diff_id]},
        "history": history,
    }
    content = encode_document(config)
    added = {"mediaType": LAYERS[base.media_type], "digest": layer.digest, "size": layer.size}
    manifest = {
        **base.manifest,
        "mediaType": base.media_type,
        "config": {**base.manifest["config"], "digest": compute_digest(content), "size": len(content)},
        "layers": [*base.manifest["layers"], added],
        "annotations": {**base.manifest.get("annotations", {}), **labels},
    }
    return Image(
        media_type=base.media_type, manifest=manifest, config=config, digest=compute_digest(encode_document(manifest))
    )


def make_labels(package: Package, base: Mapping[str, str], *, gpu: bool) -> dict[str, str]:
    """Return an image's annotations: those that OCI defines, and ours. `base`: its name and digest."""
    said = package.labels
    labels = {
        "org.opencontainers.image.title": package.model,
        "org.opencontainers.image.version": str(package.version),
        "org.opencontainers.image.revision": said.get("commit", ""),
        "org.opencontainers.image.base.name": base["name"],
        "org.opencontainers.image.base.digest": base["digest"],
        "slipway.dev/model": package.model,
        "slipway.dev/version": str(package.version),
        "slipway.dev/package": package.digest,
        "slipway.dev/artifact": said.get("artifact", ""),
        "slipway.dev/served": said.get("served", ""),
        "slipway.dev/device": "gpu" if gpu else "cpu",
    }
    return {name: value for name, value in labels.items() if value}


def encode_document(document: Document) -> bytes:
    """Return a document's bytes; equal documents give equal bytes."""
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def compute_digest(content: bytes) -> str:
    """Return a content's digest.

    >>> compute_digest(b"")[:14]
    'sha256:e3b0c44'
    """
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
