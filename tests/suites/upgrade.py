"""Four validators are upgraded one by one under load, from a former version to this one, and the rules move on.

    python -m tests.suites.upgrade

The former version is this very tree under another number, without the newest rules of execution and the newest
protocol: no other version is in history yet that could be upgraded from. Nothing that a client was told is committed
may be lost, no pause may be longer than three seconds, and all chains must be the same, block by block, and verify.

    all of them are of the former version           the ledger goes by the former rules
    each in turn: stopped, upgraded, started        nothing is decided; two of four are too few to decide it
    the first one goes back, and forward again      on the disk that the newer program has used
    a height is decided, and the last is former     it stops before the height and says why; upgraded, it goes on
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import msgspec

from ledgernode import __version__
from ledgernode.client import Ledger
from ledgernode.errors import GovernanceRefused, LedgerError, UpgradeNeeded
from ledgernode.identity.home import data_directory, genesis_path
from ledgernode.node.ledger import open_chain
from ledgernode.store.lmdb import LmdbStore
from ledgernode.verification import verify_chain
from ledgernode.wire import versions
from ledgernode.wire.parameters import Parameters
from tests.conditions import until
from tests.networks import Load, RunningNetwork
from tests.running import LEDGER, NodeProcess

ROOT = Path(__file__).parent.parent.parent
FORMER_VERSION = "0.0.9"
FORMER_RULES = versions.EXECUTION_NEWEST - 1
FORMER_PROTOCOL = versions.PROTOCOL_NEWEST - 1
LONGEST_PAUSE_S = 3.0
WINDOW = 8
AHEAD = 60
LIMIT_S = 60.0


def former_program(directory: Path) -> Path:
    """A copy of the packages that a node needs, as a former version had them; what PYTHONPATH names."""
    for package in ("ledgernode", "chaincode"):
        shutil.copytree(ROOT / "src" / package, directory / package, ignore=shutil.ignore_patterns("__pycache__"))
    _rewrite(directory / "ledgernode" / "__init__.py", f'"{__version__}"', f'"{FORMER_VERSION}"')
    numbers = directory / "ledgernode" / "wire" / "versions.py"
    _rewrite(numbers, f"EXECUTION_NEWEST = {versions.EXECUTION_NEWEST}", f"EXECUTION_NEWEST = {FORMER_RULES}")
    _rewrite(numbers, f"PROTOCOL_NEWEST = {versions.PROTOCOL_NEWEST}", f"PROTOCOL_NEWEST = {FORMER_PROTOCOL}")
    return directory


def _rewrite(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert text.count(old) == 1, f"{path} says {old} once"
    path.write_text(text.replace(old, new))


class VersionedNode(NodeProcess):
    """A node that runs this tree, or another program."""

    former: Path
    begins_former = True

    def launch(self) -> None:
        if not hasattr(self, "program"):
            self.program: Path | None = self.former if self.begins_former else None
        self.environment = {} if self.program is None else {"PYTHONPATH": str(self.program)}
        super().launch()

    def change_to(self, program: Path | None) -> None:
        """Stop it as an operator does, install the other program, start it on the same disk."""
        assert self.terminate() == 0
        self.program = program
        self.start()


class VersionedNetwork(RunningNetwork):
    """Four validators under the former rules; the last `former` of them run the former program."""

    def __init__(self, directory: Path, *, former: int = 4) -> None:
        self._former, self._program = former, former_program(directory / "former")
        super().__init__(
            directory / "network",
            "pbft",
            4,
            execution_version=FORMER_RULES,
            parameters=Parameters(set_change_window=WINDOW),
        )

    def _node(self, home: Path, endpoint: str) -> NodeProcess:
        is_former = len(self.nodes) >= 4 - self._former
        kind = type("Node", (VersionedNode,), {"former": self._program, "begins_former": is_former})
        node: NodeProcess = kind(self.founded, home, endpoint, wait=False)
        return node

    def version(self, node: NodeProcess) -> str:
        admin = self.founded.admins_of_homes[self.founded.homes.index(node.home)]
        with node.operator(admin) as operator:
            return operator.status().version

    def rules(self, ledger: Ledger) -> dict[str, Any]:
        found = ledger.evaluate("governance", "execution", {}, signer=self.founded.admin.signer)
        answer: dict[str, Any] = json.loads(found.result)
        return answer

    def ready(self, ledger: Ledger) -> int:
        """How many validators have said that they know the newest rules."""
        return sum(version == versions.EXECUTION_NEWEST for version in self.rules(ledger)["ready"].values())

    def move_on(self, ledger: Ledger, ahead: int = AHEAD) -> int:
        """Decide that the newest rules hold from some height on; that height."""
        height = ledger.facts().height + ahead
        self.decide(ledger, "execution", {"version": versions.EXECUTION_NEWEST, "height": height})
        return height

    def require_stopped(self, node: NodeProcess, height: int) -> None:
        """It executed everything below the height, nothing from there on, and says what to do."""
        found = until(lambda: (status := self.status(node)).halted and status, LIMIT_S)
        assert UpgradeNeeded.code in found.halt_reason, found.halt_reason
        assert f"block {height} is executed by version {versions.EXECUTION_NEWEST}" in found.halt_reason
        assert found.height < height
        logged = node.log.read_text()
        assert "this software will stop: install a newer one before" in logged

    def pass_height(self, ledger: Ledger, height: int) -> None:
        until(lambda: ledger.facts().height > height, LIMIT_S)

    def verify(self, node: NodeProcess) -> bool:
        """The stopped node's whole chain, both rules executed again."""
        store = LmdbStore(data_directory(node.home, LEDGER))
        try:
            raw = genesis_path(node.home, LEDGER).read_bytes()
            return verify_chain(open_chain(store, raw), raw).re_executed
        finally:
            store.close()


