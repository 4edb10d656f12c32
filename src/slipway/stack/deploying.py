"""Deploying the flows of prefect.yaml to Prefect, while everything else starts."""

import os
import subprocess
from pathlib import Path

import yaml

from slipway.errors import StackFailed
from slipway.settings import Settings
from slipway.stack.plans import deploy_command


class Deploying:
    """A `prefect deploy --all` under way; it waits for the server by itself."""

    def __init__(self, settings: Settings, root: Path) -> None:
        """Start it, if prefect.yaml names deployments."""
        self._process: subprocess.Popen[bytes] | None = None
        self._log = settings.target_home / "supervisor" / "logs" / "deploy.log"
        if _has_deployments(root / "prefect.yaml"):
            command, environment = deploy_command(settings, root)
            self._log.parent.mkdir(parents=True, exist_ok=True)
            with self._log.open("wb") as log:
                self._process = subprocess.Popen(
                    command, cwd=root, env={**os.environ, **environment}, stdout=log, stderr=subprocess.STDOUT
                )

    def wait_for_result(self, timeout_seconds: float) -> str:
        """Wait for its end and return its result in a word; raise StackFailed."""
        if self._process is None:
            return "skipped: prefect.yaml has no deployments"
        try:
            status = self._process.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            self.abandon()
            status = -1
        if status:
            said = " ".join(self._log.read_text(errors="replace").split())[-400:]
            raise StackFailed(
                "deployments of prefect.yaml",
                seen=f"`prefect deploy --all` ended with {status}: {said}",
                expected="all deployed",
                do=f"correct prefect.yaml; see {self._log}",
            )
        return "up"

    def abandon(self) -> None:
        """End it, if it still runs."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()


def _has_deployments(path: Path) -> bool:
    try:
        return bool((yaml.safe_load(path.read_text()) or {}).get("deployments"))
    except FileNotFoundError:
        return False
    except (yaml.YAMLError, AttributeError) as error:
        raise StackFailed(
            f"file {path}", seen=f"it is no YAML mapping ({error})", expected="Prefect's deployments", do="correct it"
        ) from error
