"""An empty node filled from a backup, checked while it is filled.

Two ways. By execution: every block since genesis is executed again and must give what was certified; afterwards the
node has everything that it had, histories and past heights too. From a state: the newest one that is not too late is
taken over, the blocks below it are put in their places (blocks, transactions and proofs of theirs are there, histories
begin with the state), and only those above it are executed.

A restore that was cut short goes on when it is started again, at any point of either way.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path

import msgspec

from ledgernode import config
from ledgernode.backup.checking import beginning, certified_by, require_place, state_manifest
from ledgernode.backup.creating import Progress, silent
from ledgernode.backup.folder import Folder, Index, Segment, State, part, segment_name
from ledgernode.backup.following import Follower
from ledgernode.backup.segment import StoredBlock
from ledgernode.errors import DatabaseForeign, UnknownBackup
from ledgernode.execution.block import Executor
from ledgernode.execution.genesis import genesis_block
from ledgernode.execution.replay import remembered
from ledgernode.execution.reward import miner_of, seat_of
from ledgernode.proof import follow_changes, set_changes
from ledgernode.store import index as transactions_index
from ledgernode.store.chain import ChainStore, SealedBlock, holds_chain
from ledgernode.store.kv import KeyValueStore, Table, Write
from ledgernode.store.lattice import EMPTY
from ledgernode.store.manifest import CheckedManifest
from ledgernode.store.past import height_key
from ledgernode.store.restoring import chunks_there, is_unfinished, mark
from ledgernode.store.sealed import block_writes
from ledgernode.store.snapshot import restore_snapshot
from ledgernode.verification import check_same
from ledgernode.wire.block import Batch, Header, encode_header
from ledgernode.wire.receipt import parse_receipt
from ledgernode.wire.transaction import Transaction
from ledgernode.wire.types import Height, TransactionId
from ledgernode.wire.validators import Certificate, encode_set, parse_certificate


class Way(StrEnum):
    EXECUTION = "execution"
    STATE = "state"


class Restored(msgspec.Struct, frozen=True):
    """`base` is where histories and past heights begin: 0, or the state's height."""

    head: Header
    certified_height: Height
    base: Height
    way: Way
    blocks_executed: int
    seconds: float


def restore_backup(
    path: Path,
    kv: KeyValueStore,
    genesis_bytes: bytes,
    *,
    height: int | None = None,
    way: Way = Way.EXECUTION,
    uncertified: bool = False,
    progress: Progress = silent,
) -> Restored:
    """Fill an empty store up to this height, or to the last certified block; or finish what was begun in it.

    With `uncertified`, blocks that had no certificate yet are taken too: whoever keeps the backup could have made them
    up, and a validator would sign them, so somebody must have decided that they are the ledger's.

    Refuses a height that the backup does not reach (UnknownBackup), a part that does not hold (BackupInvalid), and a
    store that holds another chain, or a longer one (DatabaseForeign).
    """
    begun_s = time.monotonic()
    genesis = genesis_block(genesis_bytes)
    folder = Folder(path)
    index = folder.of_ledger(genesis.header.chain_id)
    last = index.last if uncertified else index.certified_height
    target = Height(last if height is None else height)
    if not 0 <= target <= last:
        raise UnknownBackup(f"the backup ends with block {last}, it does not reach block {target}")
    reader = _Reader(folder, index, genesis)
    chain = _begun(kv, genesis) or _begin(kv, genesis, reader, target=target, way=way, progress=progress)
    executed = _execute(chain, genesis_bytes, reader, target, progress)
    return Restored(
        head=chain.head,
        certified_height=chain.certified_height,
        base=chain.base,
        way=Way.STATE if chain.base else Way.EXECUTION,
        blocks_executed=executed,
        seconds=time.monotonic() - begun_s,
    )


class _Reader:
    """The backup's blocks in order, checked."""

    def __init__(self, folder: Folder, index: Index, genesis: SealedBlock) -> None:
        self.folder = folder
        self.index = index
        self._genesis = genesis

    def state(self, target: Height) -> tuple[State, CheckedManifest] | None:
        """The newest state that is not above this height."""
        fitting = [state for state in self.index.states if state.height <= target]
        return (fitting[-1], state_manifest(self.folder, fitting[-1], self._genesis)) if fitting else None

    def follower(self) -> Follower:
        states = [state_manifest(self.folder, state, self._genesis) for state in self.index.states]
        return beginning(self._genesis, self.index, states)

    def require_same(self, head: Header) -> None:
        """Refuses (DatabaseForeign) a chain whose last block is another than the backup's."""
        for segment in self.index.segments:
            if segment.first <= head.height <= segment.last:
                block = self.folder.blocks(segment)[head.height - segment.first]
                if block.header != encode_header(head):
                    raise DatabaseForeign(f"the database holds another block {head.height} than the backup")

    def after(
        self, height: int, follower: Follower, last: int
    ) -> Iterator[tuple[StoredBlock, Header, list[Transaction]]]:
        """Those above this height, up to the last."""
        for segment in self.index.segments:
            if segment.last > height and segment.first <= last:
                yield from self._of(segment, height, follower, last)

    def _of(
        self, segment: Segment, height: int, follower: Follower, last: int
    ) -> Iterator[tuple[StoredBlock, Header, list[Transaction]]]:
        blocks = self.folder.blocks(segment)
        for number, block in enumerate(blocks, segment.first):
            if height < number <= last:
                with part(segment_name(segment)):
                    header, transactions = follower.check(block, certified=number <= self.index.certified_height)
                    require_place(header, number)
                yield block, header, transactions


