"""`slipway target`: the models that are served, and removing one."""

from typing import Annotated

import typer

from slipway.cli import output
from slipway.cli.completing import complete_model

app = typer.Typer(name="target", help="Where models serve.", no_args_is_help=True)
SECONDS = 60.0
"""Seconds that removing a model may hold its lease."""


@app.command()
def show(*, as_json: output.AsJson = False) -> None:
    """Show every model's revisions at the target: health, replicas, share of the requests."""
    from slipway import wiring
    from slipway.settings import settings

    names = sorted(wiring.get_rollout_store().list_models())
    rows = [row for name in names for row in _make_rows(name)]
    if as_json:
        output.print_json({"target": settings().target, "revisions": rows})
        return
    columns = ("model", "revision", "health", "replicas", "floor", "share", "detail")
    output.print_table(columns, [tuple(str(row[key]) for key in columns) for row in rows])


@app.command()
def uninstall(
    model: Annotated[str, typer.Argument(help="The model to take away.", autocompletion=complete_model)],
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: output.AsJson = False,
) -> None:
    """Take a model's route, its revisions, its status and its lease away. Its versions stay in MLflow.

    It answers no request any more. Refused while a release of it is under way: take that back first.
    """
    from slipway import wiring

    _require_model(model)
    if not yes:
        typer.confirm(f"{model} will answer no request any more. Take it away?", abort=True, err=True)
    lease = wiring.get_leases().acquire(model, "uninstall", SECONDS)
    try:
        wiring.get_revisions().remove(model)
    except BaseException:
        wiring.get_leases().release(lease)
        raise
    wiring.get_rollout_store().forget(model, lease)
    if as_json:
        output.print_json({"model": model, "uninstalled": True})
    else:
        output.print_line(f"{model} is gone; `slipway release {model}` brings it back")


def _require_model(model: str) -> None:
    from slipway import wiring
    from slipway.errors import NotFound

    known = wiring.get_rollout_store().list_models()
    if model not in known and wiring.get_router().read_traffic(model) is None:
        raise NotFound(
            f"model {model}",
            seen="neither a rollout nor a route of it at the target",
            expected=f"one of {', '.join(sorted(known))}" if known else "a model that was released",
            do="`slipway target show` lists what is there",
        )


def _make_rows(model: str) -> list[dict[str, object]]:
    from slipway import wiring

    traffic = wiring.get_router().read_traffic(model)
    weights = traffic.weights if traffic else {}
    rows: list[dict[str, object]] = []
    for name, state in sorted(wiring.get_revisions().observe(model).items()):
        scale = state.scale
        rows.append(
            {
                "model": model,
                "revision": name,
                "health": state.health.value,
                "replicas": scale.ready if scale else 1,
                "floor": scale.floor if scale else 1,
                "share": f"{weights.get(name, 0)} %" + (" and copies" if traffic and traffic.shadow == name else ""),
                "detail": state.detail,
            }
        )
    return rows
