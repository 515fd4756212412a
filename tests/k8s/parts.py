"""Processes that outlive the command that started them: known by their ids, and by when they began."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
_END_S = 30.0


class Part(NamedTuple):
    name: str
    process: int
    began: str

    @property
    def runs(self) -> bool:
        """No other process that has got its id since is taken for it."""
        return _seen(self.process) == self.began


class Parts:
    """Those of one folder, in the order in which they were started."""

    def __init__(self, directory: Path) -> None:
        self._file = directory / "parts.json"
        self._logs = directory / "logs"
        self._children: list[subprocess.Popen[bytes]] = []  # asked now and then, so that none stays behind as a zombie
        read = json.loads(self._file.read_text()) if self._file.exists() else []
        self._parts = [Part(*one) for one in read]

    def __iter__(self) -> Iterator[Part]:
        return iter(tuple(self._parts))

    @property
    def all_run(self) -> bool:
        return bool(self._parts) and all(one.runs for one in self._parts)

    def start(self, name: str, *command: object) -> None:
        environment = {**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"}
        with (self._logs / f"{name}.log").open("ab") as log:
            child = subprocess.Popen(
                [str(part) for part in command], stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment,
                start_new_session=True, cwd=ROOT,
            )  # fmt: skip
        self._children.append(child)
        self._parts.append(Part(name, child.pid, _seen(child.pid)))
        self._file.write_text(json.dumps(self._parts))

    def check(self) -> None:
        """Raises where one has ended by itself."""
        for one in self._parts:
            if not one.runs:
                log = (self._logs / f"{one.name}.log").read_text(errors="replace")
                raise AssertionError(f"{one.name} has ended:\n{log[-3_000:]}")

    def end(self, *names: str) -> None:
        """These, or all: the newest first, each told to, and killed where it does not."""
        for one in reversed([one for one in self._parts if not names or one.name in names]):
            if one.runs:
                os.kill(one.process, signal.SIGTERM)
                ends = time.monotonic() + _END_S
                while one.runs and time.monotonic() < ends:
                    time.sleep(0.05)
            if one.runs:
                os.kill(one.process, signal.SIGKILL)
            self._parts.remove(one)
        for child in self._children:
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(0)
        self._file.write_text(json.dumps(self._parts))


def _seen(process: int) -> str:
    """When it began, in the kernel's ticks; empty where it is not, or is dead."""
    try:
        told = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if told[0] in "ZX" else told[19]
