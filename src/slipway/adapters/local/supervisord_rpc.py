"""Client of supervisord: XML-RPC over a unix socket that only its owner may use."""

import http.client
import os
import socket
import stat
import tempfile
import xmlrpc.client
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import Any
from xml.parsers.expat import ExpatError

from slipway.errors import TargetUnavailable

LONGEST_SOCKET_PATH = 90
"""The kernel allows 107 bytes; supervisord first creates a socket with its pid appended to the name."""
SHORT_FOLDER = "slipway-"
BAD_NAME, ALREADY_STARTED, NOT_RUNNING = 10, 60, 70
"""Faults of supervisord that mean: already in that state."""


@contextmanager
def open_connection(path: Path, timeout_seconds: float) -> Iterator[Any]:
    """Yield a proxy whose calls are supervisord's own (`getAllProcessInfo`, ...); raise TargetUnavailable."""
    try:
        with xmlrpc.client.ServerProxy("http://localhost", transport=_Transport(path, timeout_seconds)) as proxy:
            yield proxy.supervisor
    except (OSError, http.client.HTTPException, xmlrpc.client.ProtocolError, ExpatError) as error:
        raise make_unreachable_error(f"no answer on its socket ({type(error).__name__})") from error


def make_unreachable_error(seen: str) -> TargetUnavailable:
    """Return the error for a supervisord that does not answer."""
    return TargetUnavailable("process supervisor", seen=seen, expected="supervisord running", do="run `slipway up`")


@contextmanager
def ignore_faults(*faults: int) -> Iterator[None]:
    """Ignore these faults; other faults become TargetUnavailable with supervisord's own message."""
    try:
        yield
    except xmlrpc.client.Fault as fault:
        if fault.faultCode not in faults:
            raise make_unreachable_error(f"it refused: {fault.faultString}") from fault


def find_socket(home: Path) -> Path:
    """Return where a supervisord of this folder listens: in it, or in a private short folder if the path is long."""
    inside = home / "supervisord.sock"
    if len(os.fsencode(inside)) <= LONGEST_SOCKET_PATH:
        return inside
    digest = sha256(os.fsencode(home)).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"{SHORT_FOLDER}{os.getuid()}-{digest}" / "supervisord.sock"


def make_folder(path: Path) -> None:
    """Create the socket's folder; raise TargetUnavailable if another user could access it."""
    folder = path.parent
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not folder.name.startswith(SHORT_FOLDER):
        return
    seen = folder.lstat()
    if seen.st_uid != os.getuid() or stat.S_IMODE(seen.st_mode) & 0o077 or not stat.S_ISDIR(seen.st_mode):
        raise make_unreachable_error(f"{folder} belongs to someone else or is open to others")


def remove_socket(path: Path) -> None:
    """Remove a socket that is no longer in use, and the short folder if it had one."""
    path.unlink(missing_ok=True)
    if path.parent.name.startswith(SHORT_FOLDER):
        with suppress(OSError):  # missing already, or not empty
            path.parent.rmdir()


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout_seconds: float) -> None:
        super().__init__("localhost", timeout=timeout_seconds)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(os.fspath(self._path))


class _Transport(xmlrpc.client.Transport):
    def __init__(self, path: Path, timeout_seconds: float) -> None:
        super().__init__()
        self._path, self._timeout = path, timeout_seconds

    def make_connection(self, host: tuple[str, dict[str, str]] | str) -> _Connection:
        connection = _Connection(self._path, self._timeout)
        self._connection = host, connection  # the base class closes it
        return connection
