"""A node as a process of its own, started and stopped by a command on the same machine."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Final

from ledgernode.errors import LedgerError, NodeUnreachable

START_LIMIT_S: Final = 30.0
STOP_LIMIT_S: Final = 30.0
_LOG_LINES: Final = 12
_PORTS: Final = range(7_051, 7_951, 20)


class LocalNode:
    """Runs `node run HOME` in the background; its log goes to HOME/node.log. With a `clock`: by that simulated one."""

    def __init__(self, home: Path, clock: Path | None = None) -> None:
        self.home = home
        self.log = home / "node.log"
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603  # this very program
                _command(home, clock),
                stdout=subprocess.PIPE,
                stderr=log,
                stdin=subprocess.DEVNULL,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
                start_new_session=True,  # Ctrl-C in the terminal is for the command, which then stops the node
            )

    def wait_until_serving(self) -> None:
        """Return when it serves; raises NodeUnreachable with the end of its log when it does not come up."""
        assert self._process.stdout is not None, "its standard output is a pipe"
        os.set_blocking(self._process.stdout.fileno(), False)
        ends = time.monotonic() + START_LIMIT_S
        while time.monotonic() < ends:
            if self._process.stdout.read():  # it says one line, and only once it serves
                return
            if self._process.poll() is not None:
                break
            time.sleep(0.05)
        self.stop()
        raise NodeUnreachable(f"the node did not start; the end of {self.log}:\n{self._tail()}")

    def check(self) -> None:
        """Raises NodeUnreachable when it has ended by itself."""
        if not self.running:
            raise NodeUnreachable(f"the node has ended; the end of {self.log}:\n{self._tail()}")

    @property
    def process_id(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def send(self, number: signal.Signals) -> None:
        """Send a signal, unless it has ended."""
        if self.running:
            self._process.send_signal(number)

    def kill(self) -> None:
        """End it without a word: nothing is drained."""
        self._process.kill()
        self.stop()

    def stop(self) -> int:
        """Let it finish what it has begun, and end; its exit code. It never outlives this call."""
        if self.running:
            self._process.send_signal(signal.SIGTERM)
            try:
                with suppress(subprocess.TimeoutExpired):
                    self._process.wait(STOP_LIMIT_S)
            finally:  # also when the one who waits is interrupted; what is durable needs no drain
                self._process.kill()
        code = self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        return code

    def _tail(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-_LOG_LINES:])


def _command(home: Path, clock: Path | None) -> list[str]:
    if clock is not None:
        return [sys.executable, "-m", "ledgernode.local.simulated", str(home), str(clock)]
    return [sys.executable, "-m", "ledgernode.cli", "node", "run", str(home)]


def free_ports(count: int) -> int:
    """The first of as many neighbouring ports that nothing listens on now; refuses when there are none.

    Where to begin is drawn by chance: two networks founded at once should not be given the same ports.
    """
    begin = random.randrange(len(_PORTS))  # noqa: S311  # nothing secret hangs on it
    for first in chain(_PORTS[begin:], _PORTS[:begin]):
        if all(is_free(port) for port in range(first, first + count)):
            return first
    raise LedgerError(f"no {count} neighbouring ports are free from {_PORTS.start} to {_PORTS.stop}")


def is_free(port: int) -> bool:
    """Does nothing listen there on this machine?"""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