# ---------------------------------------------------------------- where it begins


def _begun(kv: KeyValueStore, genesis: SealedBlock) -> ChainStore | None:
    """The chain that an earlier restore has left, whole as far as it goes."""
    if not holds_chain(kv) or is_unfinished(kv):
        return None
    return ChainStore.open(kv, genesis.header.chain_id)


def _begin(
    kv: KeyValueStore, genesis: SealedBlock, reader: _Reader, *, target: Height, way: Way, progress: Progress
) -> ChainStore:
    first = reader.index.first
    if way is Way.EXECUTION and first == 1 and not is_unfinished(kv):
        return ChainStore.create(kv, genesis)
    found = reader.state(target)
    if found is None:
        if first == 1 and not is_unfinished(kv):
            return ChainStore.create(kv, genesis)
        raise UnknownBackup(f"the backup has no state at block {target} or before, and no chain from genesis on")
    state, checked = found
    if chunks_there(kv, checked.id) == 0:
        _put_in_place(kv, reader, checked, progress)
    return restore_snapshot(
        reader.folder.state(state),
        kv,
        genesis,
        check_certificate=certified_by,
        remembered=remembered,
        progress=progress,
    )


def _put_in_place(kv: KeyValueStore, reader: _Reader, checked: CheckedManifest, progress: Progress) -> None:
    """The blocks below a state, as they were: the mark keeps the store from being taken for a chain meanwhile."""
    first, last = reader.index.first, checked.header.height
    done = max(_highest(kv), first - 1)
    kv.write([mark(checked.id, 0)])
    follower, writes, named = reader.follower(), list[Write](), set[TransactionId]()
    for block, header, _ in reader.after(0, follower, last):
        if header.height <= done:
            continue
        writes += _writes(kv, block, header, follower, named)
        if header.height % config.BACKUP_BLOCKS_PER_WRITE == 0 or header.height == last:
            kv.write(writes)
            writes, named = [], set()
            progress(header.height - first + 1, last - first + 1)


def _highest(kv: KeyValueStore) -> int:
    with kv.reader() as reader:
        newest = next(reader.scan(Table.BATCHES, reverse=True), None)
    return int.from_bytes(newest[0], "big") if newest else 0


def _writes(
    kv: KeyValueStore, block: StoredBlock, header: Header, follower: Follower, named: set[TransactionId]
) -> list[Write]:
    ids = _indexed(kv, block, header, named)
    unsigned = header.receipts - header.transactions
    current = follower.set_of(header)
    sealed = SealedBlock(
        header=header,
        envelopes=block.envelopes,
        receipts=block.receipts,
        changes=(),
        lattice=EMPTY,
        transaction_ids=tuple(ids[unsigned:]),
        next_set=current,
        current_set=current,
    )
    return [
        *block_writes(sealed),
        (Table.SETS, header.current_set, encode_set(current)),
        (Table.CERTIFICATES, height_key(header.height), block.certificate),
    ]


def _indexed(
    kv: KeyValueStore, block: StoredBlock, header: Header, named: set[TransactionId]
) -> list[TransactionId | None]:
    """The ids of its receipts, None where an earlier inclusion stands: one that had effect is the first."""
    found: list[TransactionId | None] = []
    with kv.reader() as reader:
        for raw in block.receipts:
            receipt = parse_receipt(raw)
            stands = receipt.id in named or (
                not receipt.succeeded and transactions_index.locate(reader, receipt.id, header.time_ms) is not None
            )
            found.append(None if stands else receipt.id)
            named.add(receipt.id)
    return found


# ---------------------------------------------------------------- executing


def _execute(chain: ChainStore, genesis_bytes: bytes, reader: _Reader, target: Height, progress: Progress) -> int:
    """Every block above what stands, each of which must give what was certified; how many they are."""
    begun = chain.head.height
    if begun > target:
        raise DatabaseForeign(f"the database stands at block {begun} already, above block {target}")
    reader.require_same(chain.head)
    validators, _ = follow_changes(set_changes(chain, Height(begun + 1)), genesis_bytes)
    follower, executor = Follower(chain.chain_id, [validators], chain.head), Executor(chain)
    sealed: list[SealedBlock] = []
    certificates: dict[Height, Certificate] = {}
    for block, header, transactions in reader.after(begun, follower, target):
        miner = seat_of(miner_of(block.receipts), follower.set_of(header))
        batch = Batch(header.epoch, header.height, header.time_ms, block.envelopes, miner)
        sealed.append(executor.execute(batch, transactions))
        check_same(header, block.receipts, sealed[-1])
        if block.certificate:
            certificates[header.height] = parse_certificate(block.certificate)
        if len(sealed) >= config.BACKUP_BLOCKS_PER_WRITE or header.height == target:
            chain.append(sealed, certificates)
            sealed, certificates = [], {}
            progress(header.height - begun, target - begun)
    return target - begun
