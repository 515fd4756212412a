"""Networks of several validators as real processes: started, disturbed, and compared.

What every disturbance must end in is in one place, `RunningNetwork.settle`: all nodes with the same headers,
and in them everything that a client was told is committed.
"""

from __future__ import annotations

import json
import random
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from ledgernode.cli.rotation import prepare
from ledgernode.client import Ledger, LedgerClient, Outcome, Signed
from ledgernode.errors import LedgerError, Unavailable
from ledgernode.identity.founding import organisation_directory
from ledgernode.identity.home import (
    NodeConfig,
    certify_node,
    genesis_path,
    request_node,
    tls_directory,
    validator_directory,
)
from ledgernode.identity.keys import PrivateKey
from ledgernode.identity.organisation import sign_request
from ledgernode.identity.tls import load_tls, write_roots
from ledgernode.wire.answers import LedgerStatus
from ledgernode.wire.block import parse_header
from ledgernode.wire.receipt import parse_receipt
from ledgernode.wire.types import TransactionId, identity_id
from tests.conditions import until
from tests.ports import reserve
from tests.running import LEDGER, FoundedNetwork, NodeProcess, Person, deploy, notes, now_ms

ORGANISATIONS = ("north", "south", "east", "west", "isle", "lake", "fjord")
RECOVERY_SECONDS = 20.0
PORTS = range(20_000, 32_000)  # below those that the system gives to outgoing connections
OPTIONS = {"pow": {"first_target_bits": 15, "interval_ms": 150, "depth_blocks": 4}}
"""Blocks often enough for tests; a partition of these tests is never four blocks long on both sides."""


def free_ports(count: int) -> int:
    """The first of neighbouring ports that are free; no other test process is given them while this one lives.

    A node that is down for a while must find its port free when it comes back.
    """
    while True:
        first = random.choice(PORTS)
        ports = range(first, first + count)
        if all(_is_free(port) for port in ports) and all(reserve(port) for port in ports):
            return first


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


