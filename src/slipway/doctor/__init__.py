"""The doctor: checks every part that Slipway needs, and advises what to do about each problem.

It never repairs anything, starts anything, or waits for long; a part that does not answer is a finding, not an error.
"""

from collections.abc import Callable, Iterable

from slipway.doctor import machine, servers
from slipway.doctor.values import SettingInForce, list_settings_in_force, make_settings_error
from slipway.domain.finding import Condition, Finding
from slipway.platforms import find_platform
from slipway.settings import Settings

__all__ = ["Condition", "Finding", "SettingInForce", "examine_parts", "list_settings_in_force", "make_settings_error"]


def examine_parts(here: Settings) -> list[Finding]:
    """Check every part; takes a few seconds at most."""
    checks: tuple[Callable[[Settings], Iterable[Finding]], ...] = (
        machine.check_python,
        machine.check_programs,
        machine.check_frameworks,
        machine.check_home,
        machine.check_environment,
        machine.check_specs,
        servers.check_mlflow,
        servers.check_prefect,
        servers.check_webhook,
        servers.check_receiver,
        find_platform(here.target).checks,
    )
    return [finding for check in checks for finding in check(here)]
