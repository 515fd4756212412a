"""Ports for networks whose nodes must come back on the port they had: each test worker has a range of its own.

Several runs of the tests may share a machine: a port that was given is held by a lock until its process ends, even
while nothing listens on it.
"""

from __future__ import annotations

import fcntl
import os
import socket
from itertools import count
from pathlib import Path
from tempfile import gettempdir
from typing import TextIO

_RANGE = 2_000
_FIRST = 20_000 + _RANGE * int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_NEXT = count(_FIRST, 10)
_RESERVED: list[TextIO] = []


def fresh_port(neighbours: int = 10) -> int:
    """The first of `neighbours` ports (at most ten) that nothing listens on and no other test was given."""
    for first in _NEXT:
        if first + neighbours > _FIRST + _RANGE:
            break
        ports = range(first, first + neighbours)
        if all(_is_free(port) for port in ports) and all(reserve(port) for port in ports):
            return first
    raise AssertionError("this worker has used up its ports")


def reserve(port: int) -> bool:
    """Is it ours from now on? No other process is given it while this one lives."""
    folder = Path(gettempdir()) / "ledgernode-test-ports"
    folder.mkdir(exist_ok=True)
    file = (folder / str(port)).open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        return False
    _RESERVED.append(file)  # released by the system, with this process
    return True


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        return probe.connect_ex(("127.0.0.1", port)) != 0
