"""A chain taken from a node elsewhere: followed over changes of the validator set, believed for its certificates."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest

from ledgernode.backup.checking import verify_backup
from ledgernode.backup.creating import create_backup
from ledgernode.backup.folder import Folder
from ledgernode.cli.backup_source import NodeSource
from ledgernode.client import Ledger
from ledgernode.errors import BackupInvalid, BadProof, BadRequest, LedgerError
from ledgernode.identity.records import Role
from ledgernode.proof import ProofDocument, build_transaction_proof
from ledgernode.testing import TestLedger
from ledgernode.wire.answers import Block
from ledgernode.wire.block import encode_header
from ledgernode.wire.types import Height, TransactionId
from ledgernode.wire.validators import encode_certificate


class Node:
    """What a client of this ledger's node is answered; a block or a set change may be another than it is."""

    def __init__(self, ledger: TestLedger) -> None:
        self._ledger = ledger
        self.instead: dict[int, Block] = {}
        self.forgotten = False

    def facts(self) -> Any:
        return SimpleNamespace(height=self._ledger.height)

    def block(self, height: Height) -> Block:
        if height in self.instead:
            return self.instead[height]
        chain = self._ledger.chain
        header = encode_header(chain.header(height))
        certificate = encode_certificate(chain.certificate(height)) if height else b""
        return Block(header, chain.envelopes(height), chain.receipts(height), certificate)

    def blocks(self, first: Height, *, to_height: Height) -> Generator[Block]:
        for height in range(first, to_height + 1):
            yield self.block(Height(height))

    def proof(self, named: TransactionId) -> bytes:
        proof = build_transaction_proof(self._ledger.chain, self._ledger.genesis_bytes, named)
        if self.forgotten:
            document = msgspec.json.decode(proof, type=ProofDocument)
            proof = msgspec.json.encode(msgspec.structs.replace(document, set_changes=()))
        return proof


def submit(ledger: TestLedger, count: int = 1) -> None:
    for _ in range(count):
        ledger.block(ledger.sign(ledger.admin(), "governance", "propose", {}))


@pytest.fixture
def ledger() -> TestLedger:
    """Three epochs: the validator has had a new key twice."""
    made = TestLedger()
    for _ in range(2):
        new = made._organisations["utility"].member("validator-1", Role.VALIDATOR)
        identity = made.chain.validator_set(made.chain.head.next_set).members[0].identity
        rekey = {"identity": identity.hex(), "certificate": new.certificate, "reason": "a new machine"}
        made.submit(made.admin(), "identity", "rekey", **rekey)
        epoch = made._epoch()
        while made._epoch() == epoch:
            submit(made)
        made._validator = new
        submit(made)
    submit(made, 3)
    return made


def take(node: Node, ledger: TestLedger, folder: Path) -> None:
    with closing(NodeSource(cast("Ledger", node), ledger.genesis_bytes)) as source:
        create_backup(source, folder, with_state=False)


def test_changes_of_the_set_are_followed_by_a_proof(ledger: TestLedger, tmp_path: Path) -> None:
    """All of it, and what is new the next time: the backup holds by itself."""
    assert len(ledger.chain.set_changes()) == 2
    take(Node(ledger), ledger, tmp_path)
    assert verify_backup(tmp_path, ledger.genesis_bytes).head == ledger.chain.head
    submit(ledger, 2)
    take(Node(ledger), ledger, tmp_path)
    assert verify_backup(tmp_path, ledger.genesis_bytes).head == ledger.chain.head


def test_a_newest_block_that_hands_over_is_taken_the_next_time(ledger: TestLedger, tmp_path: Path) -> None:
    """No proof names its set yet."""
    last = ledger.chain.set_changes()[-1]
    node = Node(ledger)
    node.facts = lambda: SimpleNamespace(height=last)  # type: ignore[method-assign]
    take(node, ledger, tmp_path)
    index = Folder(tmp_path).index()
    assert index is not None
    assert index.last == last - 1
    take(Node(ledger), ledger, tmp_path)
    assert verify_backup(tmp_path, ledger.genesis_bytes).head == ledger.chain.head


def test_a_node_that_lies_is_found_out(ledger: TestLedger, tmp_path: Path) -> None:
    """Another block, one twice, or sets left out: refused, with what was taken before left as it was."""
    for instead in (
        {4: Node(ledger).block(Height(3))},
        {4: msgspec.structs.replace(Node(ledger).block(Height(4)), receipts=())},
        {4: msgspec.structs.replace(Node(ledger).block(Height(4)), certificate=b"\x00\x00")},
    ):
        node = Node(ledger)
        node.instead = instead
        with pytest.raises(BackupInvalid):
            take(node, ledger, tmp_path)
        assert Folder(tmp_path).index() is None
    node = Node(ledger)
    node.forgotten = True
    with pytest.raises((BackupInvalid, BadProof), match="which validators follow"):
        take(node, ledger, tmp_path)


def test_it_has_no_state_to_give(ledger: TestLedger, tmp_path: Path) -> None:
    source = NodeSource(cast("Ledger", Node(ledger)), ledger.genesis_bytes)
    with pytest.raises(BadRequest, match="beside its node"):
        create_backup(source, tmp_path)


def test_a_ledger_without_a_transaction_has_nothing_to_back_up(tmp_path: Path) -> None:
    empty = TestLedger()
    with pytest.raises(LedgerError, match="nothing to back up"):
        take(Node(empty), empty, tmp_path)
