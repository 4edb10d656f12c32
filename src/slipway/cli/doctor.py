"""`slipway doctor`: checks every part, and lists the settings."""

import typer

from slipway.cli import output
from slipway.cli.exit_codes import ExitCode


def doctor(*, as_json: output.AsJson = False) -> None:
    """Check every part, say what to do, list all settings."""
    from slipway.doctor import Condition, examine_parts, list_settings_in_force
    from slipway.settings import settings

    here = settings()
    findings, values = examine_parts(here), list_settings_in_force(here)
    if as_json:
        output.print_json({"findings": findings, "settings": values})
    else:
        rows = [(one.part, one.health.value, one.seen, one.do) for one in findings]
        output.print_table(("part", "health", "seen", "what to do"), rows)
        output.print_line("")
        rows = [(one.name, one.value, one.source, one.description) for one in values]
        output.print_table(("setting", "value", "from", "what it is"), rows)
    if any(one.health is Condition.PROBLEM for one in findings):
        raise typer.Exit(ExitCode.PROBLEM)
