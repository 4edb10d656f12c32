"""Settings in force, without secrets, and what is wrong with them."""

from dataclasses import dataclass

from pydantic import ValidationError
from pydantic_settings import BaseSettings

from slipway.errors import SettingsError
from slipway.platforms import list_settings
from slipway.probes import mask_secrets
from slipway.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingInForce:
    """One setting in force."""

    name: str
    """Name of the environment variable."""
    value: str
    """Secrets and passwords are masked."""
    source: str
    """`environment` or `default`."""
    description: str


def list_settings_in_force(here: Settings) -> list[SettingInForce]:
    """Return every setting, those of all targets too, with its value, its source, and its purpose."""
    groups: list[BaseSettings] = [here, *(group() for group in list_settings().values())]
    return [
        SettingInForce(
            name=name_variable(name),
            value=mask_secrets(getattr(group, name)),
            source="environment" if name in group.model_fields_set else "default",
            description=field.description or "",
        )
        for group in groups
        for name, field in type(group).model_fields.items()
    ]


def list_variables() -> list[str]:
    """Return the environment variables of all settings, those of all targets too."""
    groups: list[type[BaseSettings]] = [Settings, *list_settings().values()]
    return [name_variable(name) for group in groups for name in group.model_fields]


def make_settings_error(error: ValidationError) -> SettingsError:
    """Return what is wrong with the environment, every variable named, no secret shown."""
    wrong = [(name_variable(str(one["loc"][0])), one["msg"]) for one in error.errors(include_input=False)]
    return SettingsError(
        "settings in the environment",
        seen="; ".join(f"{name}: {message}" for name, message in wrong),
        expected="values as the documentation of settings describes them",
        do=f"correct or unset {', '.join(name for name, _ in wrong)}",
    )


def name_variable(field: str) -> str:
    """Return the environment's name of a setting."""
    return f"SLIPWAY_{field.upper()}"
