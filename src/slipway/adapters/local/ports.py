"""TCP ports of this machine: finding free ones, and checking who listens."""

import socket
from contextlib import ExitStack

import psutil

from slipway.adapters.local.processes import find_listener


def find_free_port(host: str) -> int:
    """Return a port that is free now."""
    return find_free_ports(host, 1)[0]


def find_free_ports(host: str, count: int) -> list[int]:
    """Return this many different ports that are free now."""
    with ExitStack() as open_probes:
        probes = [open_probes.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind((host, 0))
        return [int(probe.getsockname()[1]) for probe in probes]


def is_free(host: str, port: int) -> bool:
    """Whether a port is free now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a connection in TIME_WAIT is no listener
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True


def is_taken_by_another(port: int, pid: int | None) -> bool:
    """Whether a process listens on a port that is neither the process `pid` nor one of its descendants."""
    holder = find_listener(port)
    if holder is None:
        return False
    try:
        return pid not in {holder.pid, *(parent.pid for parent in holder.parents())}
    except psutil.Error:
        return False
