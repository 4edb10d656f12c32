"""The packages that an image installs: the service's own requirements, and those of the model."""

import re
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from slipway.artifacts.bounded import read_bounded
from slipway.errors import PackagingFailed

SERVICE = (
    *("hpack", "httptools", "numpy", "opentelemetry-exporter-otlp-proto-http", "orjson", "prometheus-client"),
    *("uvicorn", "uvloop", "zstandard"),
)
"""The service's imports, except BentoML, which adds itself, and protobuf, which ONNX Runtime and MLflow require."""
LARGEST_BYTES = 1 << 20
"""Bytes of a model's requirements.txt: 10,000 pins."""
LONGEST_SEEN = 200
"""Characters of a seen value that an error shows."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_CREDENTIALS = re.compile(r"://[^/\s]*@")


def list_onnx_requirements() -> list[str]:
    """Return pins of the installed versions, for a model that ONNX Runtime serves."""
    return [f"onnxruntime=={_find_onnxruntime_version()}", *(f"{name}=={version(name)}" for name in SERVICE)]


def list_pyfunc_requirements(model: Path) -> list[str]:
    """Return the model's own requirements.txt, and the service's requirements that it does not name.

    Raises PackagingFailed: it is missing, it is no text of at most LARGEST_BYTES, or it has options or credentials,
    which would be in the package.
    """
    own = [line.split(" #", 1)[0].strip() for line in _read_requirements(model / "requirements.txt").splitlines()]
    own = [line for line in own if line and not line.startswith("#") and not line.startswith("-c")]
    for number, line in enumerate(own, start=1):
        _check_line(line, number)
    named = {_normalize_name(match.group()) for line in own if (match := _NAME.match(line))}
    return [*own, *(f"{name}=={version(name)}" for name in SERVICE if name not in named)]


def _read_requirements(path: Path) -> str:
    try:
        return read_bounded(path, LARGEST_BYTES).decode()
    except (OSError, ValueError) as error:  # invalid UTF-8 is a ValueError
        missing = isinstance(error, FileNotFoundError)
        raise PackagingFailed(
            "the model's requirements.txt",
            seen="not there" if missing else f"unreadable ({error})"[:LONGEST_SEEN],
            expected="the packages the model needs, as MLflow writes them when it logs a model",
            do="log the model again with MLflow",
        ) from error


def _check_line(line: str, number: int) -> None:
    """Refuse options (they may hold the address of an index) and credentials; never show the line's value."""
    if line.startswith("-") or _CREDENTIALS.search(line) or not _NAME.match(line) or not line.isprintable():
        raise PackagingFailed(
            f"the model's requirements.txt, entry {number}",
            seen="an option, an address with credentials, or control characters",
            expected="a package with its version, such as `scikit-learn==1.9.1`",
            do="log the model with plain requirements; set the package index where images are built",
        )


def _find_onnxruntime_version() -> str:
    """Return the version of ONNX Runtime, whichever of its builds is installed here."""
    for name in ("onnxruntime", "onnxruntime-gpu"):
        try:
            return version(name)
        except PackageNotFoundError:
            continue
    raise PackagingFailed(
        "pins for the package",
        seen="no ONNX Runtime installed",
        expected="onnxruntime or onnxruntime-gpu",
        do="install Slipway's locked set: `make install`",
    )


def _normalize_name(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def list_digest_parts(requirements: list[str]) -> Mapping[str, str]:
    """Return the requirements in a package's digest: with BentoML's own version, because it builds the package."""
    return {"requirements": "\n".join(requirements), "bentoml": version("bentoml")}
