"""What conversion and optimization give: the parity gate's numbers and the table of variants."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from slipway.domain.release.version import Column, Signature
from slipway.domain.verdict import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Converted:
    """A model as ONNX, with what the comparison with its original showed."""

    path: Path
    """The .onnx file."""
    digest: str
    parity: Verdict
    inputs: tuple[str, ...]
    """Names of the ONNX inputs, in order."""
    outputs: tuple[str, ...]
    """Names of the ONNX outputs: the prediction first, then probabilities where there are any."""
    single_matrix: bool
    """True: one input of shape (rows, columns); False: one input per column."""
    rows_independent: bool
    """A row's answer was seen not to depend on the rows beside it: requests may be run together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One row of the optimizer's table."""

    name: str
    """`plain`, or the name of the pass that built it: `graph`, `dynamic-int8`."""
    path: Path | None
    """None where it could not be built."""
    size_bytes: int
    median_microseconds: float
    speedup: float
    """Median of the paired ratios plain / variant: over 1 is faster."""
    speedup_low: float
    """Lower end of the interval of that ratio."""
    speedup_high: float
    """Upper end of the interval of that ratio."""
    parity: Verdict | None
    rows_independent: bool = False
    """As in `Converted`; False where it was not built."""
    note: str = ""
    """Why it was not built, or why it was not chosen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Optimized:
    """The chosen variant, and the table it was chosen from."""

    chosen: Variant
    table: tuple[Variant, ...]
    reason: str
    """One sentence."""


def name_columns(signature: Signature, columns: Sequence[str]) -> Signature:
    """Return a signature of one matrix as named columns: rows files have names, matrices have none.

    A signature of columns stays as it is. Raises ValueError when the matrix has another width.

    >>> matrix = Signature(inputs=(Column(name="", kind="float64", shape=(-1, 2)),), outputs=())
    >>> name_columns(matrix, ["a", "b"]).columns
    ('a', 'b')
    """
    if len(signature.inputs) != 1 or len(signature.inputs[0].shape) == 1:
        return signature
    whole = signature.inputs[0]
    if whole.shape[1:] not in {(len(columns),), (-1,)}:
        message = f"the model takes {whole.shape[1:]} values a row, the rows have {len(columns)} columns"
        raise ValueError(message)
    return Signature(inputs=tuple(Column(name=name, kind=whole.kind) for name in columns), outputs=signature.outputs)
