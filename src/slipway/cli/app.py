"""The entry point: assembles the commands, and turns errors into one block and an exit code."""

import os
import sys
from typing import Annotated

import typer

import slipway
from slipway.cli import doctor, exit_codes, history, labels, output, plan, release, spec, stack, status, target, webhook
from slipway.cli.exit_codes import ExitCode
from slipway.errors import SettingsError, SlipwayError

EPILOG = f"""\b
Exit codes:
{exit_codes.format_exit_codes()}

\b
Settings come from the environment (SLIPWAY_...); `slipway doctor` lists them.
SLIPWAY_TRACE=1 shows where an error was raised."""

app = typer.Typer(
    name="slipway",
    epilog=EPILOG,
    rich_markup_mode=None,  # rich takes longer to import than `--help` may take
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(*, wanted: bool) -> None:
    if wanted:
        output.print_line(f"slipway {slipway.__version__}")
        raise typer.Exit


@app.callback()
def options(
    *,
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Take each new model version from MLflow to production traffic, and back when it misbehaves."""


app.command()(stack.up)
app.command()(stack.down)
app.command()(status.status)
app.command()(release.release)
app.command()(release.rollback)
app.command()(release.approve)
app.command()(history.history)
app.command()(history.report)
app.command()(plan.plan)
app.command()(labels.labels)
app.add_typer(spec.app)
app.add_typer(webhook.app)
app.add_typer(target.app)
app.command()(doctor.doctor)


def main() -> None:
    """Run the command line and exit."""
    try:
        app(prog_name="slipway")
    except SlipwayError as error:
        sys.exit(_report_error(error))
    except Exception as error:
        if (wrong := _make_settings_error(error)) is None:
            raise  # a defect of ours: a report of it needs the traceback
        sys.exit(_report_error(wrong))


def _report_error(error: SlipwayError) -> ExitCode:
    if os.environ.get("SLIPWAY_TRACE") == "1":
        import traceback

        traceback.print_exception(error)
    code = exit_codes.find_exit_code(error)
    sys.stderr.write(
        output.format_error_json(error, code) if "--json" in sys.argv else output.format_error_block(error)
    )
    return code


def _make_settings_error(error: Exception) -> SettingsError | None:
    """Return pydantic's error on the environment as our own; None for any other error."""
    from pydantic import ValidationError

    if not isinstance(error, ValidationError):
        return None
    from slipway.doctor import make_settings_error
    from slipway.platforms import list_settings

    titles = {"Settings", *(group.__name__ for group in list_settings().values())}
    return make_settings_error(error) if error.title in titles else None
