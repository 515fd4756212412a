"""A backup's source that is a node elsewhere: its chain by the stream of blocks, for whoever may read them.

The node is not believed. Blocks carry certificates; the sets that sign come from a proof, in which every change since
genesis stands, and are followed from the genesis file like everything else.
"""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import cast

import msgspec

from ledgernode.backup.creating import Progress
from ledgernode.backup.segment import StoredBlock
from ledgernode.client import Ledger
from ledgernode.errors import BackupInvalid, BadRequest
from ledgernode.proof import ProofDocument, follow_changes
from ledgernode.wire.answers import Block
from ledgernode.wire.block import Header, parse_header
from ledgernode.wire.genesis import chain_id
from ledgernode.wire.receipt import parse_receipt
from ledgernode.wire.types import Height
from ledgernode.wire.validators import ValidatorSet


class NodeSource:
    """Up to the newest certified block that has anything to prove. States are written beside a node only."""

    def __init__(self, ledger: Ledger, genesis_bytes: bytes) -> None:
        self._ledger = ledger
        self._genesis_bytes = genesis_bytes
        self.chain_id = chain_id(genesis_bytes)
        self.first = Height(1)
        newest, proof = self._newest_proof()
        # a block that hands over is in the proofs of later ones only: the next backup takes it
        self.certified = self.last = Height(newest.height - (newest.next_set != newest.current_set))
        self._changes = [(parse_header(bytes.fromhex(one.header)), one) for one in proof.set_changes]
        self._stream: Generator[Block] | None = None

    def header(self, height: Height) -> Header:
        return parse_header(self._ledger.block(height).header)

    def block(self, height: Height) -> StoredBlock:
        """Of one height after the other."""
        if self._stream is None:
            self._stream = cast("Generator[Block]", self._ledger.blocks(height, to_height=self.last))
        given = next(self._stream)
        header = parse_header(given.header)
        if header.height != height:
            raise BackupInvalid(f"the node gave block {header.height} when block {height} was next")
        hands_over = header.next_set != header.current_set
        next_set = self._next_set(header) if hands_over else b""
        return StoredBlock(given.header, given.envelopes, given.receipts, given.certificate, next_set)

    def validators(self, height: Height) -> ValidatorSet:
        before = [change for header, change in self._changes if header.height < height]
        return follow_changes(before, self._genesis_bytes)[0]

    def write_state(self, directory: Path, progress: Progress) -> None:  # noqa: ARG002  # every source has it
        raise BadRequest("a state is written beside its node: name the node's home, or take the chain only")

    def renewed(self) -> NodeSource:
        return self

    def close(self) -> None:
        """Before the connection is closed: a stream that has not ended is given up."""
        if self._stream is not None:
            self._stream.close()

    def _next_set(self, header: Header) -> bytes:
        for known, change in self._changes:
            if known.height == header.height:
                return bytes.fromhex(change.next_set)
        raise BackupInvalid(f"the node does not say which validators follow after block {header.height}")

    def _newest_proof(self) -> tuple[Header, ProofDocument]:
        """Of the newest block that has a receipt; every change of the set below it stands in its proof."""
        for height in range(self._ledger.facts().height, 0, -1):
            given = self._ledger.block(Height(height))
            for raw in given.receipts[:1]:
                proof = self._ledger.proof(parse_receipt(raw).id)
                return parse_header(given.header), msgspec.json.decode(proof, type=ProofDocument)
        raise BackupInvalid("the ledger has no block with a transaction yet: there is nothing to back up")
