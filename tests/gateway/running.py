"""A gateway as a process of its own, for tests, and meters that talk to it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import msgspec

from gateway.client import GatewayClient
from ledgernode.client import Signed
from ledgernode.identity.founding import organisation_directory
from ledgernode.identity.organisation import identity_directory, new_identity
from ledgernode.identity.records import Role
from ledgernode.identity.tls import load_tls, write_roots
from ledgernode.local.simulated import is_simulated
from tests.running import START_SECONDS, FoundedNetwork, Person, now_ms


def gateway_identity(network: FoundedNetwork, name: str = "gateway-1") -> Path:
    """An identity of the first organisation that may serve on this machine; its directory."""
    home = organisation_directory(network.directory, network.network.organisations[0])
    new_identity(home, name, Role.GATEWAY, now_ms=now_ms(), tls_names=("localhost", "127.0.0.1"))
    directory = identity_directory(home, name)
    write_roots(directory, load_tls(network.admin.directory).roots)
    return directory


class GatewayProcess:
    """`ledgernode gateway run` of one ledger; a context that ends it. Its port and outbox stay over a restart."""

    def __init__(
        self,
        network: FoundedNetwork,
        nodes: list[str],
        directory: Path,
        identity: Path,
        *,
        arguments: tuple[str, ...] = (),
        **settings: object,
    ) -> None:
        self.directory = directory
        directory.mkdir(exist_ok=True)
        (directory / "gateway.json").write_bytes(msgspec.json.encode(settings))
        self.log = directory / "gateway.log"
        self._listen = "127.0.0.1:0"
        self._command = [sys.executable, "-m", "ledgernode.cli", "gateway", "run", str(directory), "--json"]
        self._command += ["--identity", str(identity), *_where(network, nodes), *arguments]
        self.start()

    def start(self) -> None:
        """Start it, and return when it serves."""
        with self.log.open("ab") as log:
            command = [*self._command, "--listen", self._listen]
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, env=dict(os.environ))
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"the gateway did not start: {self.log.read_text()[-2_000:]}"
        self.serving = msgspec.json.decode(line)
        self._listen = f"{self.serving['host']}:{self.serving['port']}"

    @property
    def endpoint(self) -> str:
        return self._listen

    def client(self, person: Person) -> GatewayClient:
        return GatewayClient(self._listen, person.credentials)

    def kill(self) -> None:
        """SIGKILL: no goodbye."""
        self.process.kill()
        self._wait()

    def terminate(self) -> int:
        """SIGTERM: drain, and the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self._wait()

    def _wait(self) -> int:
        code = self.process.wait(START_SECONDS)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code

    def __enter__(self) -> GatewayProcess:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.kill()


def _where(network: FoundedNetwork, nodes: list[str]) -> list[str]:
    """The nodes by their addresses; where the clock is simulated, by the network's folder, which has that clock."""
    if is_simulated(network.ledger):
        return ["--network", str(network.directory)]
    named = ["--genesis", str(network.directory / "genesis.json"), "--ledger", network.ledger]
    return [*named, *(part for node in nodes for part in ("--endpoint", node))]


def reading(person: Person, number: int) -> Signed:
    """A note under the meter's number, which the contract takes once: a second one would be refused on the ledger."""
    arguments = {"key": f"{person.signer.identity.hex()[:8]}-{number}", "text": "x" * 60}
    return person.signer.transaction("notebook", "write_once", arguments, budget=20_000, sequence=number)
