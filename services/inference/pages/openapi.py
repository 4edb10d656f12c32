"""The OpenAPI document of the HTTP protocols for the served model, built for each request for it."""

from collections.abc import Mapping, Sequence
from urllib.parse import quote

from services.inference.bodies import BODY_LIMIT, BODY_SECONDS, DECODERS
from services.inference.exchange import PATIENCE_SECONDS
from services.inference.headers import DEADLINES, REQUEST_ID, REVISION
from services.inference.manifest import Manifest
from services.inference.model import TensorType
from services.inference.pages.openapi_schemas import (
    ANY_OBJECT,
    BYTES,
    TEXT,
    RowSchemas,
    Schema,
    TensorSchemas,
    array_schema,
    object_schema,
    output_schema,
)
from services.inference.protocols import oip
from services.inference.protocols.mlflow_scoring import CONTRACT_VERSION, ERROR_CODES, UNKNOWN_MEDIA
from services.inference.protocols.tensorflow_signature import SIGNATURE, explain_no_classes, explain_no_regression
from services.inference.refusals import NotAllowed, Refused
from slipway_interface.pages import MODEL_READY

Document = dict[str, object]
NOT_DESCRIBED = frozenset([404, 405])
"""Statuses of paths and methods that are not described."""
INTEGER: Schema = {"type": "integer"}


