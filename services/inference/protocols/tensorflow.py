"""TensorFlow Serving's REST API: predict by row and by column, classify, regress, status and metadata.

As in TensorFlow's guide (RESTful API), for one model with one signature, `serving_default`. Differences: NaN and
Infinity, which are not JSON, are refused; a path with the wrong method is 405, not 400.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from services.inference.model import Model
from services.inference.protocols.tensorflow_rows import RowReader, parse_document, to_json_rows, to_json_values
from services.inference.protocols.tensorflow_signature import (
    SIGNATURE,
    describe_signature,
    explain_no_classes,
    explain_no_regression,
)
from services.inference.refusals import Refused, ResourceNotFound, reject
from services.inference.request import Handler, InferenceCodec, Outputs, Request, Response, Route, RouteTable
from services.inference.rows import Rows
from slipway_interface.environment import LABELS

MODELS = "/v1/models/"
NUMPY = orjson.OPT_SERIALIZE_NUMPY


def read_labels(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Return the version labels of this revision; packages have none, so the environment gives them.

    >>> read_labels({"SLIPWAY_LABELS": "stable, canary"}), read_labels({})
    (('stable', 'canary'), ('champion',))
    """
    named = environment.get(LABELS, "champion").split(",")
    return tuple(label.strip() for label in named if label.strip())


@dataclass(slots=True)
class TensorFlowPredict:
    """A request for predictions."""

    rows: Rows
    by_column: bool
    """The response is by output, not by row."""


@dataclass(slots=True)
class TensorFlowExamples:
    """A request for classes, or for values."""

    rows: Rows


