"""The chain on disk: blocks, their results and the state after the last one.

Rules it keeps:

* everything of a height becomes durable in one write: header, batch, receipts, state, what was replaced,
  index, and the head; several heights may share a write, but a height is never split;
* a height follows its parent: its number, its parent's hash and its sets are asserted, because a block
  that does not fit is our own error, never a peer's;
* the state commitment of the head equals the lattice sum kept beside it, checked at every start;
* a store that began from a snapshot, or was pruned, has a base above 0: what lies below is answered with Pruned.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

import msgspec

from ledgernode import config
from ledgernode.errors import DatabaseDamaged, DatabaseForeign, Pruned, PruneRefused, UnknownBlock
from ledgernode.store import index, past, pruning
from ledgernode.store.failpoint import reach
from ledgernode.store.kv import KeyValueStore, Reader, Table, Write
from ledgernode.store.lattice import SUM_BYTES, Lattice
from ledgernode.store.migrating import require_readable
from ledgernode.store.past import CurrentState, PastState, height_key
from ledgernode.store.sealed import (
    META_BASE,
    META_CERTIFIED,
    META_CHAIN,
    META_FORMAT,
    META_HEAD,
    META_LATTICE,
    META_RESTORING,
    META_SET_CHANGE,
    SealedBlock,
    beginning_writes,
    block_writes,
    check_block,
    check_follows,
    head_writes,
    set_writes,
    state_writes,
)
from ledgernode.store.state import StateView
from ledgernode.wire.block import Header, header_hash, parse_header
from ledgernode.wire.types import ChainId, Height, TransactionId
from ledgernode.wire.validators import (
    Certificate,
    ValidatorSet,
    encode_certificate,
    parse_certificate,
    parse_set,
)

__all__ = ["ChainStore", "SealedBlock", "holds_chain"]

_PARTS: Final = msgspec.msgpack.Decoder(tuple[bytes, ...])


def holds_chain(kv: KeyValueStore) -> bool:
    """Is there a chain (or a part of one) in this store, or is it new?"""
    with kv.reader() as reader:
        return reader.count(Table.META) > 0


class ChainStore:
    """One ledger's chain. Made by `create` from its genesis block, or opened."""

    def __init__(self, kv: KeyValueStore, head: Header, base: Height, certified: Height, lattice: Lattice) -> None:
        self._kv = kv
        self._head = head
        self._head_hash = header_hash(head)
        self._base = base
        self._certified = certified
        self._lattice = lattice
        self._held: dict[Height, Certificate] = {}
        with kv.reader() as reader:
            self._has_graves = reader.count(Table.GRAVES) > 0

    @classmethod
    def create(cls, kv: KeyValueStore, genesis: SealedBlock) -> ChainStore:
        """Begin a chain in an empty store; refuses one that holds anything (DatabaseForeign)."""
        if holds_chain(kv):
            raise DatabaseForeign("a chain begins in an empty database, this one holds a chain already")
        header = genesis.header
        assert header.height == 0, "a chain begins with its genesis block"
        check_block(genesis)
        kv.write(
            [
                *beginning_writes(header.chain_id, Height(0), Height(0)),
                *set_writes(genesis),
                *block_writes(genesis),
                *state_writes(genesis, {}, None)[0],
                *head_writes(genesis),
            ]
        )
        return cls.open(kv, header.chain_id)

    @classmethod
    def open(cls, kv: KeyValueStore, chain_id: ChainId) -> ChainStore:
        """Refuses another ledger's or a newer store (DatabaseForeign), and one whose head does not hold."""
        with kv.reader() as reader:
            _check_origin(reader, chain_id)
            head_height = _meta_height(reader, META_HEAD)
            raw = reader.get(Table.HEADERS, height_key(head_height))
            lattice_sum = reader.get(Table.META, META_LATTICE)
            base, certified = _meta_height(reader, META_BASE), _meta_height(reader, META_CERTIFIED)
            if raw is None or lattice_sum is None or len(lattice_sum) != SUM_BYTES:
                raise DatabaseDamaged(f"the database names block {head_height} as its head, but does not hold it")
            head, lattice = parse_header(raw), Lattice(lattice_sum)
            if head.height != head_height or reader.get(Table.HASHES, header_hash(head)) != height_key(head_height):
                raise DatabaseDamaged(f"the header of block {head_height} is not the one that was written")
            if lattice.commitment() != head.state_commitment:
                raise DatabaseDamaged(f"the lattice sum does not give the state commitment of block {head_height}")
        return cls(kv, head, base, certified, lattice)

    # ------------------------------------------------------------ what stands

    @property
    def chain_id(self) -> ChainId:
        return self._head.chain_id

    @property
    def head(self) -> Header:
        return self._head

    @property
    def lattice(self) -> Lattice:
        return self._lattice

    @property
    def base(self) -> Height:
        """What lies below is not here: 0, or the height of the snapshot that this store was restored from, or was
        pruned up to.
        """
        return self._base

    @property
    def certified_height(self) -> Height:
        """Up to here every block has its certificate (genesis needs none)."""
        return self._certified

    # ------------------------------------------------------------ writing

    def append(
        self,
        sealed: Sequence[SealedBlock],
        certificates: Mapping[Height, Certificate] | None = None,
        *,
        beside: Sequence[Write] = (),
    ) -> None:
        """Make these heights durable in one write, with what else belongs into it.

        Refuses with DiskFull, nothing of it written.
        """
        parent, parent_hash, writes = self._head, self._head_hash, list[Write]()
        graves: dict[bytes, bytes] = {}
        with self._kv.reader() as reader:
            for block in sealed:
                check_follows(block.header, parent, parent_hash)
                check_block(block)
                writes += block_writes(block)
                if block.header.next_set != block.header.current_set:
                    writes += set_writes(block)
                written, buried = state_writes(block, graves, reader if self._has_graves else None)
                writes += written
                graves = buried
                parent, parent_hash = block.header, header_hash(block.header)
            certified = self._certified
            if certificates:
                certified, more = self._certificate_writes(reader, certificates, parent.height)
                writes += more
        if sealed:
            writes += head_writes(sealed[-1])
        writes += beside
        if not writes:
            return
        self._kv.write(writes)
        if sealed:
            self._head, self._head_hash, self._lattice = parent, parent_hash, sealed[-1].lattice
        self._certified = certified
        self._has_graves = self._has_graves or bool(graves)
        for height in certificates or ():
            self._held.pop(height, None)

    def hold(self, height: Height, certificate: Certificate) -> None:
        """Have this certificate at hand until a later `append` writes it (the caller has checked it)."""
        self._held[height] = certificate

    @property
    def held(self) -> Mapping[Height, Certificate]:
        """Certificates at hand that are not written yet."""
        return self._held

    def certify(self, height: Height, certificate: Certificate) -> None:
        """Keep a block's certificate (the caller has checked it)."""
        with self._kv.reader() as reader:
            certified, writes = self._certificate_writes(reader, {height: certificate}, self._head.height)
        self._kv.write(writes)
        self._certified = certified

    def _certificate_writes(
        self, reader: Reader, certificates: Mapping[Height, Certificate], head: Height
    ) -> tuple[Height, list[Write]]:
        assert all(0 < height <= head for height in certificates), "a certificate is of a block that is here"
        writes: list[Write] = [
            (Table.CERTIFICATES, height_key(height), encode_certificate(certificates[height]))
            for height in sorted(certificates)
        ]
        certified = self._certified
        while certified < head and (
            certified + 1 in certificates or reader.get(Table.CERTIFICATES, height_key(certified + 1)) is not None
        ):
            certified = Height(certified + 1)
        if certified != self._certified:
            writes.append((Table.META, META_CERTIFIED, height_key(certified)))
        return certified, writes

    # ------------------------------------------------------------ forgetting

    def prune(self, below: Height) -> None:
        """Answer Pruned for blocks below this one from now on; `prune_on` gives their place back.

        Nothing happens where they are pruned already. Refuses what has no certificate yet (PruneRefused).
        """
        base = Height(below - 1)
        if base <= self._base:
            return
        if below > self._certified:
            raise PruneRefused(f"blocks up to {self._certified} have their certificates: no more can be pruned")
        with self._kv.reader() as reader:
            writes = pruning.beginning(reader, self._base, base)
        reach("prune.before_base")
        self._kv.write(writes)
        self._base = base

    def prune_on(self, blocks: int = config.PRUNED_AT_ONCE) -> int:
        """Remove the next so many pruned blocks, in one write; how many are left to remove."""
        with self._kv.reader() as reader:
            first = pruning.next_to_remove(reader)
            if first is None:
                return 0
            last = Height(min(first + blocks - 1, self._base))
            writes = pruning.removal(reader, first, last, self._base)
        reach("prune.before_piece")
        self._kv.write(writes)
        return self._base - last

    # ------------------------------------------------------------ reading blocks

    def header(self, height: Height) -> Header:
        """Refuses with UnknownBlock above the head, Pruned below the base."""
        return self._head if height == self._head.height else parse_header(self._block_part(Table.HEADERS, height))

    def envelopes(self, height: Height) -> tuple[bytes, ...]:
        return _decode_parts(self._block_part(Table.BATCHES, height))

    def receipts(self, height: Height) -> tuple[bytes, ...]:
        return _decode_parts(self._block_part(Table.RECEIPTS, height))

    def certificate(self, height: Height) -> Certificate:
        """Refuses a height that has none, or none yet (UnknownBlock), and one below the base (Pruned)."""
        held = self._held.get(height)
        if held is not None:
            return held
        with self._kv.reader() as reader:
            kept = height >= 0 and not pruning.is_removed(reader, Table.CERTIFICATES, height, self._base)
            raw = reader.get(Table.CERTIFICATES, height_key(height)) if kept else None
        if raw is not None:
            return parse_certificate(raw)
        self.header(height)
        raise UnknownBlock(f"block {height} has no certificate yet")

    def height_of(self, hash_of_header: bytes) -> Height:
        """Refuses a hash of no block here (UnknownBlock)."""
        with self._kv.reader() as reader:
            raw = reader.get(Table.HASHES, hash_of_header)
        if raw is None:
            raise UnknownBlock("no block with this header hash")
        return Height(int.from_bytes(raw, "big"))

    def _block_part(self, table: Table, height: int) -> bytes:
        with self._kv.reader() as reader:
            kept = height >= 0 and not pruning.is_removed(reader, table, height, self._base)
            raw = reader.get(table, height_key(height)) if kept else None
        if raw is not None:
            return raw
        if 0 <= height <= self._base:
            raise Pruned(
                f"block {height} is not kept here: this node has what follows block {self._base}", height=height
            )
        raise UnknownBlock(f"there is no block {height}, the last is {self._head.height}")

    # ------------------------------------------------------------ reading transactions, sets and state

    def locate(self, transaction_id: TransactionId, around_ms: int | None = None) -> tuple[Height, int] | None:
        """Height and receipt position; `around_ms`, a time near the block's, makes it one probe.

        The block itself may be one from before this store began.
        """
        with self._kv.reader() as reader:
            return index.locate(reader, transaction_id, around_ms)

    def locate_since(
        self, transaction_ids: Iterable[TransactionId], since_ms: int
    ) -> dict[TransactionId, tuple[Height, int]]:
        """Those that stand in blocks since that time's day: bounded, for the check of a whole batch."""
        with self._kv.reader() as reader:
            return index.locate_since(reader, transaction_ids, since_ms)

    def validator_set(self, hash_of_set: bytes) -> ValidatorSet:
        """Refuses a set that never signed here (UnknownBlock)."""
        with self._kv.reader() as reader:
            raw = reader.get(Table.SETS, hash_of_set)
        if raw is None:
            raise UnknownBlock("no block was signed by a validator set with this hash")
        return parse_set(raw)

    def set_changes(self) -> tuple[Height, ...]:
        """Heights whose header hands over to another set, oldest first; all since genesis."""
        end = META_SET_CHANGE + b"\xff" * 9
        with self._kv.reader() as reader:
            return tuple(
                Height(int.from_bytes(key[len(META_SET_CHANGE) :], "big"))
                for key, _ in reader.scan(Table.META, META_SET_CHANGE, end)
            )

    def state_records(self) -> int:
        """How many records the state has."""
        with self._kv.reader() as reader:
            return reader.count(Table.STATE)

    @contextmanager
    def state(self) -> Iterator[StateView]:
        """The state after the last block, the same for as long as it is open. Close it promptly."""
        with self._kv.reader() as reader:
            yield CurrentState(reader)

    @contextmanager
    def newest(self) -> Iterator[tuple[Header, StateView]]:
        """The last block and the state after it, which belong together: a block stands in the database before `head`
        tells of it, and another thread may write meanwhile.
        """
        with self._kv.reader() as reader:
            told, height = self._head, _meta_height(reader, META_HEAD)
            yield told if told.height == height else _header(reader, height), CurrentState(reader)

    @contextmanager
    def state_at(self, height: Height) -> Iterator[StateView]:
        """The state after an earlier block; refuses with UnknownBlock or, outside the window, Pruned."""
        with self._kv.reader() as reader:
            head = _meta_height(reader, META_HEAD)
            if not 0 <= height <= head:
                raise UnknownBlock(f"there is no block {height}, the last is {head}")
            oldest = max(head - config.READABLE_PAST_HEIGHTS, self._base)
            if height < oldest:
                raise Pruned(f"the state of block {height} is no longer readable, the oldest is {oldest}")
            yield CurrentState(reader) if height == head else PastState(reader, height, head)

    def replaced(self, height: Height) -> past.Undo:
        """What a block's calls replaced, as (receipt's position, key, record or None); Pruned at and below the base."""
        with self._kv.reader() as reader:
            return past.read_undo(reader, height)

    def history(self, key: bytes, limit: int) -> list[tuple[tuple[int, int], bytes]]:
        """Newest first, (height, position) and record of each write; refuses with Pruned below the base."""
        with self._kv.reader() as reader:
            return past.history(reader, key, limit, self._base)


