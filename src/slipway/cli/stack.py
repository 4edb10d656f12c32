"""`slipway up` and `slipway down`: the embedded stack on this machine."""

from slipway.cli import output


def up(*, as_json: output.AsJson = False) -> None:
    """Start the embedded stack: MLflow, Prefect, Envoy and the rest."""
    from slipway import stack
    from slipway.settings import settings

    tell = None if as_json else _print_progress
    parts = stack.start_stack(settings(), on_progress=tell)
    if as_json:
        output.print_json({"parts": parts})
        return
    for part in parts:
        if part.address:
            output.print_line(f"{part.name:<10}{part.address}")


def _print_progress(part: str, state: str, seconds: float) -> None:
    output.print_line(f"{part:<10}{state:<10}{seconds:5.1f} s")


def down(*, as_json: output.AsJson = False) -> None:
    """Stop the embedded stack; what it wrote stays."""
    from slipway import stack
    from slipway.settings import settings

    stack.stop_stack(settings())
    if as_json:
        output.print_json({"stopped": True})
    else:
        output.print_line("stopped; `slipway up` goes on where it stopped")