class RunningNetwork:
    """Validators of as many organisations, all of them running; a context that ends them.

    `founding` is what `FoundedNetwork` takes besides; `config` what stands in each node's file, where it is not the
    default.
    """

    def __init__(
        self, directory: Path, engine: str, count: int, *, config: Mapping[str, Any] | None = None, **founding: Any
    ) -> None:
        organisations = ORGANISATIONS[:count]
        self._config = config or {}
        self.founded = FoundedNetwork(
            directory,
            engine,
            organisations,
            base_port=free_ports(count),
            **{"options": OPTIONS.get(engine), **founding},
        )
        for home in self.founded.homes:
            self._configure(home)
        self.nodes: list[NodeProcess] = []
        try:
            for node in self.founded.network.nodes:
                self.nodes.append(self._node(directory / node.home, node.endpoint))
            for running in self.nodes:
                running.wait_until_serving()
        except BaseException:
            self.close()
            raise

    def _node(self, home: Path, endpoint: str) -> NodeProcess:
        return NodeProcess(self.founded, home, endpoint, wait=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """None of its processes outlives this."""
        for node in self.nodes:
            if node.running:
                node.thaw()
                node.kill()

    def _configure(self, home: Path) -> None:
        msgspec.structs.replace(NodeConfig.read(home), **self._config).write(home)

    def kill_all(self) -> None:
        """SIGKILL to every node in the same moment."""
        for node in self.nodes:
            node.process.kill()
        for node in self.nodes:
            node.kill()

    def restore(self) -> None:
        """Whatever was done to them: all run, have the same head, and reach each other."""
        for node in self.nodes:
            if node.running:
                node.thaw()
                if self.status(node).halted:
                    node.kill()
        self.restart([node for node in self.nodes if not node.running])
        self.wait_for_equal_heads()
        self.wait_until_all_linked()

    def wait_until_all_linked(self) -> None:
        until(self._all_linked)

    def _all_linked(self) -> bool:
        return all(member.self or member.connected for node in self.nodes for member in self.status(node).validators)

    def without(self, *nodes: NodeProcess) -> list[NodeProcess]:
        """The others."""
        return [node for node in self.nodes if node not in nodes]

    def restart(self, nodes: Sequence[NodeProcess]) -> None:
        """Start these again, all at the same time; return when they serve."""
        for node in nodes:
            node.launch()
        for node in nodes:
            node.wait_until_serving()

    # ------------------------------------------------------------ talking to it

    @property
    def live(self) -> list[NodeProcess]:
        return [node for node in self.nodes if node.running]

    @property
    def endpoints(self) -> list[str]:
        return [node.endpoint for node in self.nodes]

    def ledger(self, person: Person | None = None, nodes: Sequence[NodeProcess] = (), **options: Any) -> Ledger:
        """A client that knows all nodes, or these."""
        endpoints = [node.endpoint for node in nodes] or self.endpoints
        return Ledger(endpoints, self.founded.ledger, (person or self.founded.admin).credentials, **options)

    def client(self, person: Person | None = None, **options: Any) -> LedgerClient:
        return LedgerClient(self.endpoints, self.founded.ledger, (person or self.founded.admin).credentials, **options)

    def deploy(self) -> str:
        """The notebook, known to every node when this returns: whoever is asked next may be one that is behind."""
        with self.ledger() as ledger:
            package = deploy(ledger, self.founded)
        self.wait_for_equal_heads()
        return package

    def status(self, node: NodeProcess) -> LedgerStatus:
        """What the node tells its own operator."""
        with node.operator(_own_admin(node)) as operator:
            (found,) = operator.status().ledgers
            return found

    def leader(self) -> NodeProcess:
        """The validator that most nodes take for the leader of their view."""
        named = [self.status(node).leader for node in self.live]
        most = max(set(named), key=named.count)
        return self._of(bytes(most))

    def follower(self) -> NodeProcess:
        leader = self.leader()
        return next(node for node in self.live if node is not leader)

    def _of(self, identity: bytes) -> NodeProcess:
        for member in self.status(self.live[0]).validators:
            if member.identity == identity:
                return next(node for node in self.nodes if node.endpoint == member.endpoint)
        raise AssertionError(f"no validator is {identity.hex()}")

    # ------------------------------------------------------------ governing it

    def decide(self, ledger: Ledger, kind: str, change: dict[str, Any]) -> None:
        """Propose, and approve by one organisation after another until it is enacted."""
        first, *others = self.founded.admins
        proposal = {"kind": kind, "change": change}
        made = json.loads(ledger.submit("governance", "propose", proposal, signer=first.signer).result)
        for admin in others:
            voted = ledger.submit("governance", "approve", {"proposal": made}, signer=admin.signer)
            if json.loads(voted.result) == "enacted":
                return
        raise AssertionError(f"the proposal {made} was not enacted")

    def end_epoch(self, ledger: Ledger) -> int:
        """Write notes until the last block of the epoch, of a change that is decided; its height."""
        found = ledger.evaluate("governance", "validators", {}, signer=self.founded.admin.signer)
        last: int = json.loads(found.result)["last_height"]
        assert last, "no change is decided"
        while ledger.facts().height < last:
            ledger.submit_signed(notes(self.founded.admin.signer, [f"on-{time.monotonic_ns()}"])[0])
        return last

    def new_node(self, organisation: str) -> tuple[NodeProcess, str]:
        """A second node of an organisation, running; and the certificate of its key, which has no seat yet."""
        number = 1 + sum(node.organisation == organisation for node in self.founded.network.nodes)
        home, name = self.founded.directory / "nodes" / f"{organisation}-{number}", f"validator-{number}"
        owner = organisation_directory(self.founded.directory, organisation)
        validator, tls = request_node(home, organisation=organisation, name=name)
        chain = sign_request(owner, validator, now_ms=now_ms())
        certify_node(home, chain, sign_request(owner, tls, now_ms=now_ms(), tls_names=("localhost", "127.0.0.1")))
        write_roots(tls_directory(home), load_tls(self.founded.admin.directory).roots)
        genesis_path(home, LEDGER).parent.mkdir(parents=True)
        genesis_path(home, LEDGER).write_bytes(self.founded.genesis_bytes)
        endpoint = f"127.0.0.1:{free_ports(1)}"
        NodeConfig(organisation, name, endpoint, (LEDGER,)).write(home)
        self._configure(home)
        self.founded.homes.append(home)
        self.founded.admins_of_homes.append(self.founded.person(organisation, "admin"))
        node = NodeProcess(self.founded, home, endpoint)
        self.nodes.append(node)
        return node, chain

    def rekey(self, ledger: Ledger, node: NodeProcess) -> None:
        """Give a validator a new key: by its organisation's admin, in force with the next epoch, then restarted."""
        folder, admin = validator_directory(node.home), _own_admin(node)
        organisation = NodeConfig.read(node.home).organisation
        identity = identity_id(PrivateKey.load(folder / "key.pem").public_key)
        chain = prepare(folder, organisation_directory(self.founded.directory, organisation), now_ms())
        change = {"identity": identity.hex(), "certificate": chain, "reason": "a new machine"}
        ledger.submit("identity", "rekey", change, signer=admin.signer)
        self.end_epoch(ledger)
        node.terminate()
        for name in ("key.pem", "certificate.pem"):
            (folder / f"next-{name}").replace(folder / name)
        node.start()

    # ------------------------------------------------------------ what must hold in the end

    def settle(self, acknowledged: Sequence[Outcome], limit_s: float = RECOVERY_SECONDS) -> int:
        """All nodes reach the same head in time, with the same headers, and hold what was acknowledged; its height."""
        height = self.wait_for_equal_heads(limit_s)
        chains = [headers(node, height) for node in self.nodes]
        for number, chain in enumerate(chains[1:], 1):
            assert chain == chains[0], f"node {number} has another chain than node 0"
        for node in (self.nodes[0], self.nodes[-1]):
            require_present(node, acknowledged, height)
        return height

    def wait_for_equal_heads(self, limit_s: float = RECOVERY_SECONDS) -> int:
        """Return when every node says the same height and hash; refuses after the limit."""
        ends, heads = time.monotonic() + limit_s, list[object]()
        while time.monotonic() < ends:
            heads = [_head(node) for node in self.nodes]
            if isinstance(heads[0], tuple) and len(set(heads)) == 1:
                height = heads[0][0]
                assert isinstance(height, int)
                return height
            time.sleep(0.1)
        raise AssertionError(f"after {limit_s} s the heads are {heads}")

    def require_progress(self, nodes: Sequence[NodeProcess] = (), limit_s: float = RECOVERY_SECONDS) -> float:
        """A new transaction is committed in time; how many seconds it took."""
        begun = time.monotonic()
        with self.ledger(nodes=nodes or self.live, timeout_ms=int(limit_s * 1_000)) as ledger:
            outcome = ledger.submit_signed(notes(self.founded.admin.signer, [f"progress-{begun}"])[0])
            assert outcome.succeeded, outcome
        return time.monotonic() - begun


def headers(node: NodeProcess, height: int, *, first: int = 1) -> list[bytes]:
    """Every header of a node up to the height, as bytes."""
    with node.ledger(_own_admin(node)) as ledger:
        return [block.header for block in ledger.blocks(first, to_height=height, headers_only=True)]


def require_present(node: NodeProcess, acknowledged: Sequence[Outcome], height: int) -> None:
    """Each acknowledged transaction stands in the node's chain where it was said to stand, and succeeded."""
    found: dict[TransactionId, int] = {}
    with node.ledger(_own_admin(node)) as ledger:
        for block in ledger.blocks(1, to_height=height):
            at = parse_header(block.header).height
            receipts = (parse_receipt(raw) for raw in block.receipts)
            found.update((receipt.id, at) for receipt in receipts if receipt.succeeded)
    lost = [outcome for outcome in acknowledged if found.get(outcome.transaction_id) != outcome.height]
    assert not lost, f"{len(lost)} of {len(acknowledged)} acknowledged transactions are lost, the first: {lost[0]}"


def _head(node: NodeProcess) -> tuple[int, bytes] | str:
    """(height, hash) of the newest certified block, or why it does not say."""
    try:
        with node.ledger(_own_admin(node), timeout_ms=2_000) as ledger:
            ledger._client._connection._retries = 0
            facts = ledger.facts()
    except LedgerError as error:
        return f"{error.code}: {error}"
    return int(facts.height), facts.header_hash


def _own_admin(node: NodeProcess) -> Person:
    return node.network.admins_of_homes[node.network.homes.index(node.home)]


class Load:
    """Clients that write notes at a steady rate, each over a stream of its own, until they are told to end."""

    def __init__(self, network: RunningNetwork, *, rate: int = 200, nodes: Sequence[NodeProcess] = ()) -> None:
        self.committed: list[Outcome] = []
        self.refused: list[Outcome] = []
        self.failure: BaseException | None = None
        self.longest_gap_s = 0.0
        self._network = network
        self._nodes = nodes
        self._pause_s = 1.0 / rate
        self._ending = threading.Event()
        self._begun = threading.Event()
        self._thread = threading.Thread(target=self._run, name="load")
        self._thread.start()
        assert self._begun.wait(RECOVERY_SECONDS), f"nothing was committed: {self.failure}"

    def _run(self) -> None:
        try:
            with self._network.ledger(nodes=self._nodes) as ledger:
                last = time.monotonic()
                for outcome in ledger.submit_many(self._source()):
                    now = time.monotonic()
                    self.longest_gap_s, last = max(self.longest_gap_s, now - last), now
                    (self.committed if outcome.succeeded else self.refused).append(outcome)
                    self._begun.set()
        except BaseException as error:  # noqa: BLE001  # told to whoever ends the load
            self.failure = error

    async def _source(self) -> Any:
        import asyncio

        signer, number = self._network.founded.admin.signer, 0
        while not self._ending.is_set():
            for _ in range(10):
                number += 1
                yield _note(signer, number)
            await asyncio.sleep(10 * self._pause_s)

    def gap_after(self, disturb: Callable[[], object]) -> float:
        """Disturb, and return when work goes on: the longest time without an outcome since, in seconds."""
        nodes = self._nodes or self._network.nodes
        self.longest_gap_s = 0.0
        disturb()
        self._network.require_progress([node for node in nodes if node.running])
        known = len(self.committed)
        until(lambda: len(self.committed) > known, RECOVERY_SECONDS)
        return self.longest_gap_s

    def end(self) -> list[Outcome]:
        """Send no more, and return when all that was sent has its outcome: what was committed."""
        self._ending.set()
        self._thread.join(60)
        assert not self._thread.is_alive(), "the load does not end: some transactions have no outcome"
        if self.failure is not None:
            raise self.failure
        assert not self.refused, f"{len(self.refused)} were refused, the first: {self.refused[0]}"
        return self.committed

    def abandon(self) -> list[Outcome]:
        """Return what was committed so far; what has no outcome is nobody's any more."""
        self._ending.set()
        self._thread.join(60)
        assert not self._thread.is_alive(), "the load does not end"
        assert self.failure is None or isinstance(self.failure, Unavailable), self.failure
        return self.committed

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.set()


def _note(signer: Any, number: int) -> Signed:
    return notes(signer, [f"note-{number}-{random.getrandbits(32):x}"])[0]
