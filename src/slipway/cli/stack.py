"""`slipway up` and `slipway down`: the embedded stack on this machine."""

from slipway.cli import output


def up(*, as_json: output.AsJson = False) -> None:
    """Start the embedded stack: MLflow, Prefect, Envoy and the rest."""
    from slipway import stack
    from slipway.settings import settings

    here = settings()
    stack.up(here, (lambda _line: None) if as_json else output.say)
    places = {"MLflow": here.mlflow, "Prefect": here.prefect.removesuffix("/api"), "front door": here.front_door}
    if as_json:
        output.say_json(places)
        return
    for name, address in places.items():
        output.say(f"{name:<12}{address}")


def down(*, as_json: output.AsJson = False) -> None:
    """Stop the embedded stack; what it wrote stays."""
    from slipway import stack
    from slipway.settings import settings

    stack.down(settings())
    if as_json:
        output.say_json({"stopped": True})
    else:
        output.say("stopped; `slipway up` goes on where it stopped")
