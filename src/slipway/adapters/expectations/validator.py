"""Checks a rows file with Great Expectations, in memory: nothing is written, nothing is sent."""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slipway.adapters.expectations import checks
from slipway.adapters.expectations.checks import Question
from slipway.artifacts.rows import read_table
from slipway.domain.release.version import Column, Signature
from slipway.domain.spec.release import DataSpec, expand_expectations
from slipway.domain.verdict import Verdict
from slipway.errors import DataBroken

if TYPE_CHECKING:
    import pandas as pd


class GreatExpectationsValidator:
    """Checks rows against the spec's expectations, and against what the model's signature asks for."""

    def validate(self, path: Path, spec: DataSpec, signature: Signature) -> list[Verdict]:
        """Return one verdict per failing column and check, and one for all the columns that pass the same check.

        Critical ones block, warnings do not. Raises DataBroken for a file that is missing, unreadable or empty, or
        lacks the label column.
        """
        frame = read_table(path, [spec.label])
        inputs = _select_inputs(frame, spec, signature)
        present = [column for column in inputs if column.name in frame.columns]
        names = [column.name for column in present]
        expected = expand_expectations(spec.expectations, [str(name) for name in frame.columns])
        asked = [
            checks.ask_rows(frame, spec.minimum_rows),
            checks.ask_columns(frame, [column.name for column in inputs], spec.label),
            *checks.ask_types(frame, present),
            *checks.ask_nulls(frame, [spec.label] if spec.nulls_allowed else [*names, spec.label]),
            *checks.ask_finite(frame, [*names, spec.label]),
            *checks.ask_expectations(frame, expected),
        ]
        return [
            *checks.find_contradictions(inputs, signature, spec.label),
            *checks.find_unanswerable(frame, expected),
            *_run_checks(asked),
        ]


def _select_inputs(frame: "pd.DataFrame", spec: DataSpec, signature: Signature) -> list[Column]:
    """Return the input columns: named ones (optional ones where present), or a matrix's in the file's order."""
    first = signature.inputs[0]
    if len(signature.inputs) == 1 and len(first.shape) > 1:
        return [Column(name=str(name), kind=first.kind) for name in frame.columns if name != spec.label]
    return [column for column in signature.inputs if column.required or column.name in frame.columns]


def _run_checks(asked: Sequence[Question]) -> Iterator[Verdict]:
    """Run the checks of each table as one suite; yield the verdicts in their order."""
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")  # read on import and by each context
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    source = context.data_sources.add_pandas("rows")
    answers: dict[int, Mapping[str, Any]] = {}
    for number, table in {id(question.table): question.table for question in asked}.items():
        suite = gx.ExpectationSuite(
            name=str(number),
            expectations=[
                getattr(gx.expectations, question.expectation)(
                    **question.arguments, severity=question.severity.value, meta={"position": position}
                )
                for position, question in enumerate(asked)
                if question.table is table
            ],
        )
        batch = source.add_dataframe_asset(str(number)).add_batch_definition_whole_dataframe("all")
        report = batch.get_batch(batch_parameters={"dataframe": table}).validate(suite, result_format="COMPLETE")
        for result in report.results:
            answers[result.expectation_config.meta["position"]] = _read_answer(result)
    for position, question in enumerate(asked):
        yield from question.make_verdicts(answers[position])


def _read_answer(result: Any) -> Mapping[str, Any]:  # noqa: ANN401 - a Great Expectations result
    """Return a result as plain values; raise DataBroken where the library itself failed: that is no answer."""
    infos = [result.exception_info, *(info for info in result.exception_info.values() if isinstance(info, dict))]
    failures = [str(info["exception_message"]) for info in infos if info.get("raised_exception")]
    if failures:
        raise DataBroken(
            f"check {result.expectation_config.type}",
            seen=f"Great Expectations failed: {' '.join(failures[0].split())[:200]}",
            expected="an answer about the rows",
            do="look for columns of mixed types, and write the file as Parquet",
        )
    return {"success": bool(result.success), **result.result}
