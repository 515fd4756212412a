"""Networks on this machine for tests: founded in a folder, with nodes that are real processes."""

from __future__ import annotations

import base64
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import grpc
import msgspec

from ledgernode.client import Ledger, LedgerClient, Node, Signed, Signer
from ledgernode.execution.sandbox.package import pack, package_hash
from ledgernode.identity.founding import found_network, organisation_directory
from ledgernode.identity.home import data_directory
from ledgernode.identity.identity_files import load_identity
from ledgernode.identity.keys import PrivateKey
from ledgernode.identity.organisation import identity_directory, new_identity
from ledgernode.identity.records import Role
from ledgernode.identity.tls import channel_credentials, load_tls, write_roots
from ledgernode.wire.genesis import EXECUTION_VERSION, chain_id
from ledgernode.wire.parameters import Parameters

LEDGER = "test"
NOTEBOOK = Path(__file__).parent / "integration" / "contracts" / "notebook.py"
START_SECONDS = 45
_LOCAL = "127.0.0.1:0"


def now_ms() -> int:
    return time.time_ns() // 1_000_000


class Person:
    """Someone with an identity's folder."""

    def __init__(self, directory: Path, chain: bytes) -> None:
        self.directory = directory
        self.key: PrivateKey = load_identity(directory)[0]
        self.certificate: str = load_identity(directory)[1]
        self.signer = Signer(self.key, chain_id=chain)  # type: ignore[arg-type]

    @property
    def credentials(self) -> grpc.ChannelCredentials:
        return channel_credentials(load_tls(self.directory))


class FoundedNetwork:
    """Organisations with keys and nodes in a folder; nothing of it runs yet."""

    def __init__(
        self,
        directory: Path,
        engine: str,
        organisations: Sequence[str],
        *,
        base_port: int = 1,
        parameters: Parameters | None = None,
        options: Mapping[str, int] | None = None,
        founded_ms: int | None = None,
        ledger: str = LEDGER,
        execution_version: int = EXECUTION_VERSION,
    ) -> None:
        self.directory = directory
        self.ledger = ledger
        self.engine = engine
        self._strangers = 0
        self.network = found_network(
            directory,
            organisations=organisations,
            ledger=ledger,
            engine=engine,
            base_port=base_port,
            parameters=parameters or Parameters(),
            now_ms=founded_ms or now_ms(),
            options=options,
            execution_version=execution_version,
        )
        self.genesis_bytes = (directory / "genesis.json").read_bytes()
        self.chain_id = chain_id(self.genesis_bytes)
        self.homes = [directory / node.home for node in self.network.nodes]
        self.admins = [self.person(name, "admin") for name in organisations]
        self.admin = self.admins[0]
        self.admins_of_homes = self.admins[: len(self.homes)]
        """Of each home the admin of its own organisation."""

    def person(self, organisation: str, name: str) -> Person:
        return Person(identity_directory(organisation_directory(self.directory, organisation), name), self.chain_id)

    def newcomer(self, organisation: str, name: str, role: Role, **attributes: str) -> Person:
        """Someone with certificates who is not registered on the ledger."""
        home = organisation_directory(self.directory, organisation)
        new_identity(home, name, role, now_ms=now_ms(), attributes=attributes)
        write_roots(identity_directory(home, name), load_tls(self.admin.directory).roots)
        return self.person(organisation, name)

    def newcomer_unregistered(self) -> Person:
        """Someone nobody has registered, with a folder of its own each time."""
        self._strangers += 1
        return self.newcomer("north", f"stranger-{self._strangers}", Role.CUSTOMER)


class SoloNetwork(FoundedNetwork):
    """Two organisations, one validator."""

    def __init__(self, directory: Path, parameters: Parameters | None = None) -> None:
        super().__init__(directory, "solo", ("north", "south"), parameters=parameters)
        self.home = self.homes[0]
        self.data = data_directory(self.home, self.network.ledger)


class NodeProcess:
    """One node of a network as a process of its own; a context that ends it."""

    def __init__(
        self, network: FoundedNetwork, home: Path | None = None, listen: str = _LOCAL, *, wait: bool = True
    ) -> None:
        self.network = network
        self.home = home or network.homes[0]
        self.log = self.home / "node.log"
        self.environment: dict[str, str] = {}
        """Of its process, besides our own."""
        self._listen = listen
        self.launch()
        if wait:
            self.wait_until_serving()

    def start(self) -> None:
        """Start it, and return when it serves. Its port is kept over a restart."""
        self.launch()
        self.wait_until_serving()

    def launch(self) -> None:
        """Start it, and do not wait."""
        self._start(self._command())

    def _command(self) -> list[str]:
        return [sys.executable, "-m", "ledgernode.services.process", str(self.home), self._listen]

    def _start(self, command: list[str], **options: Any) -> None:
        environment = {**os.environ, **self.environment}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, env=environment, **options)

    def wait_until_serving(self) -> None:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"the node did not start: {self.log.read_text()[-2_000:]}"
        serving = msgspec.json.decode(line)
        self._listen = f"{serving['host']}:{serving['port']}"
        self.observe_port: int = serving["observe_port"]

    @property
    def endpoint(self) -> str:
        return self._listen

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    def limit_files(self, limit_bytes: int) -> None:
        """No file of it grows beyond this from now on: a disk that becomes full."""
        resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (limit_bytes, limit_bytes))

    def kill(self) -> None:
        """SIGKILL: no goodbye."""
        self.process.kill()
        self._wait()

    def freeze(self) -> None:
        """SIGSTOP: it holds its ports and connections, and does nothing."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT: it goes on, its clock ahead of what it knows."""
        self.process.send_signal(signal.SIGCONT)

    def terminate(self) -> int:
        """SIGTERM: drain, and the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self._wait()

    def _wait(self) -> int:
        code = self.process.wait(START_SECONDS)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.running:
            self.terminate()

    # ------------------------------------------------------------ talking to it

    def client(self, person: Person | None = None, **options: Any) -> LedgerClient:
        return LedgerClient([self.endpoint], self.network.ledger, (person or self.network.admin).credentials, **options)

    def ledger(self, person: Person | None = None, **options: Any) -> Ledger:
        return Ledger([self.endpoint], self.network.ledger, (person or self.network.admin).credentials, **options)

    def operator(self, person: Person | None = None) -> Node:
        return Node([self.endpoint], (person or self.network.admin).credentials)


def deploy(ledger: Ledger, network: FoundedNetwork, contract: Path = NOTEBOOK) -> str:
    """Install, approve by every organisation, commit; the package's hash."""
    raw = pack(contract)
    name, found = contract.stem, package_hash(raw)
    text = base64.b64encode(raw).decode()
    ledger.submit("lifecycle", "install", {"package": text}, signer=network.admin.signer)
    for admin in network.admins:
        ledger.submit("lifecycle", "approve", {"name": name, "package_hash": found}, signer=admin.signer)
    ledger.submit("lifecycle", "commit", {"name": name, "package_hash": found}, signer=network.admin.signer)
    return found


def register(ledger: Ledger, network: FoundedNetwork, person: Person) -> Person:
    """Register someone of the first organisation."""
    ledger.submit("identity", "register", {"certificate": person.certificate}, signer=network.admin.signer)
    return person


def notes(signer: Signer, keys: Iterable[str], *, text: str = "x" * 100, budget: int = 5_000) -> list[Signed]:
    return [signer.transaction("notebook", "put", {"key": key, "text": text}, budget=budget) for key in keys]
