"""The model as its framework runs it: its rows in the signature's types, and its answers to ordinary rows."""

from typing import TYPE_CHECKING, Any

from slipway.adapters.onnx.converter import Converter, NotConverted
from slipway.adapters.onnx.worker import describe_in_one_line
from slipway.domain.gates.parity import Answers
from slipway.errors import ArtifactBroken, DataBroken

if TYPE_CHECKING:
    import pandas as pd


def convert_types(frame: "pd.DataFrame", kinds: dict[str, str]) -> "pd.DataFrame":
    """Return the frame in the signature's types, as MLflow enforces them; text stays as it is. Raises DataBroken."""
    numbers = {name: kind for name, kind in kinds.items() if kind != "str"}
    try:
        return frame.astype(numbers)
    except (TypeError, ValueError) as error:
        raise DataBroken(
            "rows to convert the model with",
            seen=describe_in_one_line(error),
            expected="values of the types in the model's signature",
            do="correct the rows file, or log the model with the signature of what it takes",
        ) from error


def ask_about_rows(converter: Converter, model: Any, frame: "pd.DataFrame") -> Answers:  # noqa: ANN401 - any model
    """Ask about ordinary rows, which the original has to take; raise ArtifactBroken, NotConverted."""
    try:
        return converter.ask(model, frame)
    except NotConverted:
        raise
    except Exception as error:  # the model's own code may raise anything
        raise ArtifactBroken(
            f"model {type(model).__name__}",
            seen=f"it fails on the rows: {describe_in_one_line(error)}",
            expected="predictions for every row",
            do="check the rows file against what the model was trained on",
        ) from error
