"""A real Mosquitto for tests: TLS, passwords, rights, on a free port, and what it holds survives its being killed.

    with Mosquitto(directory, identity, {"gateway": "secret"}, acl="user gateway\\ntopic readwrite #\\n") as broker:
        broker.host, broker.port, broker.roots

`identity` is a folder with a TLS certificate that names this machine: `gateway_identity(network, "broker")` makes one.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import ssl
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from ledgernode.identity.tls import ROOTS
from tests.conditions import until
from tests.ports import fresh_port

_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
_SAME_USER = ["user root"] if os.getuid() == 0 else []
"""Else it becomes someone who may not read our keys."""
_OPEN = "topic readwrite #\n"


class RunningMosquitto:
    """A broker with a configuration file of its own; a context that ends it."""

    host = "localhost"

    def __init__(self, configuration: Path, port: int, roots: Path) -> None:
        self.port = port
        self.roots = roots
        """Under which its own certificate stands."""
        self.log = configuration.with_name("mosquitto.log")
        self._configuration = configuration
        self.start()

    # ------------------------------------------------------------ its life

    def start(self) -> None:
        """Start it, and return when it takes connections."""
        program = shutil.which("mosquitto", path=_PATH)
        assert program, "mosquitto is not installed: tests/system.sh installs it"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen([program, "-c", str(self._configuration)], stdout=log, stderr=log)
        until(self._listens)

    def _listens(self) -> bool:
        assert self.process.poll() is None, f"mosquitto did not start: {self.log.read_text()[-2_000:]}"
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def kill(self) -> None:
        """SIGKILL: no goodbye."""
        self.process.kill()
        self.process.wait()

    def terminate(self) -> int:
        """SIGTERM: it saves what it holds."""
        self.process.terminate()
        return self.process.wait(20)

    def freeze(self) -> None:
        """SIGSTOP: it holds its connections, and does nothing."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.kill()

    def reload(self) -> None:
        """SIGHUP: it reads its files of users and rights again."""
        self.process.send_signal(signal.SIGHUP)

    # ------------------------------------------------------------ what a client needs

    @property
    def endpoint(self) -> str:
        return f"{self.host}:{self.port}"

    def tls(self) -> ssl.SSLContext:
        """For a client that trusts this broker."""
        return ssl.create_default_context(cafile=str(self.roots))


def as_written(directory: Path) -> Path:
    """What `ledgernode gateway broker-files` has written, for a broker of ours that only this machine reaches."""
    lines = (directory / "mosquitto.conf").read_text().splitlines()
    own = directory / "own.conf"
    listening = [f"{line} 127.0.0.1" if line.startswith("listener") else line for line in lines]
    own.write_text("\n".join([*listening, *_SAME_USER, ""]))
    return own


class Mosquitto(RunningMosquitto):
    """A broker of its own; a context that ends it. Its port and what it holds stay over a restart.

    `users` are names with their passwords. Without `acl` each of them may do everything. With `certificates` who
    connects is known by a certificate under `client_roots` (default: the identity's), and its name is the username.
    All that it holds is written each time that so much has changed (`autosave`): with 1 nothing is lost when it is
    killed, and it takes a few dozen messages a second.
    """

    def __init__(
        self,
        directory: Path,
        identity: Path,
        users: Mapping[str, str],
        *,
        acl: str | None = None,
        certificates: bool = False,
        client_roots: Path | None = None,
        autosave: int = 100,
        more: str = "",
    ) -> None:
        self.directory = directory
        roots, port = identity / ROOTS, fresh_port(1)
        self._users = dict(users)
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._acl = directory / "acl"
        self._passwords = directory / "passwords"
        configuration = directory / "mosquitto.conf"
        self.write_acl(acl if acl is not None else "".join(f"user {user}\n{_OPEN}" for user in users))
        self._write_passwords()
        lines = [
            f"listener {port} 127.0.0.1",
            f"cafile {client_roots or roots}",
            f"certfile {identity / 'tls-certificate.pem'}",
            f"keyfile {identity / 'tls-key.pem'}",
            "set_tcp_nodelay true",
            "allow_anonymous false",
            f"password_file {self._passwords}",
            f"acl_file {self._acl}",
            "persistence true",
            f"persistence_location {directory}/",
            "autosave_on_changes true",
            f"autosave_interval {autosave}",
            "max_queued_messages 100000",
            "log_type error",
            "log_type warning",
            "log_type notice",
            "log_type information",
        ]
        if certificates:
            lines += ["require_certificate true", "use_identity_as_username true"]
        lines += _SAME_USER
        configuration.write_text("\n".join([*lines, more, ""]))
        super().__init__(configuration, port, roots)

    # ------------------------------------------------------------ who may do what

    def write_acl(self, acl: str) -> None:
        """From the next start on, or the next `reload`."""
        _write_secret(self._acl, acl)

    def enrol(self, user: str, password: str) -> None:
        """One more user, or another password for one."""
        self.enrolled_again(user, password)
        self.reload()

    def enrolled_again(self, user: str, password: str) -> None:
        """From the next start on."""
        self._users[user] = password
        self._write_passwords()

    def _write_passwords(self) -> None:
        _write_secret(self._passwords, "".join(f"{user}:{password}\n" for user, password in self._users.items()))
        if self._users:
            subprocess.run(["mosquitto_passwd", "-U", str(self._passwords)], check=True, capture_output=True)


def _write_secret(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(text)
