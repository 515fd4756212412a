"""The gateway of a community, as a process of its own."""

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


class Carrier:
    """`ledgernode gateway run` beside a network; a context that ends it. Its port stays over a restart."""

    def __init__(
        self, network: Path, nodes: list[str], identity: Path, ledger: str, broker: dict[str, Any] | None = None
    ) -> None:
        self.directory = network / "gateway"
        self.directory.mkdir(exist_ok=True)
        limits = {"connects_burst": 1_000}  # the whole street begins at once
        (self.directory / "gateway.json").write_bytes(msgspec.json.encode({"limits": limits, "broker": broker}))
        self._log = self.directory / "gateway.log"
        self._command = [sys.executable, "-m", "ledgernode.cli", "gateway", "run", str(self.directory), "--json"]
        self._command += ["--identity", str(identity), "--genesis", str(network / "genesis.json")]
        self._command += ["--ledger", ledger, "--listen", "127.0.0.1:0"]
        for node in nodes:
            self._command += ["--endpoint", node]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603  # this very program
                self._command,
                stdout=subprocess.PIPE,
                stderr=log,
                stdin=subprocess.DEVNULL,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
                start_new_session=True,  # Ctrl-C is for the command, which then stops it
            )
        self.address = ""

    def wait_until_serving(self) -> None:
        """Refuses, with the end of its log, a gateway that does not come up."""
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
            raise NodeUnreachable(f"the gateway did not start; the end of {self._log}:\n{tail}")
        serving: dict[str, Any] = msgspec.json.decode(line)
        self.address = f"{serving['host']}:{serving['port']}"

    @property
    def process_id(self) -> int:
        return self._process.pid

    def check(self) -> None:
        """Raises when it has ended by itself."""
        if self._process.poll() is not None:
            raise NodeUnreachable(f"the gateway has ended: see {self._log}")

    def stop(self) -> None:
        """Let it drain; it never outlives this call."""
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
