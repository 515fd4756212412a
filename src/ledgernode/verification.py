"""A whole chain checked again, from its genesis file to its head: what `ledgernode verify` does.

Block by block: it follows its parent, in number, hash, set and time; its roots are those of its envelopes
and receipts; every envelope is signed; executed again in a scratch database, for the miner that its
receipts name, it gives the same header and the same receipts; the index finds its transactions; and a
quorum of its epoch's set has signed that header.
At the end the state that is stored must have the commitment of the head. The first thing that does not hold
is reported.

A chain that began from a snapshot is checked from there: the snapshot's block must be certified by the
set that the genesis file and the changes since lead to, and execution goes on from its state. That state is
readable for a window of heights only; later, blocks are checked in everything but execution, and the
report says so.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from ledgernode import config
from ledgernode.consensus.certifier import check_certificate
from ledgernode.errors import ChainInvalid, LedgerError, Pruned
from ledgernode.execution.block import Executor
from ledgernode.execution.genesis import genesis_block
from ledgernode.execution.replay import remembered
from ledgernode.execution.reward import miner_of, seat_of
from ledgernode.identity.keys import verify, verify_digest
from ledgernode.proof import follow_changes, set_changes
from ledgernode.store.chain import ChainStore, SealedBlock
from ledgernode.store.lattice import EMPTY
from ledgernode.store.lmdb import LmdbStore
from ledgernode.store.snapshot import create_snapshot, restore_snapshot
from ledgernode.wire.block import Batch, Header, header_hash
from ledgernode.wire.receipt import parse_receipt
from ledgernode.wire.roots import receipts_root, transaction_root
from ledgernode.wire.transaction import Kind, Transaction, parse_transaction
from ledgernode.wire.types import ChainId, Height
from ledgernode.wire.validators import Certificate, ValidatorSet

Progress = Callable[[int, int], None]
"""(blocks done, blocks in all)"""


class Report(msgspec.Struct, frozen=True):
    """What was checked. Blocks above `certified_height` have no certificate yet."""

    blocks: int
    transactions: int
    seconds: float
    head: Header
    certified_height: Height
    from_height: Height
    """The block it began from: 0, or that of the snapshot the node began from."""
    re_executed: bool


def _silent(_done: int, _total: int) -> None:
    """Nobody watches."""


def verify_chain(chain: ChainStore, genesis_bytes: bytes, *, progress: Progress = _silent) -> Report:
    """Check the chain up to the head it has now; refuses with ChainInvalid, naming the block and the reason."""
    started = time.monotonic()
    head, certified = chain.head, chain.certified_height
    transactions = 0
    genesis = genesis_block(genesis_bytes)
    with tempfile.TemporaryDirectory(prefix="ledgernode-verify-") as directory:
        with _reported(chain.base):
            scratch = _beginning(chain, genesis, genesis_bytes, Path(directory))
        with _closing(scratch) as replayed:
            blocks = _Blocks(chain, certified, replayed)
            for height in range(chain.base + 1, head.height + 1):
                with _reported(Height(height)):
                    transactions += blocks.check(Height(height))
                progress(height - chain.base, head.height - chain.base)
            with _reported(head.height):
                blocks.check_end(head)
    return Report(
        blocks=head.height - chain.base + 1,
        transactions=transactions,
        seconds=time.monotonic() - started,
        head=head,
        certified_height=certified,
        from_height=chain.base,
        re_executed=replayed is not None,
    )


@contextmanager
def _reported(height: Height) -> Iterator[None]:
    """Whatever does not hold here is reported with the block it was found at."""
    try:
        yield
    except ChainInvalid:
        raise
    except LedgerError as error:
        raise _invalid(height, str(error)) from error


def _invalid(height: int, reason: str) -> ChainInvalid:
    return ChainInvalid(f"block {height}: {reason}", height=height, reason=reason)


# ---------------------------------------------------------------- where it begins


class _Scratch:
    """A database of our own, in which the chain is made once more."""

    def __init__(self, kv: LmdbStore, chain: ChainStore) -> None:
        self._kv = kv
        self.chain = chain
        self.executor = Executor(chain)
        self._waiting: list[SealedBlock] = []

    def execute(self, header: Header, transactions: list[Transaction], miner: int | None) -> SealedBlock:
        """The block that this software makes of the batch."""
        envelopes = tuple(transaction.raw for transaction in transactions)
        batch = Batch(header.epoch, header.height, header.time_ms, envelopes, miner)
        sealed = self.executor.execute(batch, transactions)
        self._waiting.append(sealed)
        if len(self._waiting) >= config.VERIFY_BLOCKS_PER_WRITE:
            self.chain.append(self._waiting)
            self._waiting = []
        return sealed

    def close(self) -> None:
        self._kv.close()


def _beginning(chain: ChainStore, genesis: SealedBlock, genesis_bytes: bytes, directory: Path) -> _Scratch | None:
    """The scratch chain at the block where this one begins; None when the state there is no longer readable."""
    stored = (chain.header(Height(0)), chain.envelopes(Height(0)), chain.receipts(Height(0)))
    if stored != (genesis.header, genesis.envelopes, genesis.receipts):
        raise _invalid(Height(0), "it is not the block that the genesis file makes")
    if chain.base == 0:
        kv = LmdbStore(directory / "scratch")
        return _Scratch(kv, ChainStore.create(kv, genesis))
    header = chain.header(chain.base)
    validators, _ = follow_changes(set_changes(chain, chain.base), genesis_bytes)
    check_certificate(header, chain.certificate(chain.base), validators, verify)
    try:
        create_snapshot(chain, directory / "snapshot", height=chain.base)
    except Pruned:
        return None
    kv = LmdbStore(directory / "scratch")
    restored = restore_snapshot(
        directory / "snapshot", kv, genesis, check_certificate=_check_certificate, remembered=remembered
    )
    return _Scratch(kv, restored)


def _check_certificate(header: Header, certificate: Certificate, validators: ValidatorSet) -> None:
    check_certificate(header, certificate, validators, verify)


@contextmanager
def _closing(scratch: _Scratch | None) -> Iterator[_Scratch | None]:
    try:
        yield scratch
    finally:
        if scratch is not None:
            scratch.close()


# ---------------------------------------------------------------- one block after the other


class _Blocks:
    """Checks blocks in order of height; remembers the one before."""

    def __init__(self, chain: ChainStore, certified: Height, scratch: _Scratch | None) -> None:
        self._chain = chain
        self._certified = certified
        self._scratch = scratch
        self._parent = chain.header(chain.base)
        self._known: tuple[bytes, ValidatorSet] | None = None

    def check(self, height: Height) -> int:
        """Everything that one block must hold; answers how many transactions it has."""
        header = self._chain.header(height)
        envelopes, receipts = self._chain.envelopes(height), self._chain.receipts(height)
        check_link(header, height, self._parent)
        transactions = [parse_transaction(raw) for raw in envelopes]
        check_roots(header, transactions, receipts)
        for position, transaction in enumerate(transactions):
            check_envelope(header.chain_id, transaction, height, position)
        if self._scratch is not None:
            miner = seat_of(miner_of(receipts), self._set_of(header))
            sealed = self._scratch.execute(header, transactions, miner)
            check_same(header, receipts, sealed)
            self._check_index(header, sealed)
        if height <= self._certified:
            check_certificate(header, self._chain.certificate(height), self._set_of(header), verify)
        self._parent = header
        return len(transactions)

    def _check_index(self, header: Header, sealed: SealedBlock) -> None:
        """The reward and timers' calls, whose receipts come first, and transactions are found where they stand."""
        unsigned = [parse_receipt(raw).id for raw in sealed.receipts[: header.receipts - header.transactions]]
        for position, named in enumerate((*unsigned, *sealed.transaction_ids)):
            if named is not None and self._chain.locate(named, header.time_ms) != (header.height, position):
                raise _invalid(header.height, f"the index does not find {named.hex()[:16]}…")

    def check_end(self, head: Header) -> None:
        """The stored state is that of the head."""
        with self._chain.state() as view:
            stored = EMPTY.updated((), view.scan(b"", None))
        if self._chain.head == head and stored.commitment() != head.state_commitment:
            raise _invalid(head.height, "the stored state has not the commitment of its header")

    def _set_of(self, header: Header) -> ValidatorSet:
        if self._known is None or self._known[0] != header.current_set:
            self._known = (header.current_set, self._chain.validator_set(header.current_set))
        return self._known[1]