def build_document(manifest: Manifest, outputs: Mapping[str, TensorType], labels: Sequence[str]) -> Document:
    """Return the document; `outputs` are those of the model's first response, `labels` its version labels."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"{manifest.model}, version {manifest.version}",
            "version": manifest.revision,
            "description": "Predictions of one model in three protocols. "
            f"Bodies have at most {BODY_LIMIT} bytes, also unpacked, and {BODY_SECONDS:g} s to come. What is not "
            "described here is refused with 404 or 405 in the form of the protocol whose paths begin so.",
        },
        "paths": {
            **_describe_open_inference(manifest, outputs),
            **_describe_tensorflow(manifest, outputs, labels),
            **_describe_mlflow(manifest, outputs),
        },
        "components": {
            "headers": _describe_headers(manifest),
            "parameters": _describe_parameters(),
            "responses": _describe_refusals(),
            "schemas": {"Error": object_schema({"error": TEXT}, "error"), "MlflowError": _mlflow_error_schema()},
        },
    }


def _describe_open_inference(manifest: Manifest, outputs: Mapping[str, TensorType]) -> Document:
    forms = TensorSchemas(manifest, outputs)
    truth: Schema = {"type": "boolean"}
    head = {"Inference-Header-Content-Length": {"$ref": "#/components/headers/JsonLength"}}
    answered = _describe_answer(forms.build_answer(), head)
    answered["content"] = {**_json_content(forms.build_answer()), oip.BINARY_MEDIA_TYPE.decode(): {"schema": BYTES}}
    asked = {
        **_json_content(forms.build_request(), {"zeros": forms.build_example()}),
        oip.BINARY_MEDIA_TYPE.decode(): {"schema": BYTES},
    }
    server = object_schema(
        {"name": TEXT, "version": TEXT, "extensions": array_schema(TEXT)}, "name", "version", "extensions"
    )
    paths: Document = {
        "/v2": _describe_get("oip", "server", {"200": _describe_answer(server)}),
        "/v2/health/live": _describe_get(
            "oip", "live", {"200": _describe_answer(object_schema({"live": truth}, "live"))}
        ),
        MODEL_READY: _describe_get("oip", "ready", _describe_readiness(object_schema({"ready": truth}, "ready"))),
    }
    named = f"/v2/models/{quote(manifest.model)}"
    for place, path in {"": named, "_version": f"{named}/versions/{quote(manifest.version)}"}.items():
        ready = _describe_readiness(object_schema({"name": {"const": manifest.model}, "ready": truth}, "name", "ready"))
        paths[path] = _describe_get("oip", f"model{place}", {"200": _describe_answer(_metadata_schema())})
        paths[f"{path}/ready"] = _describe_get("oip", f"model_ready{place}", ready)
        paths[f"{path}/infer"] = _describe_post("oip", f"infer{place}", asked, answered)
    return paths


def _describe_tensorflow(manifest: Manifest, outputs: Mapping[str, TensorType], labels: Sequence[str]) -> Document:
    named = f"/v1/models/{quote(manifest.model)}"
    places = {"": named, "_version": f"{named}/versions/{quote(manifest.version)}"}
    places |= {f"_label_{label}": f"{named}/labels/{quote(label)}" for label in labels}
    texts = {"error_code": TEXT, "error_message": TEXT}
    version = object_schema(
        {"version": TEXT, "state": TEXT, "status": object_schema(texts, *texts)}, "version", "state", "status"
    )
    status = object_schema({"model_version_status": array_schema(version)}, "model_version_status")
    about = object_schema({"model_spec": ANY_OBJECT, "metadata": ANY_OBJECT}, "model_spec", "metadata")
    paths: Document = {}
    for place, path in places.items():
        paths[path] = _describe_get("tensorflow", f"status{place}", {"200": _describe_answer(status)})
        paths[f"{path}/metadata"] = _describe_get("tensorflow", f"metadata{place}", {"200": _describe_answer(about)})
        for verb, (asked, answered) in _describe_verbs(manifest, outputs).items():
            paths[f"{path}:{verb}"] = _describe_post("tensorflow", f"{verb}{place}", asked, _describe_answer(answered))
    return paths


def _describe_verbs(manifest: Manifest, outputs: Mapping[str, TensorType]) -> dict[str, tuple[Document, Schema]]:
    """Return by verb that fits the model: the bodies of its requests, and the schema of its responses."""
    rows, zeros = RowSchemas(manifest), RowSchemas(manifest).build_zero_row()
    name = {"signature_name": {"enum": [SIGNATURE, ""]}}
    by_row = object_schema({"instances": rows.build_rows(), **name}, "instances")
    by_column = object_schema({"inputs": {"anyOf": [rows.build_columns(), rows.build_rows()]}, **name}, "inputs")
    examples = {"by_row": {"instances": [zeros]}, "by_column": {"inputs": {key: [one] for key, one in zeros.items()}}}
    verbs = {
        "predict": (_json_content({"anyOf": [by_row, by_column]}, examples), _describe_predictions(manifest, outputs))
    }
    asked = object_schema(
        {"examples": array_schema(rows.build_record(encoded=True)), "context": object_schema({}), **name}, "examples"
    )
    example = _json_content(asked, {"zeros": {"examples": [zeros]}})
    if explain_no_classes(manifest, outputs) is None:
        pair = array_schema({"anyOf": [TEXT, {"type": "number"}]}, (2,))
        verbs["classify"] = (example, object_schema({"results": array_schema(array_schema(pair))}, "results"))
    if explain_no_regression(outputs) is None:
        verbs["regress"] = (example, object_schema({"results": output_schema(outputs.get("prediction"))}, "results"))
    return verbs


def _describe_predictions(manifest: Manifest, outputs: Mapping[str, TensorType]) -> Schema:
    """Return the schema of predictions; a single output has no name."""
    if len(manifest.output_names) == 1:
        rows = columns = output_schema(outputs.get(manifest.output_names[0]))
    else:
        whole = {name: output_schema(outputs.get(name)) for name in manifest.output_names}
        columns = object_schema(whole, *whole)
        rows = array_schema(object_schema({name: one.get("items", {}) for name, one in whole.items()}, *whole))
    return {
        "oneOf": [object_schema({"predictions": rows}, "predictions"), object_schema({"outputs": columns}, "outputs")]
    }


def _describe_mlflow(manifest: Manifest, outputs: Mapping[str, TensorType]) -> Document:
    rows = RowSchemas(manifest)
    zeros, whole = rows.build_zero_row(), {"anyOf": [rows.build_rows(), rows.build_columns()]}
    forms = {
        "dataframe_split": rows.build_table(),
        "dataframe_records": array_schema(rows.build_record()),
        "instances": whole,
        "inputs": whole,
    }
    examples: dict[str, object] = {
        "dataframe_split": {"columns": rows.names, "data": [list(zeros.values())]},
        "dataframe_records": [zeros],
        "instances": [zeros],
        "inputs": {name: [one] for name, one in zeros.items()},
    }
    schema: Schema = {
        "oneOf": [object_schema({name: form, "params": ANY_OBJECT}, name) for name, form in forms.items()]
    }
    asked = _json_content(schema, {name: {name: example} for name, example in examples.items()})
    if all(len(column.shape) == 1 for column in manifest.columns):
        asked["text/csv"] = {"schema": TEXT, "examples": {"zeros": {"value": rows.build_csv()}}}
    predictions = object_schema({"predictions": output_schema(outputs.get("prediction"))}, "predictions")
    blank = {code: _describe_plain(code, "One line break, whose content type says JSON") for code in ("200", "503")}
    return {
        "/ping": _describe_get("mlflow", "ping", blank),
        "/health": _describe_get("mlflow", "health", blank),
        "/version": _describe_get(
            "mlflow", "version", {"200": _describe_plain("200", f"The contract's version, {CONTRACT_VERSION.decode()}")}
        ),
        "/invocations": _describe_post("mlflow", "invocations", asked, _describe_answer(predictions)),
    }


def _describe_get(protocol: str, name: str, responses: Mapping[str, object]) -> Document:
    operation = {"tags": [protocol], "responses": responses, "parameters": _refer_to_parameters("RequestId")}
    return {"get": {"operationId": f"{protocol}_{name}", **operation}}


def _describe_post(protocol: str, name: str, asked: Document, answered: Document) -> Document:
    """Describe an operation that runs the model."""
    more = ["JsonLength"] if protocol == "oip" else []
    statuses = [one.status for one in Refused.__subclasses__() if one.status not in NOT_DESCRIBED]
    refused = {str(code): {"$ref": f"#/components/responses/{protocol}-{code}"} for code in statuses}
    operation: Document = {
        "tags": [protocol],
        "operationId": f"{protocol}_{name}",
        "parameters": _refer_to_parameters("RequestId", "Timeout", "Encoding", *more),
        "requestBody": {"required": True, "content": asked},
        "responses": {"200": answered, **refused},
    }
    return {"post": operation}


def _refer_to_parameters(*names: str) -> list[Document]:
    return [{"$ref": f"#/components/parameters/{name}"} for name in names]


def _json_content(schema: Schema, examples: Mapping[str, object] | None = None) -> Document:
    shown = {"examples": {name: {"value": example} for name, example in examples.items()}} if examples else {}
    return {"application/json": {"schema": schema, **shown}}


def _describe_answer(schema: Schema, more: Mapping[str, object] | None = None) -> Document:
    return {
        "description": "The answer.",
        "headers": {**_common_headers(), **(more or {})},
        "content": _json_content(schema),
    }


def _describe_readiness(schema: Schema) -> Document:
    return {
        "200": _describe_answer(schema),
        "503": _describe_answer(schema) | {"description": "Not ready, or not any more."},
    }


def _describe_plain(code: str, text: str) -> Document:
    """Describe a response whose body is not JSON although its content type says so."""
    description = f"{text}." if code == "200" else f"{text}: not ready."
    return {"description": description, "headers": _common_headers(), "content": {"application/json": {}}}


def _common_headers() -> Document:
    return {name: {"$ref": f"#/components/headers/{key}"} for name, key in _COMMON_HEADERS.items()}


_COMMON_HEADERS = {REVISION.decode(): "Revision", REQUEST_ID.decode(): "RequestId", "content-encoding": "Encoding"}


def _describe_headers(manifest: Manifest) -> Document:
    return {
        "Revision": {"description": "Who answers.", "required": True, "schema": {"const": manifest.revision}},
        "RequestId": {"description": "The request's own, where it has one.", "schema": TEXT},
        "Encoding": {"description": "How the body is packed.", "schema": {"enum": ["gzip", "zstd"]}},
        "Allow": {"description": "The methods of this path.", "schema": TEXT},
        "RetryAfter": {"description": "Seconds after which another try may do.", "schema": INTEGER},
        "JsonLength": {"description": "How many bytes of the body are JSON; the rest are tensors.", "schema": INTEGER},
    }


def _describe_parameters() -> Document:
    timeout = f"How long the client waits; work past it is not done. At most {PATIENCE_SECONDS:g} s, also without it."
    about: dict[str, tuple[str, str, Schema]] = {
        "RequestId": (REQUEST_ID.decode(), "Echoed.", TEXT),
        "Timeout": (DEADLINES[0].decode(), timeout, {"type": "number", "minimum": 0}),
        "Encoding": ("content-encoding", "How the body is packed.", {"enum": [name.decode() for name in DECODERS]}),
        "JsonLength": (
            "Inference-Header-Content-Length",
            "How many bytes of the body are JSON, where tensors follow it.",
            INTEGER | {"minimum": 0},
        ),
    }
    return {
        key: {"name": name, "in": "header", "description": text, "schema": schema}
        for key, (name, text, schema) in about.items()
    }


def _describe_refusals() -> Document:
    """Describe each refusal in each protocol's form."""
    forms = {"oip": "Error", "tensorflow": "Error", "mlflow": "MlflowError"}
    responses: Document = {}
    for refusal in Refused.__subclasses__():
        headers = _common_headers()
        if refusal.retry_after is not None:
            headers["retry-after"] = {"$ref": "#/components/headers/RetryAfter"}
        if refusal is NotAllowed:
            headers["allow"] = {"$ref": "#/components/headers/Allow"}
        for protocol, form in forms.items():
            content = _json_content({"$ref": f"#/components/schemas/{form}"})
            if protocol == "mlflow" and refusal.status == UNKNOWN_MEDIA:
                content = {"text/plain": {"schema": TEXT}}
            about = {"description": refusal.__doc__ or refusal.__name__, "headers": headers, "content": content}
            responses[f"{protocol}-{refusal.status}"] = about
    return responses


def _mlflow_error_schema() -> Schema:
    codes = {"enum": ["BAD_REQUEST", *ERROR_CODES.values()]}
    return object_schema({"error_code": codes, "message": TEXT}, "error_code", "message")


def _metadata_schema() -> Schema:
    """Return the schema of the Open Inference Protocol's model metadata."""
    shape = array_schema(INTEGER)
    tensor = object_schema({"name": TEXT, "datatype": TEXT, "shape": shape, "parameters": ANY_OBJECT}, "name", "shape")
    about = {"name": TEXT, "versions": array_schema(TEXT), "platform": TEXT, "inputs": array_schema(tensor)}
    return object_schema({**about, "outputs": array_schema(tensor)}, *about, "outputs")