def _header(reader: Reader, height: Height) -> Header:
    raw = reader.get(Table.HEADERS, height_key(height))
    if raw is None:
        raise DatabaseDamaged(f"the header of block {height} is lost")
    return parse_header(raw)


def _check_origin(reader: Reader, chain_id: ChainId) -> None:
    if reader.get(Table.META, META_RESTORING) is not None:
        raise DatabaseDamaged("a snapshot was being restored here and the restore did not finish: restore it again")
    stored_format, stored_chain = reader.get(Table.META, META_FORMAT), reader.get(Table.META, META_CHAIN)
    if stored_format is None or stored_chain is None:
        raise DatabaseDamaged("there is no chain in this database, or its first entries are lost")
    require_readable(reader)
    if stored_chain != chain_id:
        raise DatabaseForeign(f"the database holds the ledger {stored_chain.hex()[:16]}…, not {chain_id.hex()[:16]}…")


def _meta_height(reader: Reader, key: bytes) -> Height:
    raw = reader.get(Table.META, key)
    if raw is None or len(raw) != past.HEIGHT_BYTES:
        raise DatabaseDamaged(f"the database's entry {key.decode()!r} is lost")
    return Height(int.from_bytes(raw, "big"))


def _decode_parts(raw: bytes) -> tuple[bytes, ...]:
    try:
        return _PARTS.decode(raw)
    except msgspec.MsgspecError as error:
        raise DatabaseDamaged(f"a block's parts cannot be read: {error}") from error