def check_link(header: Header, height: int, parent: Header) -> None:
    """Does it follow this block, in number, hash, set and time?"""
    if header.chain_id != parent.chain_id or header.height != height:
        raise _invalid(height, "its header is of another height or another ledger")
    if header.parent_hash != header_hash(parent):
        raise _invalid(height, "it names another parent than the block before it")
    if header.time_ms <= parent.time_ms:
        raise _invalid(height, f"its time {header.time_ms} is not after {parent.time_ms}, its parent's")
    if header.current_set != parent.next_set:
        raise _invalid(height, "it is not of the validator set that its parent named")
    if header.epoch != parent.epoch + (parent.next_set != parent.current_set):
        raise _invalid(height, f"it is of epoch {header.epoch}, its parent of epoch {parent.epoch}")


def check_roots(header: Header, transactions: list[Transaction], receipts: tuple[bytes, ...]) -> None:
    """Are these the envelopes and receipts that its roots stand for?"""
    if header.transactions != len(transactions) or header.receipts != len(receipts):
        raise _invalid(header.height, "it has another number of transactions or receipts than its header says")
    if header.transaction_root != transaction_root([transaction.envelope_hash for transaction in transactions]):
        raise _invalid(header.height, "its envelopes have not the transaction root of its header")
    if header.receipts_root != receipts_root(receipts):
        raise _invalid(header.height, "its receipts have not the receipts root of its header")


def check_envelope(chain_id: ChainId, transaction: Transaction, height: Height, position: int) -> None:
    """Is it a transaction of this ledger, and signed?"""
    if transaction.body.kind is not Kind.TRANSACTION or transaction.body.chain_id != chain_id:
        raise _invalid(height, f"envelope {position} holds no transaction of this ledger")
    if not verify_digest(transaction.public_key, transaction.id, transaction.signature):
        raise _invalid(height, f"the signature of envelope {position} does not hold")


def check_same(header: Header, receipts: tuple[bytes, ...], again: SealedBlock) -> None:
    """What is stored is what execution gives: receipts first, since they say where it parts."""
    for position, (stored, computed) in enumerate(zip(receipts, again.receipts, strict=False)):
        if stored != computed:
            raise _invalid(header.height, f"executed again, receipt {position} is another one")
    if len(receipts) != len(again.receipts):
        raise _invalid(header.height, f"executed again, it has {len(again.receipts)} receipts, not {len(receipts)}")
    for field in Header.__struct_fields__:
        if getattr(header, field) != getattr(again.header, field):
            raise _invalid(header.height, f"executed again, its header has another {field.replace('_', ' ')}")
