"""A PostgreSQL server of one's own: real, on a free port, in a temporary folder; it ends with its context.

Its durability is switched off: tests ask what it answers, not whether the machine loses power.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from tests.conditions import until
from tests.ports import fresh_port

_SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "60",
    "listen_addresses": "127.0.0.1",
}


def programs() -> Path | None:
    """Where the server's programs are: the newest that Debian has installed, or those on the path."""
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    if versions:
        return versions[-1].parent
    found = shutil.which("postgres")
    return Path(found).parent if found else None


class PostgresServer:
    """A context. `url(name)` names a database of it, which is made when it is asked for the first time."""

    def __init__(self) -> None:
        found = programs()
        if found is None:
            pytest.fail("PostgreSQL's server is not installed: tests/system.sh")
        self._programs = found
        self._folder = tempfile.TemporaryDirectory(prefix="ledgernode-postgres-")
        self._data = Path(self._folder.name) / "data"
        self._made: set[str] = set()
        self.port = fresh_port(1)
        self._own = _somebody_else(Path(self._folder.name))
        self._run(
            "initdb", "-D", str(self._data), "-U", "tester", "--auth=trust", "--no-sync", "-E", "UTF8", "--locale=C"
        )
        self.start()

    def start(self) -> None:
        settings = [part for name, value in _SETTINGS.items() for part in ("-c", f"{name}={value}")]
        command = ["-D", str(self._data), "-p", str(self.port), "-k", str(self._data), *settings]
        with (self._data.parent / "postgres.log").open("ab") as log:
            self.process = subprocess.Popen(
                [*self._own, str(self._programs / "postgres"), *command], stdout=log, stderr=log
            )
        until(self._answers)

    def stop(self) -> None:
        """At once, as a server that crashes."""
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait(30)

    def url(self, name: str) -> str:
        if name not in self._made:
            self._run("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "tester", name)
            self._made.add(name)
        return f"postgresql://tester@127.0.0.1:{self.port}/{name}"

    def _answers(self) -> bool:
        assert self.process.poll() is None, "the server ended: see postgres.log"
        asked = [str(self._programs / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(asked, check=False).returncode == 0

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [*self._own, str(self._programs / program), *arguments], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{program}: {done.stderr}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.stop()
        self._folder.cleanup()


def _somebody_else(directory: Path) -> list[str]:
    """The server refuses to run as root: then it runs as the package's own user, to whom the folder is given.

    By a program that changes the user: `subprocess` would need fork() for it, which gRPC's threads do not bear.
    """
    if os.geteuid() != 0:
        return []
    user = pwd.getpwnam("postgres")
    shutil.chown(directory, "postgres")
    return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", "--"]
