"""`slipway spec`: write, check and describe release specs."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from slipway.cli import output
from slipway.cli.completing import complete_model
from slipway.cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from slipway.domain.release.version import Signature
    from slipway.specs import Problem

app = typer.Typer(name="spec", help="Release specs: one YAML document per model.", no_args_is_help=True)


@app.command()
def init(  # noqa: PLR0913 - one parameter per option
    *,
    model: Annotated[str, typer.Option("--from-registry", help="The model, as the registry calls it.")],
    label: Annotated[str, typer.Option(help="Column of the rows file that holds the truth.")],
    data: Annotated[Path, typer.Option(help="Labelled rows that no version was trained on: .csv or .parquet.")],
    out: Annotated[Path | None, typer.Option(help="Where to write; deployments/models/MODEL.yaml without.")] = None,
    allow_pickle: Annotated[bool, typer.Option(help="Accept a model whose file runs code when loaded.")] = False,
    as_json: output.AsJson = False,
) -> None:
    """Write a commented spec for a model, from its newest version's signature."""
    from slipway.settings import settings
    from slipway.specs import Draft, begin_spec, format_path

    signature = _download_signature(model, allow_pickle=allow_pickle)
    draft = Draft(model=model, label=label, data=data, allow_pickle=allow_pickle)
    path = begin_spec(out or settings().models / f"{model}.yaml", draft, signature)
    if as_json:
        output.print_json({"model": model, "path": path})
    else:
        output.print_line(
            f"wrote {format_path(path)}; `slipway spec check {format_path(path)}` checks it after your changes"
        )


@app.command()
def check(
    specs: Annotated[
        list[str] | None,
        typer.Argument(metavar="[SPEC]...", help="Files or models; all without.", autocompletion=complete_model),
    ] = None,
    *,
    as_json: output.AsJson = False,
) -> None:
    """Check specs and the rows files they name; explain every error with its line."""
    from slipway.settings import settings
    from slipway.specs import check_file, format_path, list_spec_files

    paths = [_find_path(spec) for spec in specs] if specs else list_spec_files(settings().models)
    found = {path: check_file(path)[1] for path in paths}
    if as_json:
        output.print_json(
            [{"path": path, "valid": not problems, "problems": problems} for path, problems in found.items()]
        )
    elif not found:
        output.print_line(f"no specs in {format_path(settings().models)}")
    else:
        for path, problems in found.items():
            _print_problems(format_path(path), problems)
    if any(found.values()):
        raise typer.Exit(ExitCode.MISCONFIGURED)


@app.command()
def schema() -> None:
    """Print the JSON schema of release specs, for editors."""
    from slipway.specs import format_schema

    typer.echo(format_schema(), nl=False)


def _find_path(spec: str) -> Path:
    """Return the file for an argument: a file, or a model with a spec."""
    from slipway.settings import settings
    from slipway.specs import read_names

    path = Path(spec)
    if path.is_file() or path.suffix in {".yaml", ".yml"}:
        return path
    return next((known for known, name in read_names(settings().models).items() if name == spec), path)


def _print_problems(name: str, problems: "list[Problem]") -> None:
    if not problems:
        output.print_line(f"{name}: valid")
        return
    output.print_line(f"{name}: {len(problems)} problem{'s' if len(problems) > 1 else ''}")
    for problem in problems:
        output.print_line(f"  {problem}")


def _download_signature(model: str, *, allow_pickle: bool) -> "Signature":
    """Download the newest version into the store and return its signature."""
    from slipway import wiring
    from slipway.settings import settings
    from slipway.usecases.begin import find_newest

    artifact = wiring.get_registry().download(
        find_newest(model, wiring.get_registry().list_versions(model)), settings().store
    )
    return wiring.get_runner().read_signature(artifact.path, allow_pickle=allow_pickle)
