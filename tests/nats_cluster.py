"""A cluster of NATS servers with JetStream as processes of this machine: killed, started again, robbed of their data."""

from __future__ import annotations

import shutil
import socket
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

from ledgernode.identity.home import Nats
from tests.conditions import until
from tests.ports import fresh_port


class NatsServer:
    """One of them; its folder has its configuration, its log and its store."""

    def __init__(self, folder: Path, name: str, port: int, route: int, routes: list[int], extra: str) -> None:
        self.folder = folder
        self.port = port
        folder.mkdir(parents=True)
        peers = ", ".join(f"nats-route://127.0.0.1:{peer}" for peer in routes)
        cluster = f"cluster {{ name: log, listen: 127.0.0.1:{route}, routes: [{peers}] }}" if len(routes) > 1 else ""
        self.configuration = folder / "nats.conf"
        self.configuration.write_text(
            f"server_name: {name}\nlisten: 127.0.0.1:{port}\nmax_payload: 8MB\nlog_file: {folder / 'nats.log'}\n"
            f"jetstream {{ store_dir: {folder / 'store'}, max_mem: 64MB, max_file: 1GB }}\n{cluster}\n{extra}\n"
        )
        self.start()

    def start(self) -> None:
        command = ["nats-server", "-c", str(self.configuration)]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def wait(self) -> None:
        until(self._listens, 30)

    def _listens(self) -> bool:
        assert self.process.poll() is None, (self.folder / "nats.log").read_text()[-2_000:]
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()
        self.process.wait()

    def forget(self) -> None:
        """Its disk is gone."""
        shutil.rmtree(self.folder / "store", ignore_errors=True)


class NatsCluster:
    """So many servers, or a single one; a context that ends them."""

    def __init__(self, folder: Path, count: int = 3, extra: str = "") -> None:
        base = fresh_port(2 * count)
        routes = [base + count + number for number in range(count)]
        self.servers = [
            NatsServer(folder / f"nats-{number}", f"nats-{number}", base + number, routes[number], routes, extra)
            for number in range(count)
        ]
        for server in self.servers:
            server.wait()

    @property
    def settings(self) -> Nats:
        return Nats(tuple(f"nats://127.0.0.1:{server.port}" for server in self.servers), replicas=len(self.servers))

    def close(self) -> None:
        for server in self.servers:
            if server.process.poll() is None:
                server.kill()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
