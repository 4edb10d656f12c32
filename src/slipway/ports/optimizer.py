"""Building faster forms of a model, and measuring them."""

from pathlib import Path
from typing import Protocol

from slipway.domain.optimize.conversion import Converted, Optimized
from slipway.domain.release.version import Signature
from slipway.domain.spec.release import ConversionSpec, OptimizationSpec


class Optimizer(Protocol):
    """Builds and measures ONNX variants."""

    def convert(self, model: Path, signature: Signature, rows: Path, spec: ConversionSpec, out: Path) -> Converted:
        """Convert to ONNX under `out` and compare both on the rows.

        Raises ConversionRefused with the converter's reason.
        """
        ...

    def optimize(self, converted: Converted, rows: Path, spec: OptimizationSpec, out: Path) -> Optimized:
        """Build the spec's variants, measure each beside the plain model in a clean process, and choose."""
        ...
