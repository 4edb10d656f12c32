"""Making a servable artifact."""

from pathlib import Path
from typing import Protocol

from slipway.domain.conversion import Converted
from slipway.domain.model import Artifact, Signature
from slipway.domain.revision import Package


class Packager(Protocol):
    """Builds a package with a digest: same inputs, same digest."""

    def package(
        self, artifact: Artifact, signature: Signature, onnx: Converted | None, labels: dict[str, str], store: Path
    ) -> Package:
        """Write the package under `store/`, whole or not at all; without ONNX the model goes as pyfunc.

        `onnx.path` is the file that ships (the optimizer's choice). Raises PackagingFailed (full disk, build error).
        """
        ...
