"""Where things are: read from the environment (`SLIPWAY_...`), never from code. `slipway doctor` lists them.

What one target alone needs stands beside it, in `slipway.platforms`.
"""

from functools import lru_cache
from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

Port = Annotated[int, Field(ge=1024, le=65535)]


class Settings(BaseSettings):
    """Settings that every target has, with their defaults for the embedded stack on this machine."""

    model_config = SettingsConfigDict(env_prefix="SLIPWAY_", frozen=True, extra="ignore", use_attribute_docstrings=True)

    home: Path = Path(".slipway")
    """Folder of everything Slipway writes: store, target, reports, logs."""
    models: Path = Path("deployments/models")
    """Folder of the release specs."""
    target: str = "local"
    """Where models serve: `local` (Envoy and supervised processes on this machine) or `kubernetes`."""
    host: str = "127.0.0.1"
    """Address that everything we start listens on."""
    mlflow_port: Port = 5500
    """The embedded MLflow server's port."""
    prefect_port: Port = 4700
    """The embedded Prefect server's port."""
    webhook_port: Port = 8790
    """The webhook receiver's port."""
    front_door_port: Port = 8780
    """Envoy's port for live requests: http://HOST:PORT/MODEL/..."""
    envoy_admin_port: Port = 8781
    """Envoy's admin port: counters."""
    mlflow_uri: str = ""
    """An MLflow server of yours; empty: the embedded one."""
    prefect_api: str = ""
    """A Prefect API of yours; empty: the embedded one."""
    webhook_secret: SecretStr | None = None
    """Secret shared with MLflow; unset: made by `slipway up` and kept in HOME/secrets, readable by you alone."""
    webhook_max_age_seconds: float = Field(default=600, gt=0)
    """Older deliveries are refused; longer than MLflow's span of retries (about 3 minutes)."""
    registry_timeout_seconds: float = Field(default=10, gt=0)
    """How long one call to MLflow may take."""

    @field_validator("home", "models")
    @classmethod
    def _absolute(cls, path: Path) -> Path:
        return path.expanduser().absolute()

    @property
    def mlflow(self) -> str:
        """The registry's address in force."""
        return self.mlflow_uri or f"http://{self.host}:{self.mlflow_port}"

    @property
    def prefect(self) -> str:
        """The orchestrator's API address in force."""
        return self.prefect_api or f"http://{self.host}:{self.prefect_port}/api"

    @property
    def front_door(self) -> str:
        """Where live requests go in."""
        return f"http://{self.host}:{self.front_door_port}"

    @property
    def webhook(self) -> str:
        """Where MLflow delivers its events."""
        return f"http://{self.host}:{self.webhook_port}/webhooks/mlflow"

    @property
    def store(self) -> Path:
        """Content-addressed: artifacts, ONNX files, packages."""
        return self.home / "store"

    @property
    def reports(self) -> Path:
        """One HTML page per release."""
        return self.home / "reports"

    @property
    def target_home(self) -> Path:
        """The local target's own folder: status, leases, Envoy's files, revisions."""
        return self.home / "target"

    @property
    def stack_home(self) -> Path:
        """The embedded stack's own folder: configuration, logs, databases."""
        return self.home / "stack"

    @property
    def secret_file(self) -> Path:
        """Path of the generated webhook secret."""
        return self.home / "secrets" / "webhook"


@lru_cache(maxsize=1)
def settings() -> Settings:
    """Return this process's settings, read once."""
    return Settings()
