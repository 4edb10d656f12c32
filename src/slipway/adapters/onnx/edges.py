"""Edge rows: zeros, the columns' extremes, large values, nulls, a text never seen. Made from ordinary rows."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

LARGE = 1e6
"""Far outside of most training data, and still exact as float32."""
UNSEEN = "\N{REPLACEMENT CHARACTER}unseen"
"""A text that no training data holds."""


def make_edge_rows(frame: "pd.DataFrame") -> "pd.DataFrame":
    """Return the edge rows of a frame, one per kind, with the frame's columns and types; shape (3 to 6, columns).

    Text columns keep the first row's text, but for the last row, where each holds a text never seen.
    """
    import pandas as pd

    numbers = [name for name in frame.columns if frame[name].dtype.kind in "biuf"]
    floats = [name for name in frame.columns if frame[name].dtype.kind == "f"]
    texts = [name for name in frame.columns if name not in numbers]
    kinds = (_make_zero, np.nanmin, np.nanmax, _make_large) if numbers else ()
    rows = [_fill_row(frame, numbers, value) for value in kinds]
    if floats:
        rows.append(_fill_row(frame, floats, lambda _: np.nan))
    if texts:
        rows.append(_fill_row(frame, texts, lambda _: UNSEEN))
    return pd.concat(rows, ignore_index=True).astype(frame.dtypes.to_dict())


def _fill_row(frame: "pd.DataFrame", columns: list[str], value: "Callable[[Any], Any]") -> "pd.DataFrame":
    import pandas as pd

    row = frame.head(1).copy()
    for name in columns:
        row[name] = pd.Series([value(np.asarray(frame[name]))], index=row.index).astype(frame[name].dtype)
    return row


def _make_zero(_: Any) -> float:  # noqa: ANN401 - any column
    return 0.0


def _make_large(column: Any) -> float:  # noqa: ANN401 - any column
    """Return a large value that the column's type can hold."""
    return float(min(LARGE, np.iinfo(column.dtype).max)) if column.dtype.kind in "iu" else LARGE
