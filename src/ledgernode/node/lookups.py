"""Look-ups in one ledger's certified chain: blocks, transactions, proofs, facts, identities."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import msgspec

from ledgernode.config import LOOKUP_PAGE
from ledgernode.errors import BadRequest, Pruned, UnknownBlock, UnknownTransaction
from ledgernode.identity.records import IDENTITY, IdentityRecord, identity_state
from ledgernode.node.head import Head
from ledgernode.node.subscriptions import read_block
from ledgernode.node.waiting import Progress
from ledgernode.proof import build_transaction_proof
from ledgernode.store.chain import ChainStore
from ledgernode.store.state import value_of
from ledgernode.wire.answers import Block, IdentityFacts, IdentityKey, LedgerFacts, LocatedTransaction
from ledgernode.wire.block import header_hash
from ledgernode.wire.genesis import Genesis
from ledgernode.wire.keys import composite_key, state_key
from ledgernode.wire.protocol import ours
from ledgernode.wire.types import Height, TransactionId


class Lookups:
    """Reads; changes nothing and waits for nothing."""

    def __init__(
        self, chain: ChainStore, head: Head, progress: Progress, genesis: Genesis, genesis_bytes: bytes
    ) -> None:
        self._chain = chain
        self._head = head
        self._progress = progress
        self._genesis = genesis
        self._genesis_bytes = genesis_bytes

    def facts(self) -> LedgerFacts:
        head = self._chain.header(self._progress.height)
        validators = self._chain.validator_set(head.next_set)
        return LedgerFacts(
            ledger=self._genesis.name,
            chain_id=self._chain.chain_id,
            height=head.height,
            time_ms=head.time_ms,
            epoch=validators.epoch,
            engine=self._genesis.engine.name,
            parameters=self._head.parameters,
            validators=len(validators.members),
            header_hash=header_hash(head),
            protocol_oldest=ours().oldest,
            protocol_newest=ours().newest,
        )

    def block(self, which: Height | bytes | None) -> Block:
        """By height, by header hash, or the newest. Refuses with UnknownBlock, or Pruned."""
        height = self._progress.height if which is None else which
        if isinstance(height, bytes):
            height = self._chain.height_of(height)
        if height > self._progress.height:
            raise UnknownBlock(f"there is no block {height}, the last is {self._progress.height}")
        return read_block(self._chain, Height(height))

    def transaction(self, transaction_id: TransactionId) -> LocatedTransaction:
        """With its receipt; a timer's call has no envelope. Refuses with UnknownTransaction, or Pruned."""
        height, position = self._place(transaction_id)
        header, receipts = self._chain.header(height), self._chain.receipts(height)
        index = position - (header.receipts - header.transactions)
        envelope = self._chain.envelopes(height)[index] if index >= 0 else b""
        return LocatedTransaction(envelope, receipts[position], height, position, header.time_ms)

    def proof(self, transaction_id: TransactionId, item: int | None) -> bytes:
        """Evidence for anyone who holds the genesis file. Refuses as `transaction`."""
        self._place(transaction_id)
        return build_transaction_proof(self._chain, self._genesis_bytes, transaction_id, item)

    def identities(self, organisation: str, after: str, size: int) -> tuple[list[IdentityFacts], str]:
        """A page of registered identities by id, and where the next begins ('' at the end)."""
        if not 0 <= size <= LOOKUP_PAGE:
            raise BadRequest(f"a page has 1 to {LOOKUP_PAGE} identities, not {size}")
        with self._chain.state() as state:
            start = identity_state(after) if after else _FIRST
            stored = (value_of(record) for key, record in state.scan(start, _LAST) if key != start)
            page = list(islice(_matching(stored, organisation), (size or LOOKUP_PAGE) + 1))
        full = len(page) > (size or LOOKUP_PAGE)
        page = page[:-1] if full else page
        return page, page[-1].id if full else ""

    def _place(self, transaction_id: TransactionId) -> tuple[Height, int]:
        place = self._chain.locate(transaction_id)
        if place is None and self._chain.base:
            raise Pruned(f"it is not in the blocks that are kept here, those after {self._chain.base}")
        if place is None or place[0] > self._progress.height:
            raise UnknownTransaction(f"no transaction {transaction_id.hex()[:16]} is in the chain")
        return place


def _matching(stored: Iterator[bytes], organisation: str) -> Iterator[IdentityFacts]:
    for value in stored:
        record = msgspec.msgpack.decode(value, type=IdentityRecord)
        if not organisation or record.organisation == organisation:
            yield IdentityFacts(
                record.id,
                record.organisation,
                record.role.value,
                record.status.value,
                record.attributes,
                tuple(
                    IdentityKey(bytes.fromhex(key.public_key), key.not_after_ms, key.overlap_until_ms)
                    for key in record.keys
                ),
            )


_FIRST = state_key(IDENTITY, composite_key("identity"))
_LAST = _FIRST[:-1] + b"\x01"
