"""A service of the community as a process of its own: a command that says in a line of JSON that it serves."""

from __future__ import annotations

import os
import selectors
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import msgspec

from ledgernode.errors import NodeUnreachable

_START_S: Final = 40.0
_STOP_S: Final = 15.0
_LOG_LINES: Final = 12


class Service:
    """It runs from the first moment; a context that ends it. Its log is `NAME.log` in its folder."""

    def __init__(self, name: str, directory: Path, command: list[str]) -> None:
        self.name = name
        self.directory = directory
        self._log = directory / f"{name}.log"
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603  # this very program
                [sys.executable, "-m", "ledgernode.cli", *command, "--json"],
                stdout=subprocess.PIPE,
                stderr=log,
                stdin=subprocess.DEVNULL,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
                start_new_session=True,  # Ctrl-C is for the command, which then stops it
            )
        self.serving: dict[str, Any] = {}
        """What it said when it began to."""

    def wait_until_serving(self) -> None:
        """Refuses, with the end of its log, one that does not come up."""
        assert self._process.stdout is not None
        with selectors.DefaultSelector() as waiting:
            waiting.register(self._process.stdout, selectors.EVENT_READ)
            ends = time.monotonic() + _START_S
            while time.monotonic() < ends and not waiting.select(0.2) and self._process.poll() is None:
                pass
        line = self._process.stdout.readline() if self._process.poll() is None else b""
        if not line:
            self.stop()
            tail = "\n".join(self._log.read_text(errors="replace").splitlines()[-_LOG_LINES:])
            raise NodeUnreachable(f"the {self.name} did not start; the end of {self._log}:\n{tail}")
        self.serving = msgspec.json.decode(line)

    @property
    def process_id(self) -> int:
        return self._process.pid

    def check(self) -> None:
        """Raises when it has ended by itself."""
        if self._process.poll() is not None:
            raise NodeUnreachable(f"the {self.name} has ended: see {self._log}")

    def stop(self) -> None:
        """Let it end in order; it never outlives this call."""
        if self._process.poll() is None:
            self._process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_STOP_S)
            self._process.kill()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
