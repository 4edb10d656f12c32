"""The OpenAPI document of the HTTP protocols, for the very model that is served: made when somebody asks for it."""

from collections.abc import Mapping, Sequence
from urllib.parse import quote

from services.inference.application import REVISION
from services.inference.bodies import LIMIT, SECONDS, UNPACKED
from services.inference.exchange import PATIENCE_SECONDS
from services.inference.manifest import Manifest
from services.inference.model import TensorKind
from services.inference.pages.openapi_schemas import (
    ANY_OBJECT,
    BYTES,
    TEXT,
    RowForms,
    Schema,
    TensorForms,
    closed,
    given,
    listed,
)
from services.inference.protocols import oip
from services.inference.protocols.mlflow_scoring import CODES, CONTRACT, UNKNOWN_MEDIA
from services.inference.protocols.tensorflow_signature import SIGNATURE, classifies, regresses
from services.inference.refusals import NotAllowed, Refused
from services.inference.request import DEADLINES
from services.inference.telemetry.observer import REQUEST_ID

Document = dict[str, object]
ELSEWHERE = frozenset([404, 405])
"""Refusals of other paths and methods than those that are described."""
WHOLE: Schema = {"type": "integer"}


def describe(manifest: Manifest, outputs: Mapping[str, TensorKind], labels: Sequence[str]) -> Document:
    """Return the document; `outputs` are the model's, as its first answer showed, `labels` what it is called too."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"{manifest.model}, version {manifest.version}",
            "version": manifest.revision,
            "description": f"Predictions of one model in three protocols. Bodies have at most {LIMIT} bytes, also "
            f"unpacked, and {SECONDS:g} s to come. What is not described here is refused with 404 or 405 in the form "
            "of the protocol whose paths begin so.",
        },
        "paths": {
            **_open_inference(manifest, outputs),
            **_tensorflow(manifest, outputs, labels),
            **_mlflow(manifest, outputs),
        },
        "components": {
            "headers": _headers(manifest),
            "parameters": _parameters(),
            "responses": _refusals(),
            "schemas": {"Error": closed({"error": TEXT}, "error"), "MlflowError": _mlflow_error()},
        },
    }


def _open_inference(manifest: Manifest, outputs: Mapping[str, TensorKind]) -> Document:
    forms = TensorForms(manifest, outputs)
    truth: Schema = {"type": "boolean"}
    head = {"Inference-Header-Content-Length": {"$ref": "#/components/headers/JsonLength"}}
    answered = _answered(forms.answer(), head)
    answered["content"] = {**_json(forms.answer()), oip.BINARY.decode(): {"schema": BYTES}}
    asked = {**_json(forms.request(), {"zeros": forms.example()}), oip.BINARY.decode(): {"schema": BYTES}}
    server = closed({"name": TEXT, "version": TEXT, "extensions": listed(TEXT)}, "name", "version", "extensions")
    paths: Document = {
        "/v2": _get("oip", "server", {"200": _answered(server)}),
        "/v2/health/live": _get("oip", "live", {"200": _answered(closed({"live": truth}, "live"))}),
        "/v2/health/ready": _get("oip", "ready", _readiness(closed({"ready": truth}, "ready"))),
    }
    named = f"/v2/models/{quote(manifest.model)}"
    for place, path in {"": named, "_version": f"{named}/versions/{quote(manifest.version)}"}.items():
        ready = _readiness(closed({"name": {"const": manifest.model}, "ready": truth}, "name", "ready"))
        paths[path] = _get("oip", f"model{place}", {"200": _answered(_metadata())})
        paths[f"{path}/ready"] = _get("oip", f"model_ready{place}", ready)
        paths[f"{path}/infer"] = _post("oip", f"infer{place}", asked, answered)
    return paths


def _tensorflow(manifest: Manifest, outputs: Mapping[str, TensorKind], labels: Sequence[str]) -> Document:
    named = f"/v1/models/{quote(manifest.model)}"
    places = {"": named, "_version": f"{named}/versions/{quote(manifest.version)}"}
    places |= {f"_label_{label}": f"{named}/labels/{quote(label)}" for label in labels}
    texts = {"error_code": TEXT, "error_message": TEXT}
    version = closed({"version": TEXT, "state": TEXT, "status": closed(texts, *texts)}, "version", "state", "status")
    status = closed({"model_version_status": listed(version)}, "model_version_status")
    about = closed({"model_spec": ANY_OBJECT, "metadata": ANY_OBJECT}, "model_spec", "metadata")
    paths: Document = {}
    for place, path in places.items():
        paths[path] = _get("tensorflow", f"status{place}", {"200": _answered(status)})
        paths[f"{path}/metadata"] = _get("tensorflow", f"metadata{place}", {"200": _answered(about)})
        for verb, (asked, answered) in _verbs(manifest, outputs).items():
            paths[f"{path}:{verb}"] = _post("tensorflow", f"{verb}{place}", asked, _answered(answered))
    return paths


def _verbs(manifest: Manifest, outputs: Mapping[str, TensorKind]) -> dict[str, tuple[Document, Schema]]:
    """Return what fits the model's signature: the bodies of its requests, and the schema of its answers."""
    rows, zeros = RowForms(manifest), RowForms(manifest).zeros()
    name = {"signature_name": {"enum": [SIGNATURE, ""]}}
    by_row = closed({"instances": rows.rows(), **name}, "instances")
    by_column = closed({"inputs": {"anyOf": [rows.by_column(), rows.rows()]}, **name}, "inputs")
    examples = {"by_row": {"instances": [zeros]}, "by_column": {"inputs": {key: [one] for key, one in zeros.items()}}}
    verbs = {"predict": (_json({"anyOf": [by_row, by_column]}, examples), _predicted(manifest, outputs))}
    asked = closed({"examples": listed(rows.record(encoded=True)), "context": closed({}), **name}, "examples")
    example = _json(asked, {"zeros": {"examples": [zeros]}})
    if classifies(manifest, outputs) is None:
        pair = listed({"anyOf": [TEXT, {"type": "number"}]}, (2,))
        verbs["classify"] = (example, closed({"results": listed(listed(pair))}, "results"))
    if regresses(outputs) is None:
        verbs["regress"] = (example, closed({"results": given(outputs.get("prediction"))}, "results"))
    return verbs


