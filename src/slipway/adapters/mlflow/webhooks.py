"""MLflow's webhooks: the one that notifies our receiver of new versions."""

import json
from typing import Any, NamedTuple

from slipway.adapters.mlflow.refusals import MlflowRefused
from slipway.adapters.mlflow.rest import MlflowRest
from slipway.errors import NotFound, RegistryUnavailable, SettingsError

EVENT = {"entity": "MODEL_VERSION", "action": "CREATED"}
"""The only event that starts a release. MLflow has none for stages, and aliases are moved by us."""


class Delivered(NamedTuple):
    """The result of a test delivery."""

    ok: bool
    status: int | None
    """HTTP status of the receiver; None: it did not answer."""
    body: str
    """Its answer, or why it could not be reached."""


class MlflowWebhooks:
    """Creates, tests and removes webhooks of an MLflow server."""

    def __init__(self, uri: str, timeout_seconds: float) -> None:
        """Store the address of MLflow and the time limit of one call; nothing is sent. Raises SettingsError."""
        self._rest = MlflowRest(uri, timeout_seconds)

    def register(self, name: str, url: str, secret: str) -> str:
        """Have MLflow notify `url` of new versions, signed with `secret`; return the webhook's id.

        An existing one of this name is updated. MLflow may take a minute to notice (MLFLOW_WEBHOOK_CACHE_TTL). Raises
        SettingsError if the MLflow server does not allow such an address or has no usable encryption key, and
        RegistryUnavailable.
        """
        request = {"name": name, "url": url, "secret": secret, "events": [EVENT], "status": "ACTIVE"}
        known = self.find(name)
        try:
            if known is None:
                answer = self._rest.call("POST", "webhooks", body=request)
            else:
                answer = self._rest.call("PATCH", f"webhooks/{known}", body=request)
        except MlflowRefused as error:
            raise _make_refused_error(name, url, error) from error
        except RegistryUnavailable as error:
            raise _make_unreadable_error(error) from error
        return str(answer["webhook"]["webhook_id"])

    def send_test(self, webhook_id: str) -> Delivered:
        """Have MLflow deliver an example of the event now, and return the result.

        MLflow itself waits up to 30 s for the receiver and retries: this object's time limit must be longer than that.
        Raises NotFound, RegistryUnavailable.
        """
        try:
            answer = self._rest.call("POST", f"webhooks/{webhook_id}/test", body={"event": EVENT})
        except MlflowRefused as error:
            if error.missing:
                raise _make_not_found_error(webhook_id) from error
            raise
        result: dict[str, Any] = answer.get("result", {})
        status = result.get("response_status")
        body = str(result.get("response_body") or result.get("error_message") or "")
        return Delivered(bool(result.get("success", False)), None if status is None else int(status), body)

    def remove(self, name: str) -> None:
        """Delete the webhook of this name; a missing one is no error. Raises RegistryUnavailable, SettingsError."""
        known = self.find(name)
        if known is None:
            return
        try:
            self._rest.call("DELETE", f"webhooks/{known}")
        except MlflowRefused as error:
            if not error.missing:  # missing: another process was faster
                raise

    def find(self, name: str) -> str | None:
        """Return the id of the webhook of this name; None: there is none. Raises RegistryUnavailable, SettingsError."""
        try:
            found = self._rest.list_items("GET", "webhooks", "webhooks", {"max_results": 100})
            return next((str(one["webhook_id"]) for one in found if one["name"] == name), None)
        except RegistryUnavailable as error:
            raise _make_unreadable_error(error) from error


def _make_refused_error(name: str, url: str, error: MlflowRefused) -> SettingsError:
    scheme, private = "scheme" in error.seen, "IP" in error.seen or "resolve" in error.seen
    advice = {
        "start the MLflow server with MLFLOW_WEBHOOK_ALLOWED_SCHEMES=http,https": scheme,
        "start the MLflow server with MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS=true (on a closed network only)": private,
    }
    chosen = [words for words, applies in advice.items() if applies] or ["correct the webhook's name or its address"]
    return SettingsError(
        f"webhook {name!r} to {json.dumps(url)}",
        seen=error.seen,
        expected="a name and an address that the MLflow server takes: by default https, at a public address",
        do=f"{' and '.join(chosen)}; or give the receiver a public https address",
    )


def _make_unreadable_error(error: RegistryUnavailable) -> SettingsError | RegistryUnavailable:
    """Return the error for a failed call: a 500 here means that MLflow can't decrypt what another process stored."""
    if not error.seen.startswith("status 500"):
        return error
    return SettingsError(
        f"webhooks of {error.what}",
        seen=error.seen,
        expected="webhook secrets that the server can read",
        do="set MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY on the MLflow server, one Fernet key for all its processes and"
        " restarts (unset, each process makes its own); with the old key lost, delete the rows of its table `webhooks`",
    )


def _make_not_found_error(webhook_id: str) -> NotFound:
    return NotFound(
        f"webhook {webhook_id}",
        seen="MLflow does not know it",
        expected="a webhook that exists",
        do="run `slipway webhook register`",
    )
