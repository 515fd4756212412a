"""NATS servers with JetStream as processes of this machine: killed, started again, robbed of their data."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import nats
import nats.errors

from ledgernode.identity.home import Nats
from tests.conditions import until
from tests.ports import fresh_port


class NatsServer:
    """One of them; its folder has its configuration, its log and its store."""

    def __init__(self, folder: Path, name: str, port: int, route: int, routes: list[int], extra: str) -> None:
        self.folder = folder
        self.name = name
        self.port = port
        self.url = f"nats://127.0.0.1:{port}"
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


async def _ask(urls: list[str], what: str, wanted: Any) -> dict[str, Any]:
    connection = await nats.connect(urls, connect_timeout=2, allow_reconnect=False)
    try:
        payload = b"" if wanted is None else json.dumps(wanted).encode()
        answer = await connection.request(f"$JS.API.{what}", payload, timeout=5)
    finally:
        await connection.close()
    found: dict[str, Any] = json.loads(answer.data)
    return found


async def _answers(server: NatsServer) -> bool:
    try:
        return "error" not in await _ask([server.url], "INFO", None)
    except (nats.errors.Error, OSError, TimeoutError):
        return False


class NatsCluster:
    """So many servers, or a single one; a context that ends them."""

    def __init__(self, folder: Path, count: int = 3, extra: str = "") -> None:
        base = fresh_port(2 * count)
        routes = [base + count + number for number in range(count)]
        self.servers = [
            NatsServer(folder / f"nats-{number}", f"nats-{number}", base + number, routes[number], routes, extra)
            for number in range(count)
        ]
        self.wait_until_ready()

    def wait_until_ready(self) -> None:
        """Return when every living server answers for JetStream: a leader is there."""
        for server in self.living:
            server.wait()
        until(lambda: all(asyncio.run(_answers(server)) for server in self.living), 60)

    @property
    def living(self) -> list[NatsServer]:
        return [server for server in self.servers if server.process.poll() is None]

    def ask(self, what: str, wanted: Any = None) -> dict[str, Any]:
        """A request to JetStream by any living server."""
        return asyncio.run(_ask([server.url for server in self.living], what, wanted))

    def leader_of(self, stream: str) -> NatsServer:
        """The server that leads a stream now."""
        led = until(lambda: self.ask(f"STREAM.INFO.{stream}").get("cluster", {}).get("leader"), 30)
        return next(server for server in self.servers if server.name == led)

    @property
    def settings(self) -> Nats:
        return Nats(tuple(server.url for server in self.servers), replicas=len(self.servers))

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
