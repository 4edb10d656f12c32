"""Runs the receiver: `python -m services.webhook.main`. Addresses are from the settings."""

import logging
import sys
import time

import uvicorn
from fastapi import FastAPI

from services.webhook.app import create_app
from slipway import wiring
from slipway.domain.release.version import ModelVersion
from slipway.errors import SettingsError, SlipwayError
from slipway.settings import settings
from slipway.usecases.submit import submit_release

WORDS = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def webhook_secret() -> str:
    """Return the secret shared with MLflow, from SLIPWAY_WEBHOOK_SECRET or the file that `slipway up` creates.

    Raises SettingsError if there is none.
    """
    here = settings()
    if here.webhook_secret is not None and here.webhook_secret.get_secret_value():
        return here.webhook_secret.get_secret_value()
    try:
        secret = here.secret_file.read_text().strip()
    except OSError:
        secret = ""
    if not secret:
        raise SettingsError(
            "the webhook secret",
            seen="neither SLIPWAY_WEBHOOK_SECRET nor a file secrets/webhook under SLIPWAY_HOME",
            expected="one of them",
            do="run `slipway up`, which makes the file, or set SLIPWAY_WEBHOOK_SECRET",
        )
    return secret


def receiver() -> FastAPI:
    """Return the application with this machine's registry and orchestrator behind it. Raises SettingsError."""
    registry = wiring.get_registry()
    wiring.get_orchestrator()  # imported now, not within the second that the first delivery has

    def submit(version: ModelVersion) -> str:
        return submit_release(version, trigger="webhook")

    return create_app(webhook_secret(), submit, registry.get_version, settings().webhook_max_age_seconds, time.time)


def main() -> int:
    """Serve until a signal to stop; return the exit code."""
    logging.basicConfig(level=logging.INFO, format=WORDS)
    logging.getLogger("httpx").setLevel(logging.WARNING)  # one line per delivery, our own, is enough
    try:
        app = receiver()
    except SlipwayError as error:
        logging.getLogger("slipway.webhook").critical("%s", error)
        return 1
    uvicorn.run(app, host=settings().host, port=settings().webhook_port, access_log=False, log_config=None)
    return 0


if __name__ == "__main__":
    sys.exit(main())
