"""One connection to one namespace of a cluster: objects as plain dicts, errors as Slipway's own.

Every call has a time limit; reads are tried three times, writes once: the caller decides what to do about a write with
an unknown result, and all of them may be repeated. `calls` counts the calls, by RBAC verb and resource.
"""

import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Self

from slipway.adapters.kubernetes.connecting import open_api
from slipway.adapters.kubernetes.kinds import KINDS, Manifest
from slipway.adapters.kubernetes.refusals import (
    NOT_FOUND,
    ApiRequest,
    Conflict,
    is_passing,
    lacks_right,
    make_refusal,
    make_unavailable_error,
)
from slipway.errors import PermanentError, SettingsError, TransientError

if TYPE_CHECKING:
    from kubernetes.client import ApiClient

MANAGER = "slipway"
"""Our name among an object's field managers."""
MANAGED_BY = "app.kubernetes.io/managed-by"
CONNECT_SECONDS, READ_SECONDS = 5.0, 15.0
READ_PAUSES_SECONDS = (0.2, 1.0)
"""Seconds before each retry of a read that failed."""
READS = frozenset({"get", "list"})
OK, CREATED, FIRST_REFUSAL = 200, 201, 300
READY_PATH = "/readyz"
METHODS = {"get": "GET", "list": "GET", "create": "POST", "update": "PUT", "patch": "PATCH", "delete": "DELETE"}
MERGE, APPLY = "application/merge-patch+json", "application/apply-patch+yaml"

