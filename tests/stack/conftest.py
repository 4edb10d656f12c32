"""A project with a small webhook receiver and one flow, and an embedded stack of its own on ports of its own."""

from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from slipway import stack
from slipway.adapters.local.ports import find_free_port
from slipway.adapters.local.processes import find_marked
from slipway.settings import Settings

HOST = "127.0.0.1"

RECEIVER = """
    import os
    from http.server import BaseHTTPRequestHandler, HTTPServer

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(200 if self.headers.get("X-MLflow-Signature") else 401)
            self.end_headers()

        do_GET = lambda self: self.send_error(404)

    HTTPServer((os.environ["SLIPWAY_HOST"], int(os.environ["SLIPWAY_WEBHOOK_PORT"])), Receiver).serve_forever()
"""
FLOW = """
    import os
    from pathlib import Path
    from prefect import flow

    @flow
    def note(name: str):
        Path(os.environ["SLIPWAY_HOME"], name).write_text(os.environ["MLFLOW_TRACKING_URI"])
"""
DEPLOYMENTS = """
    name: test
    pull:
      - prefect.deployments.steps.set_working_directory:
          directory: "{{ $SLIPWAY_ROOT }}"
    deployments:
      - name: note
        entrypoint: flows.note.note
        work_pool:
          name: slipway
"""


def make_project(root: Path, *, receiver: str = RECEIVER, deployments: str = DEPLOYMENTS) -> Path:
    """Write a project that has what the stack needs."""
    files = {
        "services/__init__.py": "",
        "services/webhook/__init__.py": "",
        "services/webhook/main.py": receiver,
        "flows/__init__.py": "",
        "flows/note.py": FLOW,
        "prefect.yaml": deployments,
    }
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text))
    return root


def make_settings(home: Path) -> Settings:
    """Return settings with free ports."""
    names = ("mlflow", "prefect", "webhook", "front_door", "envoy_admin")
    return Settings(home=home, **{f"{name}_port": find_free_port(HOST) for name in names})


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project's root."""
    return make_project(tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="session")
def here(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Return the settings of the stack that tests share."""
    return make_settings(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="session")
def parts(here: Settings, project: Path) -> Iterator[list[stack.Part]]:
    """Bring the stack up and give its parts; at the end nothing of it is left."""
    progress: list[tuple[str, str, float]] = []
    try:
        yield stack.start_stack(here, root=project, on_progress=lambda *what: progress.append(what))
        assert ("deployments", "up") in [what[:2] for what in progress]
    finally:
        stack.stop_stack(here)
        assert find_marked(str(here.target_home / "supervisor")) == []
