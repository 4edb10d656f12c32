"""A small real service for the local target's tests: the paths that a packaged model has, without a model.

Arguments: folder, host, port, and a port for gRPC if it is to speak that too. The folder's `service.json` says how it
behaves; its `summary.json`, if there is one, is what the service says of itself at that moment. A request's body says
what is to become of it: `row`, `fail` (500), `status 429 later` (that status; `later` says when to come again), `break`
(no answer), `cut` (half an answer), `wait 2` (seconds), `slow` (one second).
"""

import collections
import json
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar


def words_for(name: str, body: bytes) -> list[str]:
    """Return what a request's body asks of the revision `name`; what is before a `!` names the one that it is for.

    >>> words_for("a-v2", b"a-v2! status 400"), words_for("a-v1", b"a-v2! status 400")
    (['status', '400'], ['row'])
    """
    whose, mark, rest = body.decode().partition("! ")
    return (rest if mark and whose == name else "row" if mark else whose).split()


def status_of(words: list[str], delay_seconds: float = 0.0) -> int:
    """Wait as the words say, and return their status."""
    time.sleep(1.0 if "slow" in words else float(words[1]) if words[0] == "wait" else delay_seconds)
    if words[0] == "status":
        return int(words[1])
    return 500 if "fail" in words else 200


class Service(BaseHTTPRequestHandler):
    """Answers probes, echoes inference requests, keeps the answers that are to be compared."""

    protocol_version = "HTTP/1.1"
    name = ""
    folder = Path()
    delay_seconds = 0.0
    answers: ClassVar = collections.deque(maxlen=5000)
    seen: ClassVar = collections.Counter()

    def do_GET(self) -> None:
        """Probes, the kept answers, and what was counted here."""
        if self.path in {"/readyz", "/v2/health/ready"}:
            self._answer(200, {})
        elif self.path == "/slipway/answers":
            self._answer(200, {"answers": list(self.answers)})
        elif self.path == "/slipway/summary" and (self.folder / "summary.json").exists():
            self._answer(200, json.loads((self.folder / "summary.json").read_text()))
        elif self.path == "/slipway/seen":
            self._answer(200, dict(self.seen))
        else:
            self._answer(404, {"error": self.path})

    def do_POST(self) -> None:
        """Do what the body says, and echo."""
        words = words_for(self.name, self.rfile.read(int(self.headers["content-length"])))
        self.seen["all"] += 1
        if words[0] == "break":
            self.close_connection = True
            return
        status = status_of(words, self.delay_seconds)
        identity = self.headers.get("x-request-id")
        if self.headers.get("x-slipway-compare") == "1":
            self.answers.append({"request_id": identity, "status": status, "values": [self.name]})
        told = {"revision": self.name, "path": self.path, "compare": "x-slipway-compare" in self.headers}
        more = "retry-after: 1\r\n" if "later" in words else ""
        self._answer(status, told, more, cut=words[0] == "cut")

    def _answer(self, status: int, value: object, more: str = "", *, cut: bool = False) -> None:
        body = json.dumps(value).encode()
        head = f"HTTP/1.1 {status} OK\r\ncontent-length: {len(body)}\r\nx-slipway-revision: {self.name}\r\n{more}\r\n"
        self.wfile.write(head.encode() + body[: -1 if cut else None])
        self.close_connection = cut

    def log_message(self, *_: object) -> None:
        """Say nothing per request."""


class Server(ThreadingHTTPServer):
    """Refuses a port that somebody has; on SIGTERM it ends what it is at work on."""

    allow_reuse_address = True
    daemon_threads = False
    request_queue_size = 512


def main() -> None:
    """Serve until SIGTERM."""
    folder, host, port = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    behaviour = json.loads((folder / "service.json").read_text())
    Service.name, Service.delay_seconds = behaviour["name"], behaviour.get("delay_seconds", 0.0)
    Service.folder = folder
    ballast = bytearray(behaviour.get("mebibytes", 0) * 2**20)
    ballast[::4096] = b"x" * len(ballast[::4096])
    if "exit" in behaviour:
        print("the model file is broken", flush=True)  # noqa: T201 - the last line of the log
        sys.exit(behaviour["exit"])
    while behaviour.get("never_ready"):
        signal.pause()
    server = Server((host, port), Service)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    if len(sys.argv) > 4:
        from grpc_service import begin  # type: ignore[import-not-found]  # beside this file, which is run as a program

        begin(Service.name, f"{host}:{sys.argv[4]}", Service.answers)
    print(f"serving on {port}", flush=True)  # noqa: T201 - the first line of the log
    server.serve_forever(poll_interval=0.05)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.stdout.flush()
    import os

    os._exit(0)  # idle keep-alive connections hold threads; their requests were answered


if __name__ == "__main__":
    main()