class TensorFlowServing:
    """The protocol's paths for one model."""

    name = "tensorflow"

    def __init__(self, model: Model, labels: Sequence[str]) -> None:
        """Handle requests for a model, by its name, its version and these labels; also while it is being loaded."""
        self._model = model
        self._manifest = model.manifest
        self._labels = tuple(labels)
        self._reader = RowReader(model.manifest)
        self._digits: tuple[str, ...] = ()

    def build_routes(self) -> RouteTable:
        """Return the paths under `/v1/models/NAME`, its version and its labels."""
        named = f"{MODELS}{self._manifest.model}"
        versions = [f"{named}/versions/{self._manifest.version}"]
        labelled = [f"{named}/labels/{label}" for label in self._labels]
        exact: dict[str, Route] = {}
        for path in (named, *versions, *labelled):
            exact[path] = self._make_get_route(self._answer_status)
            exact[f"{path}/metadata"] = self._make_get_route(self._answer_metadata)
            exact[f"{path}:predict"] = self._make_post_route(self._parse_predict, self._write_predictions)
            exact[f"{path}:classify"] = self._make_post_route(self._parse_classify, self._write_classes)
            exact[f"{path}:regress"] = self._make_post_route(self._parse_regress, self._write_values)
        return RouteTable(exact=exact, prefixes=("/v1/",))

    def write_refusal(self, refusal: Refused) -> Response:
        """Return `{"error": ...}`."""
        return Response(refusal.status, orjson.dumps({"error": str(refusal)}))

    def explain_missing(self, path: str) -> ResourceNotFound:
        """Return the 404 for an unknown path under `/v1`."""
        manifest = self._manifest
        name, _, rest = path.removeprefix(MODELS).partition("/")
        if not rest:
            name = name.rpartition(":")[0] or name
        if path.startswith(MODELS) and name != manifest.model:
            return _make_not_found("model", name, [manifest.model])
        kind, _, seen = rest.partition("/")
        seen = seen.partition("/")[0].rpartition(":")[0] or seen.partition("/")[0]
        if kind == "versions" and seen != manifest.version:
            return _make_not_found("version", seen, [manifest.version])
        if kind == "labels" and seen not in self._labels:
            return _make_not_found("label", seen, self._labels)
        return _make_not_found("path", path, [f"{MODELS}{manifest.model}:predict", "another of the protocol"])

    def _make_get_route(self, handler: Handler) -> Route:
        return Route(handlers={"GET": handler, "HEAD": handler}, protocol=self)

    def _make_post_route(self, parse: Callable[[Request], Any], write: Callable[[Any, Outputs], Response]) -> Route:
        return Route(protocol=self, codec=InferenceCodec(parse, write))

    async def _answer_status(self, _: Request) -> Response:
        model = self._model
        state = "UNLOADING" if model.draining else "AVAILABLE" if model.ready else "LOADING"
        status = {"error_code": "OK", "error_message": ""}
        version = {"version": self._manifest.version, "state": state, "status": status}
        return Response(200, orjson.dumps({"model_version_status": [version]}))

    async def _answer_metadata(self, _: Request) -> Response:
        manifest = self._manifest
        spec = {"name": manifest.model, "signature_name": "", "version": manifest.version}
        signatures = {SIGNATURE: describe_signature(manifest, self._reader.input_name, self._model.outputs)}
        about = {"model_spec": spec, "metadata": {"signature_def": {"signature_def": signatures}}}
        return Response(200, orjson.dumps(about))

    def _parse_predict(self, call: Request) -> TensorFlowPredict:
        document = _parse_body(call.body)
        by_row, by_column = "instances" in document, "inputs" in document
        if by_row == by_column:
            reject("body", "both" if by_row else "neither", "one of `instances` (by row) and `inputs` (by column)")
        plain = call.body.count(b'"') == PLAIN_QUOTES
        if by_row:
            return TensorFlowPredict(
                self._reader.read_rows(document["instances"], "instances", exact=True, plain=plain), by_column
            )
        return TensorFlowPredict(self._reader.read_columns(document["inputs"], "inputs", plain=plain), by_column)

    def _write_predictions(self, asked: TensorFlowPredict, outputs: Outputs) -> Response:
        names = self._manifest.output_names
        given: Any
        if len(names) == 1:
            given = to_json_values(outputs[names[0]])
        elif asked.by_column:
            given = {name: to_json_values(outputs[name]) for name in names}
        else:
            rows = zip(*(to_json_rows(outputs[name]) for name in names), strict=True)
            given = [dict(zip(names, row, strict=True)) for row in rows]
        return Response(200, orjson.dumps({"outputs" if asked.by_column else "predictions": given}, option=NUMPY))

    def _parse_classify(self, call: Request) -> TensorFlowExamples:
        reason = explain_no_classes(self._manifest, self._model.outputs)
        if reason is not None:
            reject("classify", reason, "a model of classes: this one answers :predict")
        return self._parse_examples(call)

    def _write_classes(self, _: TensorFlowExamples, outputs: Outputs) -> Response:
        scores = outputs.get("probabilities")
        if scores is None:
            results: list[Any] = [[(str(label), 1.0)] for label in outputs["prediction"].tolist()]
        else:
            rows = scores.reshape(len(scores), -1)
            if len(self._digits) != rows.shape[1]:
                self._digits = tuple(map(str, range(rows.shape[1])))
            results = [list(zip(self._digits, row, strict=True)) for row in rows]
        return Response(200, orjson.dumps({"results": results}, option=NUMPY))

    def _parse_regress(self, call: Request) -> TensorFlowExamples:
        reason = explain_no_regression(self._model.outputs)
        if reason is not None:
            reject("regress", reason, "a model of one number a row: this one answers :predict")
        return self._parse_examples(call)

    def _write_values(self, _: TensorFlowExamples, outputs: Outputs) -> Response:
        return Response(200, orjson.dumps({"results": to_json_values(outputs["prediction"])}, option=NUMPY))

    def _parse_examples(self, call: Request) -> TensorFlowExamples:
        document = _parse_body(call.body)
        examples = document.get("examples")
        if not isinstance(examples, list) or not all(isinstance(one, dict) for one in examples):
            reject("examples", "none" if examples is None else "another thing", "a list of objects by column name")
        context = document.get("context", {})
        if not isinstance(context, dict):
            reject("context", context, "an object by column name, for all examples")
        if context:
            twice = next((name for one in examples for name in one if name in context), None)
            if twice is not None:
                reject("context", f"{twice!r}, which an example has too", "each name in one of them")
            examples = [context | one for one in examples]
        return TensorFlowExamples(self._reader.read_examples(examples, "examples"))


PLAIN_QUOTES = 2
"""Quotes in a body with one key and no text."""


def _parse_body(body: bytes) -> dict[str, Any]:
    """Return a body's object; raise BadRequest if it names another signature."""
    document = parse_document(body)
    name = document.get("signature_name", "")
    if name not in ("", SIGNATURE):
        reject("signature_name", name, f"{SIGNATURE}, or none")
    return document


def _make_not_found(what: str, seen: str, there: Sequence[str]) -> ResourceNotFound:
    expected = " or ".join(there) or "none"
    return ResourceNotFound(f"{what}: got {seen[:160]!r}, expected {expected}: this service has one model")
