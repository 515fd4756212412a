"""SIGKILL in a loop, under load: nothing acknowledged is lost, no height is half, the chain verifies.

    python -m tests.suites.kill_loop [ROUNDS]

Each round a node is started on the same data, loaded over a stream, and killed without warning at a moment
chosen at random after the first block. Then its store is opened as the next start would, the whole chain is
verified from genesis, and every transaction that the client was told is committed must stand in it with its
receipt.
"""

from __future__ import annotations

import random
import sys
import tempfile
import threading
import time
from itertools import count
from pathlib import Path

import msgspec

from ledgernode.client import Outcome
from ledgernode.errors import LedgerError
from ledgernode.store.chain import ChainStore
from ledgernode.store.lmdb import LmdbStore
from ledgernode.verification import verify_chain
from ledgernode.wire.receipt import parse_receipt
from ledgernode.wire.types import TransactionId
from tests.running import START_SECONDS, NodeProcess, SoloNetwork, deploy, notes


class KillReport(msgspec.Struct, frozen=True):
    rounds: int
    acknowledged: int
    height: int


class _Load:
    """A client that streams notes until its node is gone; `committed` is what it was told."""

    def __init__(self, node: NodeProcess, numbers: count[int]) -> None:
        self.committed: list[Outcome] = []
        self._begun = threading.Event()
        self._node = node
        self._numbers = numbers
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        signer = self._node.network.admin.signer
        endless = (signed for number in self._numbers for signed in notes(signer, [f"note-{number}"]))
        with self._node.ledger() as ledger:
            ledger._client._connection._retries = 0  # the node will not come back to this client
            try:
                for outcome in ledger.submit_many(endless):
                    assert outcome.succeeded, outcome
                    self.committed.append(outcome)
                    self._begun.set()
            except LedgerError:
                return

    def begun(self) -> None:
        """Return when something was acknowledged."""
        assert self._begun.wait(START_SECONDS), "nothing was committed"

    def end(self) -> list[Outcome]:
        self._thread.join()
        return self.committed


def kill_loop(directory: Path, *, rounds: int, seconds: float, seed: int = 1) -> KillReport:
    """Raises AssertionError (or ChainInvalid) at the first loss."""
    network, chance, numbers = SoloNetwork(directory), random.Random(seed), count()
    acknowledged: list[Outcome] = []
    with NodeProcess(network) as node:
        with node.ledger() as ledger:
            deploy(ledger, network)
        for number in range(rounds):
            if number:
                node.start()
            load = _Load(node, numbers)
            load.begun()
            time.sleep(chance.uniform(0.5, 1.5) * seconds)
            node.kill()
            acknowledged += load.end()
            height = check_store(network, acknowledged)
    return KillReport(rounds, len(acknowledged), height)


def check_store(network: SoloNetwork, acknowledged: list[Outcome]) -> int:
    """What the dead node left behind is whole, and holds all that was acknowledged; its height."""
    store = LmdbStore(network.data)
    try:
        chain = ChainStore.open(store, network.chain_id)
        verify_chain(chain, network.genesis_bytes, progress=lambda _done, _total: None)
        ids = {receipt_id for height in range(1, chain.head.height + 1) for receipt_id in _succeeded(chain, height)}
        lost = [outcome for outcome in acknowledged if outcome.transaction_id not in ids]
        assert not lost, f"{len(lost)} acknowledged transactions are lost, the first of block {lost[0].height}"
        assert chain.certified_height == chain.head.height, "every height has its certificate"
        return int(chain.head.height)
    finally:
        store.close()


def _succeeded(chain: ChainStore, height: int) -> list[TransactionId]:
    receipts = (parse_receipt(raw) for raw in chain.receipts(height))  # type: ignore[arg-type]
    return [receipt.id for receipt in receipts if receipt.succeeded]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        wanted = int(sys.argv[1]) if len(sys.argv) > 1 else 50
        sys.stdout.write(f"{kill_loop(Path(folder), rounds=wanted, seconds=0.15)}\n")
