"""Refusals of the API server, as errors that advise what to do.

Only the server's own message and the names of objects go into them: requests carry credentials, answers do not.
"""

import json
from dataclasses import dataclass

from slipway.adapters.kubernetes.kinds import KINDS, Manifest
from slipway.errors import NotFound, PermanentError, SettingsError, SlipwayError, TargetUnavailable, TransientError

MOST_WORDS = 600
UNAUTHORIZED, FORBIDDEN, NOT_FOUND, CONFLICT, TOO_MANY, SERVER_ERROR = 401, 403, 404, 409, 429, 500


class Conflict(TransientError):
    """Another writer changed or created the object meanwhile: read it again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiRequest:
    """A call to the API server."""

    verb: str
    """RBAC's verb: get, list, create, update, patch, delete."""
    kind: str
    namespace: str
    """Empty: all of them, or the kind has none."""
    name: str = ""
    subresource: str = ""

    @property
    def resource(self) -> str:
        """RBAC's name of the resource: `deployments.apps`, `pods/proxy`."""
        kind = KINDS[self.kind]
        below = f"/{self.subresource}" if self.subresource else ""
        return f"{kind.plural}{below}" + (f".{kind.group}" if kind.group else "")

    def __str__(self) -> str:
        """Name the object."""
        if not self.kind:
            return self.name
        where = f" in namespace {self.namespace}" if self.namespace else ""
        return f"{self.kind} {self.name}{where}" if self.name else f"{self.kind} objects{where}"


def make_refusal(asked: ApiRequest, status: int, body: bytes) -> SlipwayError:
    """Return the error for an answer that is no success."""
    said = _parse_status(body)
    message = _read_message(said, status, body)
    if is_passing(status):
        return make_unavailable_error(asked, f"the API server answered {status}: {message}")
    if status == CONFLICT:
        return Conflict(
            str(asked), seen=message, expected="an object as it was read", do="nothing: it is read again and retried"
        )
    if status == UNAUTHORIZED:
        return SettingsError(
            str(asked),
            seen="the API server does not know these credentials (401)",
            expected="valid credentials",
            do="log in again, or look at the kubeconfig (`kubectl auth whoami`)",
        )
    if status == FORBIDDEN:
        return _make_forbidden_error(asked, message)
    if status == NOT_FOUND:
        return _make_not_found_error(asked, said, message)
    return PermanentError(
        str(asked),
        seen=f"the API server refused it ({status}): {message}",
        expected="an object that this cluster accepts",
        do="change what the message names in the release spec (`serving:`), or in the cluster",
    )


def is_passing(status: int) -> bool:
    """Return whether the same call may succeed later."""
    return status == TOO_MANY or status >= SERVER_ERROR


def lacks_right(status: int, body: bytes) -> bool:
    """Return whether the server refuses the account, not the request itself.

    >>> lacks_right(403, b'pods is forbidden: User "flows" cannot list resource'), lacks_right(403, b"exceeded quota")
    (True, False)
    """
    return status == UNAUTHORIZED or (status == FORBIDDEN and all(words in body for words in (b"User ", b" cannot ")))


def make_unavailable_error(asked: ApiRequest, seen: str) -> TargetUnavailable:
    """Return the error for a server that gave no answer, or is unavailable."""
    return TargetUnavailable(
        f"{asked.verb} {asked}",
        seen=seen,
        expected="an answer of the API server",
        do="nothing yet: it is tried again; `kubectl get --raw /readyz` asks the server itself",
    )


def _make_forbidden_error(asked: ApiRequest, message: str) -> SlipwayError:
    if 'User "' in message and " cannot " in message:
        return PermanentError(
            str(asked),
            seen=f"no right to {asked.verb} {asked.resource} in namespace {asked.namespace or '(all)'}: {message}",
            expected=f"slipway's Role to have the verb {asked.verb} for {asked.resource}",
            do="add it to the Role (`slipway doctor` lists the missing ones)",
        )
    return PermanentError(
        f"{asked.verb} {asked}",
        seen=f"the cluster refuses it: {message}",
        expected="room in the quota, and consent of the cluster's policies",
        do="ask for more quota or change `serving:` in the release spec, then release again",
    )


def _make_not_found_error(asked: ApiRequest, said: Manifest, message: str) -> SlipwayError:
    details = said.get("details") or {}
    if details.get("kind") == "namespaces":
        return NotFound(
            f"namespace {asked.namespace}",
            seen="the cluster does not have it",
            expected="a namespace to serve in",
            do=f"`kubectl create namespace {asked.namespace}`, or set SLIPWAY_KUBE_NAMESPACE",
        )
    if not said:
        return NotFound(
            f"kind {asked.kind}",
            seen="the cluster does not serve it",
            expected=KINDS[asked.kind].api_version,
            do="install it in the cluster, or choose another way (`slipway doctor` says what the cluster has)",
        )
    return NotFound(str(asked), seen=message, expected="an object that is there", do="nothing: it is gone already")


def _parse_status(body: bytes) -> Manifest:
    try:
        said = json.loads(body)
    except ValueError:
        return {}
    return said if isinstance(said, dict) and said.get("kind") == "Status" else {}


def _read_message(said: Manifest, status: int, body: bytes) -> str:
    text = str(said.get("message") or body.decode(errors="replace").strip() or f"status {status}")
    return text if len(text) <= MOST_WORDS else f"{text[:MOST_WORDS]} ..."
