"""A real InfluxDB for tests: with a user and password, on a free port, and what it has acknowledged survives a kill."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any, Self

from tests.conditions import until
from tests.ports import fresh_port

USER, PASSWORD = "home", "home's password"
DATABASE = "home"
_SETTINGS = """
reporting-disabled = true
bind-address = "127.0.0.1:{backup}"
[meta]
dir = "{directory}/meta"
[data]
dir = "{directory}/data"
wal-dir = "{directory}/wal"
[http]
bind-address = "127.0.0.1:{port}"
auth-enabled = true
log-enabled = false
[monitor]
store-enabled = false
"""


class Influx:
    """A context that ends it."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir()
        self.port = fresh_port()
        self.log = directory / "influxd.log"
        self._settings = directory / "influxdb.conf"
        self._settings.write_text(_SETTINGS.format(directory=directory, port=self.port, backup=fresh_port()))
        self.start()
        self.ask(
            f"CREATE USER {USER} WITH PASSWORD '{PASSWORD.replace(chr(39), chr(92) + chr(39))}' WITH ALL PRIVILEGES"
        )
        self.ask(f"CREATE DATABASE {DATABASE}")

    @property
    def url(self) -> str:
        """Where to write."""
        return f"http://127.0.0.1:{self.port}/write?db={DATABASE}"

    def start(self) -> None:
        """Start it, and return when it answers."""
        program = shutil.which("influxd")
        assert program, "influxd is not installed: tests/system.sh installs it"
        with self.log.open("ab") as log:
            command = [program, "run", "-config", str(self._settings)]
            environment = {**os.environ, "GOMAXPROCS": "1"}
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        until(self._answers)

    def _answers(self) -> bool:
        assert self.process.poll() is None, f"influxd did not start: {self.log.read_text()[-2_000:]}"
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/ping", timeout=5) as answer:
                return bool(answer.status == 204)
        except OSError:
            return False

    def ask(self, question: str) -> list[dict[str, Any]]:
        """The series of an answer; times are nanoseconds."""
        body = urllib.parse.urlencode({"q": question, "db": DATABASE, "epoch": "ns"}).encode()
        known = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/query", body)
        request.add_header("Authorization", f"Basic {known}")
        with urllib.request.urlopen(request, timeout=20) as answer:
            [result] = json.loads(answer.read())["results"]
        assert "error" not in result, result
        found: list[dict[str, Any]] = result.get("series", [])
        return found

    def points(self, measurement: str = "home") -> dict[tuple[str, int, str], Any]:
        """Value by (its series' source or kind, time in ns, name)."""
        found: dict[tuple[str, int, str], Any] = {}
        for series in self.ask(f"SELECT * FROM {measurement} GROUP BY *"):
            tags = series["tags"]
            for time_ns, *values in series["values"]:
                for name, value in zip(series["columns"][1:], values, strict=True):
                    if value is not None:
                        found[tags.get("source") or tags.get("kind"), time_ns, name] = value
        return found

    def kill(self) -> None:
        """SIGKILL: no goodbye."""
        self.process.kill()
        self.process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.kill()
