"""A package index of our own, that asks for a login: what pip asks for is kept."""

import base64
import contextlib
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

USER, PASSWORD = "index-user", "index-hidden-word"
_LOGIN = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()


class _Index(SimpleHTTPRequestHandler):
    """Serves a folder to those who know the password."""

    def __init__(self, *arguments: object, asked: list[str], directory: str) -> None:
        self._asked = asked
        super().__init__(*arguments, directory=directory)

    def do_GET(self) -> None:
        """Serve a file or a folder's list."""
        if self.headers.get("authorization") != _LOGIN:
            self.send_error(401)
            return
        self._asked.append(self.path)
        super().do_GET()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextlib.contextmanager
def index(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """Run an index that has the package `tiny` 1.0; give its address, with the login in it, and what it was asked."""
    wheel = folder / "simple" / "tiny" / "tiny-1.0-py3-none-any.whl"
    wheel.parent.mkdir(parents=True)
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("tiny.py", "SIZE = 1\n")
        archive.writestr("tiny-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
        archive.writestr("tiny-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        names = ["tiny.py", *(f"tiny-1.0.dist-info/{name}" for name in ("METADATA", "WHEEL", "RECORD"))]
        archive.writestr("tiny-1.0.dist-info/RECORD", "".join(f"{name},,\n" for name in names))
    asked: list[str] = []
    handler = partial(_Index, asked=asked, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://{USER}:{PASSWORD}@127.0.0.1:{server.server_port}/simple", asked
        finally:
            server.shutdown()
