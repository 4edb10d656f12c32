"""Making a servable artifact."""

from pathlib import Path
from typing import Protocol

from slipway.domain.judge.profile import ColumnProfile
from slipway.domain.optimize.conversion import Converted
from slipway.domain.release.version import Artifact, Signature
from slipway.domain.rollout.revision import Package


class Packager(Protocol):
    """Builds a package with a digest: same inputs, same digest."""

    def build_package(  # noqa: PLR0913 - what goes into a package, and where it is put
        self,
        artifact: Artifact,
        signature: Signature,
        onnx: Converted | None,
        labels: dict[str, str],
        store: Path,
        *,
        profile: tuple[ColumnProfile, ...] = (),
    ) -> Package:
        """Write the package under `store/`, whole or not at all; without ONNX the model goes as pyfunc.

        `onnx.path` is the file that ships (the optimizer's choice). `profile` has the bins in which the service counts
        live rows: none or one per input column that has one value a row. Raises PackagingFailed (full disk, build
        error, a profile that does not fit the signature).
        """
        ...
