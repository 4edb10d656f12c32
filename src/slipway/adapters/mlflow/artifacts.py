"""Artifact trees: read and written through the MLflow server if it serves them, else at their location."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

from slipway.adapters.mlflow.refusals import MlflowRefused
from slipway.adapters.mlflow.rest import MlflowRest
from slipway.artifacts import store
from slipway.errors import ArtifactBroken, RegistryUnavailable, SlipwayError

FILES_LIMIT = 10_000
"""More files than any model has: a longer listing is an error."""
DEPTH_LIMIT = 32
"""Deeper than any model's folders: detects a folder that contains itself."""


def download_tree(rest: MlflowRest, uri: str, folder: Path) -> Path:
    """Fetch the tree at an artifact address into an empty folder; return the root of the tree in it.

    Raises ArtifactBroken, RegistryUnavailable, and OSError if the disk is full.
    """
    if (root := _find_served_path(uri)) is not None:
        for path in _list_tree(rest, root, "", 0):
            _fetch_file(rest, root, path, folder)
        return folder
    if (local := _find_local_path(uri)) is not None:
        return _copy_tree(local, folder / "copy")
    return _download_by_mlflow(rest, uri, folder)


def read_file(rest: MlflowRest, uri: str, name: str) -> bytes:
    """Return one file of the tree at an artifact address. Raises as `download_tree`."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        if (root := _find_served_path(uri)) is not None:
            _fetch_file(rest, root, (name, None), folder)
            return (folder / name).read_bytes()
        if (local := _find_local_path(uri)) is not None:
            if not (local / name).is_file():
                raise _make_missing_error(f"artifact {name}", "no such file on this machine")
            return (local / name).read_bytes()
        return _download_by_mlflow(rest, f"{uri.rstrip('/')}/{name}", folder).read_bytes()


def upload_file(rest: MlflowRest, uri: str, name: str, content: bytes) -> None:
    """Write one file into the tree at an artifact address. Raises as `download_tree`."""
    if (root := _find_served_path(uri)) is not None:
        rest.write_artifact(f"{root}/{name}", content)
    elif (local := _find_local_path(uri)) is not None:
        store.write_atomic(local / name, content)
    else:
        _upload_by_mlflow(rest, uri, name, content)


def _find_served_path(uri: str) -> str | None:
    """Return the path below the server's own artifact folder; None if the server does not serve the artifact."""
    parts = urlsplit(uri)
    return unquote(parts.path).strip("/") if parts.scheme == "mlflow-artifacts" and not parts.netloc else None


def _find_local_path(uri: str) -> Path | None:
    parts = urlsplit(uri)
    return Path(unquote(parts.path)) if parts.scheme in {"", "file"} and not parts.netloc else None


def _list_tree(rest: MlflowRest, root: str, inside: str, depth: int) -> Iterator[tuple[str, int | None]]:
    """Yield every file below a folder of the server: its path from the root, and its size in bytes where listed."""
    listing = rest.list_artifacts(f"{root}/{inside}".rstrip("/"))
    if depth > DEPTH_LIMIT or len(listing) > FILES_LIMIT:
        raise _make_missing_error("the artifact's listing", f"{len(listing)} entries, {depth} folders deep")
    for entry in listing:
        name = str(entry.get("path", ""))
        if name in {"", ".", ".."} or "/" in name or "\\" in name or "\0" in name:
            raise _make_missing_error(
                "the artifact's listing", f"the name {name!r}, which would lead out of its folder"
            )
        path = f"{inside}/{name}".lstrip("/")
        if entry.get("is_dir"):
            yield from _list_tree(rest, root, path, depth + 1)
        else:
            yield path, int(entry["file_size"]) if "file_size" in entry else None


def _fetch_file(rest: MlflowRest, root: str, listed: tuple[str, int | None], folder: Path) -> None:
    path, expected = listed
    into = folder / path
    into.parent.mkdir(parents=True, exist_ok=True)
    try:
        size = rest.fetch_artifact(f"{root}/{path}", into)
    except MlflowRefused as error:
        raise _make_missing_error(f"artifact {path}", error.seen) from error
    if expected is not None and size != expected:
        raise _make_missing_error(f"artifact {path}", f"{size} of {expected} bytes")


def _copy_tree(source: Path, into: Path) -> Path:
    if not source.is_dir():
        raise _make_missing_error(f"artifact folder {source.name!r}", "no such folder on this machine")
    try:
        shutil.copytree(source, into, symlinks=True)  # links stay links: the digest refuses them
    except shutil.Error as error:  # one line per file that could not be copied
        raise _make_missing_error(
            f"artifact folder {source.name!r}", f"{len(error.args[0])} files can't be copied"
        ) from error
    return into


def _download_by_mlflow(rest: MlflowRest, uri: str, folder: Path) -> Path:
    """Read an object store through MLflow's own client, which supports each of them. Its time limits are its own."""
    from mlflow.artifacts import download_artifacts

    try:
        return Path(download_artifacts(artifact_uri=uri, dst_path=str(folder), tracking_uri=rest.uri))
    except Exception as error:  # every store's client raises errors of its own
        raise _make_store_error(uri, error) from error


def _upload_by_mlflow(rest: MlflowRest, uri: str, name: str, content: bytes) -> None:
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    with tempfile.TemporaryDirectory() as made:
        path = Path(made) / name
        path.write_bytes(content)
        try:
            get_artifact_repository(uri, tracking_uri=rest.uri).log_artifact(str(path))
        except Exception as error:  # every store's client raises errors of its own
            raise _make_store_error(uri, error) from error


def _make_store_error(uri: str, error: Exception) -> SlipwayError:
    what, words = f"artifact store {urlsplit(uri).scheme}://", " ".join(str(error).split())[:300]
    if isinstance(error, (ConnectionError, TimeoutError)):
        return RegistryUnavailable(
            what, seen=words, expected="an answer", do="see that the artifact store runs and can be reached from here"
        )
    return _make_missing_error(what, words)


def _make_missing_error(what: str, seen: str) -> ArtifactBroken:
    return ArtifactBroken(
        what,
        seen=seen,
        expected="every file of the artifact, whole",
        do="log and register the model again; artifacts on a server's own disk need"
        " `mlflow server --artifacts-destination`, so that it hands them out",
    )