Query = list[tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """An object after it was applied."""

    live: Manifest
    created: bool
    """Whether it is new."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request:
    """One request to the API server."""

    asked: ApiRequest
    path: str
    query: Query
    body: Manifest | None = None
    content_type: str = "application/json"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reply:
    status: int
    body: bytes

    def json(self) -> Any:  # noqa: ANN401 - whatever the server sent
        return json.loads(self.body)


class Cluster:
    """Reads and writes objects of one namespace."""

    def __init__(self, api: "ApiClient", namespace: str) -> None:
        """Make no call yet."""
        self._api, self.namespace = api, namespace
        self.calls: Counter[tuple[str, str]] = Counter()
        """Number of calls by (verb, resource), such as `("list", "pods")`."""
        self._ahead_seconds = 0.0

    @classmethod
    def connect(cls, context: str = "", namespace: str = "") -> Self:
        """Open the cluster that a context of the kubeconfig names, or the one that this process runs in."""
        api, own = open_api(context)
        return cls(api, namespace or own)

    def now(self) -> float:
        """Return the API server's time, Unix seconds: the one clock that all holders of leases share.

        It is in every answer, in whole seconds: if the local clock agrees with it, the local clock is used.
        """
        return time.time() + self._ahead_seconds

    def get(self, kind: str, name: str, *, namespace: str = "") -> Manifest | None:
        """Return an object; None: it is missing."""
        reply = self._get_if_found(self._make_request("get", kind, name, namespace))
        return None if reply is None else reply.json()

    def list(self, kind: str, selector: str = "", *, everywhere: bool = False) -> list[Manifest]:
        """Return the objects with these labels; none for a kind that the cluster does not serve."""
        query = [("labelSelector", selector)] if selector else []
        where = "" if everywhere else self.namespace
        asked = ApiRequest(verb="list", kind=kind, namespace=where if KINDS[kind].namespaced else "")
        reply = self._get_if_found(_Request(asked=asked, path=KINDS[kind].path(where), query=query))
        return [] if reply is None else [_add_kind(item, kind) for item in reply.json()["items"]]

    def apply(self, manifest: Manifest) -> Applied:
        """Set the fields named here (server-side apply); fields of other managers are kept.

        A field that another manager took is taken back if the object is ours, as a controller must do; an object of the
        same name that is not ours is refused and not changed.
        """
        try:
            return self._apply_as_manager(manifest, force=False)
        except Conflict as conflict:
            live = self.get(manifest["kind"], manifest["metadata"]["name"])
            if live is not None and not is_ours(live):
                raise _make_not_ours_error(manifest, live) from conflict
            return self._apply_as_manager(manifest, force=True)

    def create(self, manifest: Manifest) -> Manifest:
        """Create an object; raise Conflict if there is one of that name."""
        return self._write_object("create", manifest)

    def replace(self, manifest: Manifest) -> Manifest:
        """Write an object that was read before; raise Conflict when it was changed meanwhile."""
        return self._write_object("update", manifest)

    def patch(self, kind: str, name: str, fields: Manifest) -> Manifest:
        """Merge fields into an object; None removes a field."""
        sent = self._make_request(
            "patch", kind, name, query=[("fieldManager", MANAGER)], body=fields, content_type=MERGE
        )
        return self._get_required(sent)

    def delete(self, kind: str, name: str, *, resource_version: str = "") -> bool:
        """Delete an object, and in the background what it owns; False: it was missing already.

        With a version of it, only that one: raise Conflict when it was changed meanwhile.
        """
        options: Manifest = {"propagationPolicy": "Background"}
        if resource_version:
            options["preconditions"] = {"resourceVersion": resource_version}
        return self._get_if_found(self._make_request("delete", kind, name, body=options)) is not None

    def read_raw_path(self, path: str) -> Any:  # noqa: ANN401 - JSON of any shape
        """Return the API server's answer for a path outside of objects (`/version`); None: nothing."""
        sent = _Request(asked=ApiRequest(verb="get", kind="", namespace="", name=path), path=path, query=[])
        # not counted: every authenticated account may read these (system:discovery)
        reply = self._send_with_retries(sent)
        return None if reply.status == NOT_FOUND else self._check_status(reply, sent).json()

    def read_pod_page(self, pod: str, port: int, path: str) -> Any:  # noqa: ANN401 - JSON of any shape
        """Return a page of a pod, as JSON, through the API server; None: the pod is gone or has no such page."""
        asked = ApiRequest(verb="get", kind="Pod", namespace=self.namespace, name=pod, subresource="proxy")
        where = f"{KINDS['Pod'].path(self.namespace)}/{pod}:{port}/proxy/{path.lstrip('/')}"
        reply = self._get_if_found(_Request(asked=asked, path=where, query=[]))
        return None if reply is None else reply.json()

    def read_log(self, pod: str, container: str, *, lines: int, size: int) -> bytes:
        """Return the last lines of a container's log, up to these limits of lines and bytes; none for a missing pod."""
        asked = ApiRequest(verb="get", kind="Pod", namespace=self.namespace, name=pod, subresource="log")
        query = [("container", container), ("tailLines", str(lines)), ("limitBytes", str(size))]
        reply = self._get_if_found(
            _Request(asked=asked, path=KINDS["Pod"].path(self.namespace, pod) + "/log", query=query)
        )
        return b"" if reply is None else reply.body

    def _make_request(  # noqa: PLR0913 - all of what one request may carry
        self,
        verb: str,
        kind: str,
        name: str = "",
        namespace: str = "",
        *,
        query: Sequence[tuple[str, str]] = (),
        body: Manifest | None = None,
        content_type: str = "application/json",
    ) -> _Request:
        where = (namespace or self.namespace) if KINDS[kind].namespaced else ""
        asked = ApiRequest(verb=verb, kind=kind, namespace=where, name=name)
        at = KINDS[kind].path(where, name)
        return _Request(asked=asked, path=at, query=list(query), body=body, content_type=content_type)

    def _write_object(self, verb: str, manifest: Manifest) -> Manifest:
        name = manifest["metadata"].get("name", "") if verb == "update" else ""
        query = [("fieldManager", MANAGER)]
        return self._get_required(self._make_request(verb, manifest["kind"], name, query=query, body=manifest))

    def _apply_as_manager(self, manifest: Manifest, *, force: bool) -> Applied:
        query = [("fieldManager", MANAGER), ("force", "true" if force else "false")]
        kind, name = manifest["kind"], manifest["metadata"]["name"]
        sent = self._make_request("patch", kind, name, query=query, body=manifest, content_type=APPLY)
        reply = self._check_status(self._send_counted(sent), sent)
        if reply.status == CREATED:  # RBAC requires both verbs then
            self.calls["create", sent.asked.resource] += 1
        return Applied(live=reply.json(), created=reply.status == CREATED)

    def _get_required(self, sent: _Request) -> Manifest:
        made: Manifest = self._check_status(self._send_counted(sent), sent).json()
        return made

    def _get_if_found(self, sent: _Request) -> _Reply | None:
        """Return the answer; None: not found."""
        reply = self._send_counted(sent)
        return None if reply.status == NOT_FOUND else self._check_status(reply, sent)

    def _check_status(self, reply: _Reply, sent: _Request) -> _Reply:
        if reply.status >= FIRST_REFUSAL:
            raise make_refusal(sent.asked, reply.status, reply.body)
        return reply

    def _send_counted(self, sent: _Request) -> _Reply:
        """Send a request and return the answer; a missing right is accepted only from a server that is ready.

        A starting server answers before it has read the roles. A request refused for that was not executed, so it is
        retried.
        """
        self.calls[sent.asked.verb, sent.asked.resource] += 1
        reply = self._send_with_retries(sent)
        if not lacks_right(reply.status, reply.body):
            return reply
        ready = _Request(asked=replace(sent.asked, verb="get", kind="", name=READY_PATH), path=READY_PATH, query=[])
        if self._send(ready).status != OK:
            raise make_unavailable_error(
                sent.asked, f"the API server refuses it ({reply.status}) and is not ready itself"
            )
        return self._send_with_retries(sent)

    def _send_with_retries(self, sent: _Request) -> _Reply:
        """Send a request; a read is retried after a while if the server gives no answer or is unavailable."""
        for pause in READ_PAUSES_SECONDS if sent.asked.verb in READS else ():
            try:
                reply = self._send(sent)
            except TransientError:
                time.sleep(pause)
                continue
            if not is_passing(reply.status):
                return reply
            time.sleep(pause)
        return self._send(sent)

    def _send(self, sent: _Request) -> _Reply:
        from kubernetes.client import ApiException
        from urllib3.exceptions import HTTPError

        call = self._api.param_serialize(
            METHODS[sent.asked.verb],
            sent.path,
            query_params=sent.query,
            header_params={"Accept": "application/json", "Content-Type": sent.content_type},
            body=sent.body,
            auth_settings=["BearerToken"],
        )
        began = time.time()
        try:
            response = self._api.call_api(*call, _request_timeout=(CONNECT_SECONDS, READ_SECONDS))
            body = response.read()  # type: ignore[no-untyped-call]  # the client is typed in part
        except ApiException as error:  # the client wraps TLS errors in this
            raise _make_untrusted_error(sent.asked, str(error.reason)) from None
        except (HTTPError, OSError) as error:
            raise make_unavailable_error(
                sent.asked, str(error).rpartition(": ")[2].strip() or type(error).__name__
            ) from error
        self._compare_clocks(began, response.headers.get("date"))
        return _Reply(status=response.status, body=body)

    def _compare_clocks(self, began: float, date: str | None) -> None:
        if date is None:
            return
        server = parsedate_to_datetime(date).timestamp()
        agrees = began - 1 <= server <= time.time()
        self._ahead_seconds = 0.0 if agrees else server + 0.5 - time.time()


def is_ours(live: Manifest) -> bool:
    """Return whether Slipway made an object."""
    labels = live["metadata"].get("labels") or {}
    return labels.get(MANAGED_BY) == MANAGER


def _add_kind(item: Manifest, kind: str) -> Manifest:
    """Add to an item of a list the kind, which lists omit."""
    return {"apiVersion": KINDS[kind].api_version, "kind": kind, **item}


def _make_not_ours_error(manifest: Manifest, live: Manifest) -> PermanentError:
    managers = {entry["manager"] for entry in live["metadata"].get("managedFields", [])}
    return PermanentError(
        f"{manifest['kind']} {manifest['metadata']['name']}",
        seen=f"there is one already that is not Slipway's ({', '.join(sorted(managers)) or 'unknown'} made it)",
        expected=f"a name that is free, or the label {MANAGED_BY}={MANAGER}",
        do="remove or rename that object, or serve the model in another namespace",
    )


def _make_untrusted_error(asked: ApiRequest, reason: str) -> SettingsError:
    said = reason.strip().splitlines()[-1].rpartition(": ")[2] if reason.strip() else "TLS failed"
    return SettingsError(
        f"{asked.verb} {asked}",
        seen=f"no trusted connection to the API server: {said}",
        expected="the certificate authority of the kubeconfig to know the server's certificate",
        do="look at the cluster's certificate-authority-data in the kubeconfig",
    )
