"""A local target of its own: its folder, its ports, and small real services as revisions."""

import json
import sys
from pathlib import Path

from slipway.adapters.local.ports import find_free_port
from slipway.adapters.local.records import Records
from slipway.adapters.local.target import LocalTarget
from slipway.adapters.local.waiting import wait_until
from slipway.domain.rollout.revision import Health, Package, Revision

HOST = "127.0.0.1"
SERVICE = Path(__file__).parent / "service.py"


def serve(package: Path, host: str, port: int, grpc_port: int | None) -> tuple[list[str], dict[str, str]]:
    """Start the test service for a package folder; with gRPC where its `service.json` asks for it."""
    over_grpc = json.loads((package / "service.json").read_text()).get("grpc") and grpc_port is not None
    options = [] if over_grpc else ["-S"]
    ports = [str(port), *([str(grpc_port)] if over_grpc else [])]
    return [sys.executable, *options, str(SERVICE), str(package), host, *ports], {"SLIPWAY_TEST": 'a "b" ;%c'}


class Place:
    """A target with its folder and ports, and ways to make revisions for it."""

    def __init__(self, home: Path) -> None:
        """Choose ports; start nothing."""
        self.home, self.host = home, HOST
        self.front_door_port, self.admin_port = find_free_port(HOST), find_free_port(HOST)
        self.target, self.records = self.another(), Records(home)
        self.url = f"http://{HOST}:{self.front_door_port}"

    def another(self) -> LocalTarget:
        """Return a second view of the same place, as another process would have it."""
        return LocalTarget(self.home, HOST, self.front_door_port, self.admin_port, serve)

    def revision(self, model: str, version: int, *, limit: int | None = None, **behaviour: object) -> Revision:
        """Write a package that behaves so."""
        name = f"{model}-v{version}"
        folder = self.home / "packages" / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "service.json").write_text(json.dumps({"name": name, **behaviour}))
        package = Package(
            model=model,
            version=version,
            path=folder,
            digest=f"sha256:{version}",
            tag=f"{model}:v{version}",
            runtime="onnx",
        )
        return Revision(name=name, model=model, version=version, package=package, memory_limit_mebibytes=limit)

    def running(self, model: str, version: int, **behaviour: object) -> Revision:
        """Start a revision and wait until it is ready."""
        revision = self.revision(model, version, **behaviour)
        self.target.start(revision)
        self.expect(revision, Health.READY)
        return revision

    def expect(self, revision: Revision, health: Health, seconds: float = 20.0) -> None:
        """Wait until a revision looks so."""
        seen = []

        def looks_so() -> bool:
            seen.append(self.target.observe(revision.model).get(revision.name))
            return seen[-1] is not None and seen[-1].health is health

        assert wait_until(looks_so, seconds), seen[-1]
