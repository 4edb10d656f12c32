"""Whether a delivery is MLflow's, unmodified and recent: HMAC-SHA256 over the raw bytes. Pure.

MLflow follows the Standard Webhooks convention: `v1,<base64 of HMAC(secret, "id.timestamp.body")>`.
Retries carry the id and the timestamp of the first try.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass

from services.webhook.rejection import Rejected

ID, TIMESTAMP, SIGNATURE = "x-mlflow-delivery-id", "x-mlflow-timestamp", "x-mlflow-signature"
VERSION = "v1"
_ID_FORM = re.compile(r"[A-Za-z0-9_.:-]{1,128}")
_TIMESTAMP_FORM = re.compile(r"[0-9]{1,12}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One delivery of an event: its retries have the same id."""

    id: str
    sent_at: float
    """Unix seconds: when MLflow first tried."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Which deliveries are recent enough."""

    now: float
    """Unix seconds."""
    max_age_seconds: float
    """The largest difference of a timestamp from now, in both directions, because clocks differ."""


def verify(secret: str, headers: Mapping[str, str], body: bytes, window: Window) -> Delivery:
    """Return the delivery; raise Rejected with 401 if it is unsigned, forged or stale, 400 if malformed.

    `headers` are looked up by their lower-case names.
    """
    delivery_id, timestamp = headers.get(ID, ""), headers.get(TIMESTAMP, "")
    given = headers.get(SIGNATURE, "")
    if not given:
        raise Rejected(401, "unsigned", f"no {SIGNATURE} header: give the webhook in MLflow a secret")
    if not _ID_FORM.fullmatch(delivery_id):
        raise Rejected(400, "malformed", f"no usable {ID} header")
    if not _TIMESTAMP_FORM.fullmatch(timestamp):
        raise Rejected(400, "malformed", f"no usable {TIMESTAMP} header: whole unix seconds are expected")
    expected = sign(secret, delivery_id, timestamp, body).encode()
    # several signatures, separated by spaces, are how a secret is rotated
    if not any(hmac.compare_digest(one.encode(), expected) for one in given.split()):
        raise Rejected(401, "forged", "the signature does not fit: MLflow and Slipway must share one webhook secret")
    distance = abs(window.now - int(timestamp))
    if distance > window.max_age_seconds:
        reason = f"sent {distance:.0f} s from now by its timestamp; {window.max_age_seconds:g} s are allowed"
        raise Rejected(401, "stale", reason)
    return Delivery(id=delivery_id, sent_at=float(timestamp))


def sign(secret: str, delivery_id: str, timestamp: str, body: bytes) -> str:
    """Return the signature header of a delivery, as MLflow computes it.

    >>> sign("secret", "msg-1", "1700000000", b"{}")
    'v1,bxoCRqIU3K0tTdDuvhsXEfYxEVUqJmCYC9pDrP7Vkjs='
    """
    message = f"{delivery_id}.{timestamp}.".encode() + body
    code = hmac.new(secret.encode(), message, hashlib.sha256).digest()
    return f"{VERSION},{base64.b64encode(code).decode()}"
