"""`slipway webhook`: MLflow's webhook that reports new versions at once. Without it, the schedule finds them."""

from typing import Annotated

import typer

from slipway.cli import output

NAME = "slipway"
"""The name of our webhook in MLflow."""

app = typer.Typer(name="webhook", help="MLflow's webhook that starts releases at once.", no_args_is_help=True)

Url = Annotated[str | None, typer.Option(help="Where MLflow delivers; the embedded receiver without.")]


@app.command()
def register(*, url: Url = None, as_json: output.AsJson = False) -> None:
    """Create the webhook in MLflow (or bring it up to date) and test it."""
    from slipway import wiring
    from slipway.settings import settings

    address = url or settings().webhook
    identifier = wiring.make_webhooks().register(NAME, address, _read_secret())
    _test_webhook(identifier, address, as_json=as_json)


@app.command(name="test")
def deliver_test(*, as_json: output.AsJson = False) -> None:
    """Let MLflow deliver a test event now."""
    from slipway import wiring
    from slipway.settings import settings

    identifier = wiring.make_webhooks().find(NAME)
    if identifier is None:
        raise _make_not_registered_error()
    _test_webhook(str(identifier), settings().webhook, as_json=as_json)


@app.command()
def remove(*, as_json: output.AsJson = False) -> None:
    """Take the webhook out of MLflow; the schedule still finds new versions."""
    from slipway import wiring

    wiring.make_webhooks().remove(NAME)
    if as_json:
        output.print_json({"removed": NAME})
    else:
        output.print_line("removed; `reconcile` still finds new versions, later")


def _read_secret() -> str:
    """Return the shared secret; raises SettingsError if there is none yet."""
    from slipway.errors import SettingsError
    from slipway.settings import settings

    here = settings()
    if here.webhook_secret is not None:
        return here.webhook_secret.get_secret_value()
    try:
        return here.secret_file.read_text(encoding="utf-8").strip()
    except FileNotFoundError as missing:
        raise SettingsError(
            "the webhook's secret",
            seen="neither SLIPWAY_WEBHOOK_SECRET nor a file that `slipway up` made",
            expected="one secret for MLflow and the receiver",
            do="run `slipway up`, or set SLIPWAY_WEBHOOK_SECRET for the receiver and for this command",
        ) from missing


def _test_webhook(identifier: str, address: str, *, as_json: bool) -> None:
    from slipway import wiring
    from slipway.errors import OrchestratorUnavailable

    delivered, status, body = wiring.make_webhooks().send_test(identifier)
    if as_json:
        output.print_json({"id": identifier, "url": address, "delivered": delivered, "status": status, "body": body})
    elif delivered:
        output.print_line(f"webhook {identifier} delivers to {address}: tested, answered {status}")
    if not delivered:
        raise OrchestratorUnavailable(
            f"webhook {identifier} to {address}",
            seen=f"status {status}: {str(body)[:200]}" if status else f"no answer: {str(body)[:200]}",
            expected="the receiver's 2xx answer",
            do="`slipway status` shows whether the receiver runs; 401 means that both sides have different secrets",
        )


def _make_not_registered_error() -> "Exception":
    from slipway.errors import NotFound

    return NotFound(
        f"webhook {NAME}", seen="none in MLflow", expected="one", do="`slipway webhook register` creates it"
    )
