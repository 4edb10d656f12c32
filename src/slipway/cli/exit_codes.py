"""The meaning of the command line's exit codes, defined only here."""

from enum import IntEnum

from slipway import errors


class ExitCode(IntEnum):
    """Exit codes of `slipway`."""

    OK = 0
    PROBLEM = 1
    USAGE = 2
    REFUSED = 3
    TRY_AGAIN = 4
    NOT_FOUND = 5
    MISCONFIGURED = 6
    WAITING = 7
    BROKEN = 8


MEANINGS = {
    ExitCode.OK: "done",
    ExitCode.PROBLEM: "an unexpected error, or `doctor` found a problem",
    ExitCode.USAGE: "the command was typed wrongly",
    ExitCode.REFUSED: "a gate failed, or the version was rolled back or superseded",
    ExitCode.TRY_AGAIN: "a part does not answer now, or is busy: try again",
    ExitCode.NOT_FOUND: "no such model, version, alias, run or file",
    ExitCode.MISCONFIGURED: "a release spec or a setting is wrong",
    ExitCode.WAITING: "the release waits for a person or for data",
    ExitCode.BROKEN: "an artifact, data, a package or a process is broken",
}

_BY_ERROR: tuple[tuple[type[errors.SlipwayError], ExitCode], ...] = (
    (errors.TransientError, ExitCode.TRY_AGAIN),
    (errors.NotFound, ExitCode.NOT_FOUND),
    (errors.SpecError, ExitCode.MISCONFIGURED),
    (errors.SettingsError, ExitCode.MISCONFIGURED),
    (errors.GateFailed, ExitCode.REFUSED),
    (errors.SlipwayError, ExitCode.BROKEN),
)


def find_exit_code(error: errors.SlipwayError) -> ExitCode:
    """Return the exit code of an error.

    >>> find_exit_code(errors.NotFound("model x", seen="none", expected="one", do="look"))
    <ExitCode.NOT_FOUND: 5>
    """
    return next(code for kind, code in _BY_ERROR if isinstance(error, kind))


def format_exit_codes() -> str:
    """Return the table of exit codes for `slipway --help`."""
    return "\n".join(f"  {code.value}  {meaning}" for code, meaning in MEANINGS.items())
