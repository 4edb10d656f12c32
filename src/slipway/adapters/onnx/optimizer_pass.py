"""What a pass is: how a faster form of a plain ONNX file is built, and how far its answers may be from the plain ones.

A pass is one file of `adapters/onnx/passes`. It builds in a worker; client libraries are imported inside its functions.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from slipway.domain.gates.parity import Answers
from slipway.domain.spec.release import ConversionSpec

Limits = Callable[[Answers], ConversionSpec]
"""From the plain model's answers to how far a form may be from them."""


class NotBuilt(Exception):
    """There is no such form of this graph; the message gives the reason."""


def limit_same_numbers(_: Answers) -> ConversionSpec:
    """Return the limits for a form that computes the same in another order: the spec's defaults."""
    return ConversionSpec()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """One way to make a plain ONNX file faster."""

    build: Callable[[Path, Path, Sequence[str]], None]
    """From a plain file, the file to write and ONNX Runtime's execution providers; raises NotBuilt, or any error."""
    limits: Limits = limit_same_numbers
    """How far its answers may be from the plain model's, or it does not ship."""
    runtime_optimizes: bool = True
    """Whether ONNX Runtime still optimizes the file as it loads it; False: it is run as it lies in the file."""
