"""MLflow's scoring server: `/invocations`, `/ping`, `/health`, `/version`; SageMaker's containers have two of them.

Like MLflow it ignores `params` (the model was packaged without any), other keys beside the one that holds the rows, and
columns that the model does not have. It is stricter where MLflow guesses: texts are not made numbers, fractions are not
cut, and missing values (null, an empty cell of a column of numbers) are refused. A failing model is 500, not 400,
because it is not the client's error.
"""

from dataclasses import dataclass

import orjson

from services.inference.model import Model
from services.inference.protocols.mlflow_tables import TableReader
from services.inference.protocols.tensorflow_rows import RowReader, describe_value, parse_document, to_json_values
from services.inference.refusals import Refused, ResourceNotFound, UnknownMedia, reject
from services.inference.request import Handler, InferenceCodec, Outputs, Request, Response, Route, RouteTable
from services.inference.rows import Rows

CONTRACT_VERSION = b"3.17.0"
"""The MLflow version whose API this is; the service does not know which version saved the model."""
JSON, CSV = b"application/json", b"text/csv"
TEXT = b"text/plain; charset=utf-8"
BODY_FORMS = ("dataframe_split", "dataframe_records", "instances", "inputs")
ERROR_CODES = {
    404: "ENDPOINT_NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL_ERROR",
    503: "TEMPORARILY_UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
"""MLflow's error codes by status; any other is BAD_REQUEST."""
UNKNOWN_MEDIA = 415
PLAIN_QUOTES = 2
"""Quotes in a body with one key and no text."""


@dataclass(slots=True)
class ScoringRequest:
    """A request for predictions."""

    rows: Rows


class MlflowScoring:
    """The protocol's paths."""

    name = "mlflow"

    def __init__(self, model: Model) -> None:
        """Handle requests for a model, also while it is being loaded."""
        self._model = model
        self._reader = RowReader(model.manifest)
        self._tables = TableReader(model.manifest, self._reader)

    def build_routes(self) -> RouteTable:
        """Return the four paths."""
        exact = {
            "/ping": self._make_get_route(self._answer_ping),
            "/health": self._make_get_route(self._answer_ping),
            "/version": self._make_get_route(self._answer_version),
        }
        exact["/invocations"] = Route(protocol=self, codec=InferenceCodec(self._parse, self._write))
        return RouteTable(exact=exact, prefixes=("/invocations/",))

    def write_refusal(self, refusal: Refused) -> Response:
        """Return MLflow's error code and the message; for an unknown content type the message only."""
        message = str(refusal)
        if refusal.status == UNKNOWN_MEDIA:
            return Response(refusal.status, message.encode(), TEXT)
        code = ERROR_CODES.get(refusal.status, "BAD_REQUEST")
        return Response(refusal.status, orjson.dumps({"error_code": code, "message": message}))

    def explain_missing(self, path: str) -> ResourceNotFound:
        """Return a 404 that lists the paths."""
        return ResourceNotFound(f"path: got {path[:160]!r}, expected /invocations, /ping, /health or /version")

    def _make_get_route(self, handler: Handler) -> Route:
        return Route(handlers={"GET": handler, "HEAD": handler}, protocol=self)

    async def _answer_ping(self, _: Request) -> Response:
        return Response(200 if self._model.ready else 503, b"\n")

    async def _answer_version(self, _: Request) -> Response:
        return Response(200, CONTRACT_VERSION)

    def _parse(self, call: Request) -> ScoringRequest:
        kind = call.headers.get(b"content-type", b"")
        if kind != JSON:
            kind = _parse_media_type(kind)
        return ScoringRequest(self._read_rows(call.body) if kind == JSON else self._tables.read_csv(call.body))

    def _write(self, _: ScoringRequest, outputs: Outputs) -> Response:
        predictions = to_json_values(outputs["prediction"])
        return Response(200, orjson.dumps({"predictions": predictions}, option=orjson.OPT_SERIALIZE_NUMPY))

    def _read_rows(self, body: bytes) -> Rows:
        document = parse_document(body)
        forms = [form for form in BODY_FORMS if form in document]
        if len(forms) != 1:
            seen = ", ".join(forms) or f"the keys {list(document)[:8]}"
            reject("body", seen, f"a JSON object with exactly one of {', '.join(BODY_FORMS)}")
        form = forms[0]
        value = document[form]
        if form == "dataframe_split":
            return self._tables.read_split(value)
        if form == "dataframe_records":
            return self._read_records(value)
        return self._read_tensors(value, form, plain=body.count(b'"') == PLAIN_QUOTES)

    def _read_records(self, rows: object) -> Rows:
        what = "dataframe_records"
        if not isinstance(rows, list) or not rows:
            reject(what, describe_value(rows), "a list of objects by column name")
        return self._reader.read_records(rows, what, exact=False)

    def _read_tensors(self, value: object, form: str, *, plain: bool) -> Rows:
        """Return the rows of `instances` or `inputs`: MLflow takes either form of rows under either name."""
        if isinstance(value, list):
            return self._reader.read_rows(value, form, exact=False, plain=plain)
        if isinstance(value, dict) and value and not any(isinstance(one, list) for one in value.values()):
            return self._reader.read_records([value], form, exact=False)  # a single row, by column
        return self._reader.read_columns(value, form)


def _parse_media_type(said: bytes) -> bytes:
    """Return the content type; raise UnknownMedia if it is not supported, or not UTF-8."""
    kind, *parameters = [part.strip() for part in said.lower().split(b";")]
    for parameter in filter(None, parameters):
        name, _, value = parameter.partition(b"=")
        if name.strip() != b"charset" or value.strip().strip(b'"') not in {b"utf-8", b"utf8"}:
            raise UnknownMedia(f"content-type: got {_quote(parameter)}, expected no parameter but charset=utf-8")
    if kind not in {JSON, CSV}:
        raise UnknownMedia(f"content-type: got {_quote(kind)}, expected application/json or text/csv")
    return kind


def _quote(value: bytes) -> str:
    return repr(value[:80].decode("latin-1"))
