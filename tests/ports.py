"""Ports for networks whose nodes must come back on the port they had: each test worker has a range of its own."""

from __future__ import annotations

import os
import socket
from itertools import count

_RANGE = 2_000
_FIRST = 20_000 + _RANGE * int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_NEXT = count(_FIRST, 10)


def fresh_port(neighbours: int = 10) -> int:
    """The first of `neighbours` ports (at most ten) that nothing listens on and no other test was given."""
    for first in _NEXT:
        if first + neighbours > _FIRST + _RANGE:
            break
        if all(_is_free(port) for port in range(first, first + neighbours)):
            return first
    raise AssertionError("this worker has used up its ports")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        return probe.connect_ex(("127.0.0.1", port)) != 0