class UpgradeReport(msgspec.Struct, frozen=True):
    committed: int
    height: int
    moved_at: int
    seconds: float
    pauses_s: dict[str, float]

    @property
    def longest_pause_s(self) -> float:
        return max(self.pauses_s.values())


def drill(directory: Path, *, rate: int = 200, told: Any = print) -> UpgradeReport:
    """All of it. Refuses by assertion whatever must not be."""
    begun_s, pauses = time.monotonic(), dict[str, float]()
    with VersionedNetwork(directory) as network:
        network.deploy()
        assert {network.version(node) for node in network.nodes} == {FORMER_VERSION}
        first, second, third, last = network.nodes
        assert isinstance(first, VersionedNode)

        with Load(network, rate=rate) as load, network.ledger() as ledger:

            def change(node: NodeProcess, program: Path | None, what: str) -> None:
                assert isinstance(node, VersionedNode)
                pauses[what] = load.gap_after(lambda: node.change_to(program))
                until(lambda: network.status(node).lag == 0, LIMIT_S)
                network.wait_until_all_linked()
                told(f"{what}: {pauses[what]:.2f} s without an outcome, {len(load.committed)} committed")

            change(first, None, "first upgraded")
            change(second, None, "second upgraded")
            until(lambda: network.ready(ledger) == 2, LIMIT_S)
            try:
                network.move_on(ledger)
                raise AssertionError("two of four are too few")
            except GovernanceRefused as refusal:
                told(f"refused: {refusal}")
            change(first, first.former, "first gone back")
            until(lambda: network.ready(ledger) == 1, LIMIT_S)
            change(first, None, "first upgraded again")
            change(third, None, "third upgraded")
            until(lambda: network.ready(ledger) == 3, LIMIT_S)
            moved_at = network.move_on(ledger)
            load.longest_gap_s = 0.0
            network.pass_height(ledger, moved_at)
            network.require_stopped(last, moved_at)
            pauses["the rules moved on, the last one stopped"] = load.longest_gap_s
            change(last, None, "last upgraded")
            until(lambda: network.rules(ledger)["version"] == versions.EXECUTION_NEWEST, LIMIT_S)
            committed = load.end()
        height = network.settle(committed, LIMIT_S)
        assert {network.version(node) for node in network.nodes} == {__version__}
        assert height > moved_at
        for node in network.nodes:
            assert node.terminate() == 0
        assert network.verify(last)
    return UpgradeReport(len(committed), height, moved_at, time.monotonic() - begun_s, pauses)


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="ledgernode-upgrade-") as directory:
        try:
            report = drill(Path(directory))
        except (AssertionError, LedgerError) as error:
            sys.exit(f"the upgrade failed: {error}")
    print(
        f"{report.committed:,} transactions, {report.height} blocks in {report.seconds:.0f} s, the rules moved at "
        f"block {report.moved_at}: none lost, longest pause {report.longest_pause_s:.2f} s"
    )
    if report.longest_pause_s > LONGEST_PAUSE_S:
        sys.exit(f"a pause was longer than {LONGEST_PAUSE_S} s")


if __name__ == "__main__":
    main()
