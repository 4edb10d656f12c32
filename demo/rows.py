"""Handwritten digits, split once: rows for training, rows for the gates, rows that the client sends."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

TRAIN, VALIDATION, LIVE = slice(0, 1077), slice(1077, 1437), slice(1437, 1797)
"""Rows of scikit-learn's digits. The middle ones are `deployments/models/digits-validation.csv`."""
PIXELS = tuple(f"pixel_{number}" for number in range(64))
LABEL = "digit"
DARK_LEVEL = 0.5
"""The offset that a scanner with dark-level correction subtracts from every pixel: blank paper is then slightly below
zero."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Digits:
    """All rows: pixels as float64, 0 (blank) to 16 (ink), one column each, and the digit that was written."""

    pixels: "pd.DataFrame"
    """Shape (1797, 64)."""
    labels: "pd.Series[int]"

    @property
    def live(self) -> "pd.DataFrame":
        """What the client sends; shape (360, 64)."""
        return self.pixels[LIVE]

    @property
    def odd(self) -> "pd.DataFrame":
        """The same digits from another scanner, shape (360, 64): a kind of row that no gate has seen."""
        return self.live - DARK_LEVEL


def load() -> Digits:
    """Read the digits that are part of scikit-learn."""
    from sklearn.datasets import load_digits

    frame = load_digits(as_frame=True).frame
    frame.columns = [*PIXELS, LABEL]
    return Digits(pixels=frame[list(PIXELS)].astype("float64"), labels=frame[LABEL])
