"""Secrets of the embedded stack: created once, readable only by their owner."""

import base64
import secrets
from pathlib import Path

from slipway.adapters.local.locks import hold_lock
from slipway.artifacts.store import write_atomic
from slipway.settings import Settings


def load_webhook_secret(settings: Settings) -> str:
    """Return the secret shared with MLflow: the setting, or the one created before, or a new one."""
    if settings.webhook_secret is not None:
        return settings.webhook_secret.get_secret_value()
    return _read_or_create(settings.secret_file, secrets.token_urlsafe(32))


def load_encryption_key(settings: Settings) -> str:
    """Return the key MLflow encrypts webhook secrets with (Fernet: 32 bytes, base64)."""
    return _read_or_create(
        settings.secret_file.parent / "mlflow-webhook-key", base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
    )


def _read_or_create(path: Path, fresh: str) -> str:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with hold_lock(path.parent / "lock"):
        if not path.is_file():
            write_atomic(path, fresh.encode(), mode=0o600)
        return path.read_text().strip()
