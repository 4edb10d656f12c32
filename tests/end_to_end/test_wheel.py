"""The wheel alone: installed into an empty environment it brings the stack up and releases, without a checkout."""

import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.end_to_end.conftest import PORTS, ROOT, Stack, free_ports, registering

pytestmark = pytest.mark.timeout(900)  # it installs everything once more


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel, install it with the locked versions, and return the folder of the environment's programs."""
    folder = tmp_path_factory.mktemp("wheel")
    uv = str(Path(sys.executable).with_name("uv"))
    environment = folder / "venv"
    _run(uv, "build", "--wheel", "--quiet", "--out-dir", str(folder), str(ROOT))
    _run(uv, "venv", "--quiet", "--python", sys.executable, str(environment))
    [wheel] = folder.glob("*.whl")
    locked = ["--require-hashes", "-r", str(ROOT / "requirements" / "dev.txt")]
    _run(uv, "pip", "install", "--quiet", "--python", str(environment), *locked)
    _run(uv, "pip", "install", "--quiet", "--python", str(environment), "--no-deps", str(wheel))
    return environment / "bin"


@pytest.fixture
def terminal(installed: Path, tmp_path: Path) -> Stack:
    """Return a user's folder with nothing in it, and ports of its own."""
    ports = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("SLIPWAY_", "PYTHONPATH"))}
    env = ours | {"PATH": f"{installed}{os.pathsep}{os.environ['PATH']}"}
    env |= {f"SLIPWAY_{name}_PORT": str(port) for name, port in ports.items()}
    return Stack(
        env=env,
        home=tmp_path / ".slipway",
        models=tmp_path / "deployments" / "models",
        mlflow=f"http://127.0.0.1:{ports['MLFLOW']}",
        prefect=f"http://127.0.0.1:{ports['PREFECT']}/api",
        front_door=f"http://127.0.0.1:{ports['FRONT_DOOR']}",
    )


def test_a_user_without_a_checkout_releases_a_model(installed: Path, terminal: Stack, tmp_path: Path) -> None:
    """`slipway up`, a spec, `slipway release`, a request, `slipway down`: from a folder that had nothing in it."""

    def slipway(*words: str) -> str:
        return _run(str(installed / "slipway"), *words, env=terminal.env, cwd=tmp_path)

    try:
        slipway("up")
        registering(terminal)("digits", 2)
        rows = tmp_path / "rows.csv"
        rows.write_bytes((ROOT / "deployments" / "models" / "digits-validation.csv").read_bytes())
        terminal.models.mkdir(parents=True)
        terminal.spec("digits", shadow=None, bake_seconds=0)
        said = slipway("release", "digits")
        answer = httpx.get(f"{terminal.front_door}/digits/v2/models/digits", timeout=30)
        status = slipway("status", "digits")
    finally:
        slipway("down")

    assert "digits-v1-a1: promoted" in said
    assert "succeeded" in status
    assert answer.headers["x-slipway-revision"] == "digits-v1"
    assert sorted(path.name for path in tmp_path.iterdir()) == [".slipway", "deployments", "rows.csv"]


def _run(*command: str, env: dict[str, str] | None = None, cwd: Path = ROOT) -> str:
    done = subprocess.run(command, env=env, cwd=cwd, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, f"{command}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
    return done.stdout