def _predicted(manifest: Manifest, outputs: Mapping[str, TensorKind]) -> Schema:
    """Return the schema of predictions: one output has no name."""
    if len(manifest.answers) == 1:
        rows = columns = given(outputs.get(manifest.answers[0]))
    else:
        whole = {name: given(outputs.get(name)) for name in manifest.answers}
        columns = closed(whole, *whole)
        rows = listed(closed({name: one.get("items", {}) for name, one in whole.items()}, *whole))
    return {"oneOf": [closed({"predictions": rows}, "predictions"), closed({"outputs": columns}, "outputs")]}


def _mlflow(manifest: Manifest, outputs: Mapping[str, TensorKind]) -> Document:
    rows = RowForms(manifest)
    zeros, whole = rows.zeros(), {"anyOf": [rows.rows(), rows.by_column()]}
    forms = {
        "dataframe_split": rows.table(),
        "dataframe_records": listed(rows.record()),
        "instances": whole,
        "inputs": whole,
    }
    examples: dict[str, object] = {
        "dataframe_split": {"columns": rows.names, "data": [list(zeros.values())]},
        "dataframe_records": [zeros],
        "instances": [zeros],
        "inputs": {name: [one] for name, one in zeros.items()},
    }
    schema: Schema = {"oneOf": [closed({name: form, "params": ANY_OBJECT}, name) for name, form in forms.items()]}
    asked = _json(schema, {name: {name: example} for name, example in examples.items()})
    if all(len(column.shape) == 1 for column in manifest.columns):
        asked["text/csv"] = {"schema": TEXT, "examples": {"zeros": {"value": rows.csv()}}}
    predictions = closed({"predictions": given(outputs.get("prediction"))}, "predictions")
    blank = {code: _plain(code, "One line break, whose content type says JSON") for code in ("200", "503")}
    return {
        "/ping": _get("mlflow", "ping", blank),
        "/health": _get("mlflow", "health", blank),
        "/version": _get("mlflow", "version", {"200": _plain("200", f"The contract's version, {CONTRACT.decode()}")}),
        "/invocations": _post("mlflow", "invocations", asked, _answered(predictions)),
    }


def _get(protocol: str, name: str, responses: Mapping[str, object]) -> Document:
    operation = {"tags": [protocol], "responses": responses, "parameters": _named("RequestId")}
    return {"get": {"operationId": f"{protocol}_{name}", **operation}}


def _post(protocol: str, name: str, asked: Document, answered: Document) -> Document:
    """Describe an operation that runs the model."""
    more = ["JsonLength"] if protocol == "oip" else []
    statuses = [one.status for one in Refused.__subclasses__() if one.status not in ELSEWHERE]
    refused = {str(code): {"$ref": f"#/components/responses/{protocol}-{code}"} for code in statuses}
    operation: Document = {
        "tags": [protocol],
        "operationId": f"{protocol}_{name}",
        "parameters": _named("RequestId", "Timeout", "Encoding", *more),
        "requestBody": {"required": True, "content": asked},
        "responses": {"200": answered, **refused},
    }
    return {"post": operation}


