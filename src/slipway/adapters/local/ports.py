"""TCP ports of this machine: a free one, and who has one that is not free."""

import socket
from contextlib import ExitStack

import psutil

from slipway.adapters.local.processes import listener


def free_port(host: str) -> int:
    """Return a port nobody listens on now."""
    return free_ports(host, 1)[0]


def free_ports(host: str, count: int) -> list[int]:
    """Return so many different ports nobody listens on now."""
    with ExitStack() as open_probes:
        probes = [open_probes.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind((host, 0))
        return [int(probe.getsockname()[1]) for probe in probes]


def is_free(host: str, port: int) -> bool:
    """Whether one could listen on a port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a closed connection's wait is no listener
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True


def taken_by_another(port: int, pid: int | None) -> bool:
    """Whether somebody listens on a port who is neither the process `pid` nor one of its descendants."""
    holder = listener(port)
    if holder is None:
        return False
    try:
        return pid not in {holder.pid, *(parent.pid for parent in holder.parents())}
    except psutil.Error:
        return False
