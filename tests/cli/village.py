"""A village of processes: the bus's controller and a controller in each house, by the command line."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from devices.house_shell.http import call
from tests.cli.command_line import done
from tests.ports import fresh_port

HOST = "127.0.0.1"
PROGRAM = (sys.executable, "-m", "ledgernode.cli")


class Village:
    """A context that ends its processes. What they say is in `output`."""

    def __init__(self, directory: Path, names: Sequence[str], program: Sequence[str] = PROGRAM) -> None:
        self.directory, self.names, self.program = directory, list(names), program
        named = [argument for name in names for argument in ("--name", name)]
        assert done("house", "village", directory, *named, "--json").document["houses"] == self.names
        self.port = fresh_port()
        self.ports = {name: fresh_port() for name in names}
        self.processes: list[subprocess.Popen[str]] = []
        self.logs = directory.with_name("logs")
        self.logs.mkdir()

    def run(self, *arguments: object) -> subprocess.Popen[str]:
        with (self.logs / f"{len(self.processes)}.log").open("w") as log:
            process = subprocess.Popen(
                [*self.program, "house", *map(str, arguments)],
                stdout=log,
                stderr=log,
                text=True,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )
        self.processes.append(process)
        return process

    def bus(self, *options: object) -> subprocess.Popen[str]:
        return self.run("bus", self.directory, "--listen", f"{HOST}:{self.port}", *options)

    def tie(self, name: str, *more: object) -> subprocess.Popen[str]:
        listen = f"{HOST}:{self.ports[name]}"
        options = ("--bus", f"{HOST}:{self.port}", "--listen", listen, "--watts", 60, "--speed", 5)
        return self.run("tie", self.directory, name, *options, *more)

    def page(self, name: str) -> dict[str, Any]:
        """As the house's own controller shows it; nothing where nobody answers."""
        raw = self._read(self.ports[name], "/state")
        return msgspec.json.decode(raw) if raw else {}

    def shown(self, name: str) -> str:
        """The same as somebody in the house sees it."""
        return self._read(self.ports[name], "/").decode()

    def _read(self, port: int, path: str) -> bytes:
        try:
            return asyncio.run(call((HOST, port), "GET", path)).body
        except (OSError, TimeoutError):
            return b""

    def output(self) -> str:
        return "".join(path.read_text() for path in sorted(self.logs.iterdir()))

    def __enter__(self) -> Village:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.processes:
            process.kill()
            process.wait()