def _named(*names: str) -> list[Document]:
    return [{"$ref": f"#/components/parameters/{name}"} for name in names]


def _json(schema: Schema, examples: Mapping[str, object] | None = None) -> Document:
    shown = {"examples": {name: {"value": example} for name, example in examples.items()}} if examples else {}
    return {"application/json": {"schema": schema, **shown}}


def _answered(schema: Schema, more: Mapping[str, object] | None = None) -> Document:
    return {"description": "The answer.", "headers": {**_usual(), **(more or {})}, "content": _json(schema)}


def _readiness(schema: Schema) -> Document:
    return {"200": _answered(schema), "503": _answered(schema) | {"description": "Not ready, or not any more."}}


def _plain(code: str, text: str) -> Document:
    """Describe an answer whose body is no JSON, whatever its content type says."""
    description = f"{text}." if code == "200" else f"{text}: not ready."
    return {"description": description, "headers": _usual(), "content": {"application/json": {}}}


def _usual() -> Document:
    return {name: {"$ref": f"#/components/headers/{key}"} for name, key in _USUAL.items()}


_USUAL = {REVISION.decode(): "Revision", REQUEST_ID.decode(): "RequestId", "content-encoding": "Encoding"}


def _headers(manifest: Manifest) -> Document:
    return {
        "Revision": {"description": "Who answers.", "required": True, "schema": {"const": manifest.revision}},
        "RequestId": {"description": "The request's own, where it has one.", "schema": TEXT},
        "Encoding": {"description": "How the body is packed.", "schema": {"enum": ["gzip", "zstd"]}},
        "Allow": {"description": "The methods of this path.", "schema": TEXT},
        "RetryAfter": {"description": "Seconds after which another try may do.", "schema": WHOLE},
        "JsonLength": {"description": "How many bytes of the body are JSON; the rest are tensors.", "schema": WHOLE},
    }


def _parameters() -> Document:
    timeout = f"How long the client waits; work past it is not done. At most {PATIENCE_SECONDS:g} s, also without it."
    about: dict[str, tuple[str, str, Schema]] = {
        "RequestId": (REQUEST_ID.decode(), "Echoed.", TEXT),
        "Timeout": (DEADLINES[0].decode(), timeout, {"type": "number", "minimum": 0}),
        "Encoding": ("content-encoding", "How the body is packed.", {"enum": [name.decode() for name in UNPACKED]}),
        "JsonLength": (
            "Inference-Header-Content-Length",
            "How many bytes of the body are JSON, where tensors stand behind it.",
            WHOLE | {"minimum": 0},
        ),
    }
    return {
        key: {"name": name, "in": "header", "description": text, "schema": schema}
        for key, (name, text, schema) in about.items()
    }


def _refusals() -> Document:
    """Describe each refusal in each protocol's form."""
    forms = {"oip": "Error", "tensorflow": "Error", "mlflow": "MlflowError"}
    responses: Document = {}
    for refusal in Refused.__subclasses__():
        headers = _usual()
        if refusal.retry_after is not None:
            headers["retry-after"] = {"$ref": "#/components/headers/RetryAfter"}
        if refusal is NotAllowed:
            headers["allow"] = {"$ref": "#/components/headers/Allow"}
        for protocol, form in forms.items():
            content = _json({"$ref": f"#/components/schemas/{form}"})
            if protocol == "mlflow" and refusal.status == UNKNOWN_MEDIA:
                content = {"text/plain": {"schema": TEXT}}
            about = {"description": refusal.__doc__ or refusal.__name__, "headers": headers, "content": content}
            responses[f"{protocol}-{refusal.status}"] = about
    return responses


def _mlflow_error() -> Schema:
    codes = {"enum": ["BAD_REQUEST", *CODES.values()]}
    return closed({"error_code": codes, "message": TEXT}, "error_code", "message")


def _metadata() -> Schema:
    """Return the schema of the Open Inference Protocol's model metadata."""
    shape = listed(WHOLE)
    tensor = closed({"name": TEXT, "datatype": TEXT, "shape": shape, "parameters": ANY_OBJECT}, "name", "shape")
    about = {"name": TEXT, "versions": listed(TEXT), "platform": TEXT, "inputs": listed(tensor)}
    return closed({**about, "outputs": listed(tensor)}, *about, "outputs")
