"""Environments of the peers that can't live in the project's own: made by uv from `environments/NAME.txt`, and kept."""

import hashlib
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PINS = Path(__file__).with_name("environments")
ENVIRONMENTS = ROOT / ".slipway" / "bench-serving" / "envs"
SYSTEM_PYTHON = Path("/usr/bin/python3")
"""PyTriton's server is built against Debian's own Python 3.11."""
INSTALL_SECONDS = 600


class Unavailable(Exception):
    """A peer can't run on this machine; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """An environment by its name; it is made when somebody asks for its interpreter."""

    name: str
    base: Path = Path(sys.executable)

    @property
    def python(self) -> Path:
        """Return its interpreter; raise Unavailable."""
        pins = PINS / f"{self.name}.txt"
        folder = ENVIRONMENTS / self.name
        python, made_from = folder / "bin" / "python", folder / "pins.sha256"
        wanted = hashlib.sha256(pins.read_bytes()).hexdigest()
        if python.exists() and made_from.exists() and made_from.read_text() == wanted:
            return python
        self._check_base()
        print(f"making the environment of {self.name}", flush=True)
        uv = str(Path(sys.executable).with_name("uv"))
        self._run(uv, "venv", "-q", "--clear", "--python", str(self.base), str(folder))
        self._run(uv, "pip", "install", "-q", "--compile-bytecode", "--python", str(python), "-r", str(pins))
        made_from.write_text(wanted)
        return python

    def versions(self, *names: str) -> dict[str, str]:
        """Return the versions of some distributions that are in it, and of its Python."""
        code = (
            "import platform\nfrom importlib.metadata import version\n"
            f"for name in {names!r}: print(version(name))\nprint(platform.python_version())"
        )
        said = subprocess.run([self.python, "-c", code], capture_output=True, text=True, check=True).stdout.split()
        return dict(zip((*names, "python"), said, strict=True))

    def _check_base(self) -> None:
        if not self.base.exists():
            raise Unavailable(f"{self.name} needs {self.base} (Debian's Python 3.11), which is not on this machine")
        said = subprocess.run([self.base, "-V"], capture_output=True, text=True, check=False).stdout
        if self.base == SYSTEM_PYTHON and " 3.11." not in said:
            raise Unavailable(f"{self.name} needs Python 3.11 at {self.base}; it is {said.strip()}")

    def _run(self, *words: str) -> None:
        done = subprocess.run(words, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False)
        if done.returncode:
            raise Unavailable(f"{self.name} can't be installed: {done.stderr.strip()[-400:]}")
