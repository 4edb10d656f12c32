"""Settings as they are in force, without secrets, and what is wrong with them."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from pydantic import SecretStr, ValidationError

from slipway.errors import SettingsError
from slipway.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One setting as it is in force."""

    name: str
    """Of the environment variable."""
    value: str
    """Secrets and passwords are masked."""
    source: str
    """`environment` or `default`."""
    description: str


def settings_in_force(here: Settings) -> list[Setting]:
    """Return every setting with its value, where it comes from, and what it is for."""
    return [
        Setting(
            name=variable(name),
            value=masked(getattr(here, name)),
            source="environment" if name in here.model_fields_set else "default",
            description=field.description or "",
        )
        for name, field in Settings.model_fields.items()
    ]


def masked(value: object) -> str:
    """Return a setting's value without secrets.

    >>> masked("https://me:secret@mlflow.example.com/api")
    'https://***@mlflow.example.com/api'
    """
    if isinstance(value, SecretStr):
        return "***"
    text = "" if value is None else str(value)
    parts = urlsplit(text)
    return text if "@" not in parts.netloc else text.replace(parts.netloc, f"***@{parts.netloc.rpartition('@')[2]}")


def settings_error(error: ValidationError) -> SettingsError:
    """Return what is wrong with the environment, every variable named, no secret shown."""
    wrong = [(variable(str(one["loc"][0])), one["msg"]) for one in error.errors(include_input=False)]
    return SettingsError(
        "settings in the environment",
        seen="; ".join(f"{name}: {message}" for name, message in wrong),
        expected="values as the documentation of settings describes them",
        do=f"correct or unset {', '.join(name for name, _ in wrong)}",
    )


def variable(field: str) -> str:
    """Return the environment's name of a setting."""
    return f"SLIPWAY_{field.upper()}"
