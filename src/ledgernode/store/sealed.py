"""A sealed block, and the writes that make it durable.

META          format, chain, base, head, certified, lattice, set_change/<height>, restoring, pruning
HEADERS …     by height: header; MessagePack arrays of the envelopes and of the encoded receipts
HASHES, SETS  by hash: height; encoded validator set
STATE, GRAVES, UNDO  see `store.past`;  INDEX  see `store.index`
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from ledgernode.store.index import index_write
from ledgernode.store.kv import Reader, Table, Write
from ledgernode.store.lattice import Lattice
from ledgernode.store.past import encode_undo, height_key
from ledgernode.store.state import Change, is_grave
from ledgernode.wire.block import Header, encode_header, header_hash
from ledgernode.wire.receipt import parse_receipt
from ledgernode.wire.types import ChainId, Height, TransactionId
from ledgernode.wire.validators import ValidatorSet, encode_set, set_hash

FORMAT: Final = b"ledgernode/store/1"
META_FORMAT: Final = b"format"
META_CHAIN: Final = b"chain"
META_HEAD: Final = b"head"
META_BASE: Final = b"base"
META_CERTIFIED: Final = b"certified"
META_LATTICE: Final = b"lattice"
META_RESTORING: Final = b"restoring"
META_SET_CHANGE: Final = b"set_change/"

_PARTS: Final = msgspec.msgpack.Encoder()


class SealedBlock(msgspec.Struct, frozen=True):
    """A block and everything its execution made: what `append` makes durable.

    `transaction_ids` has one id for each envelope, None where it is not to be indexed (a duplicate).
    Receipts are those of timers first, then one for each envelope.
    """

    header: Header
    envelopes: tuple[bytes, ...]
    receipts: tuple[bytes, ...]
    changes: tuple[Change, ...]
    lattice: Lattice
    transaction_ids: tuple[TransactionId | None, ...]
    next_set: ValidatorSet
    current_set: ValidatorSet


# ---------------------------------------------------------------- what one height writes


def beginning_writes(chain_id: ChainId, base: Height, certified: Height) -> list[Write]:
    """What a store holds from its first write on."""
    return [
        (Table.META, META_FORMAT, FORMAT),
        (Table.META, META_CHAIN, chain_id),
        (Table.META, META_BASE, height_key(base)),
        (Table.META, META_CERTIFIED, height_key(certified)),
    ]


def header_writes(header: Header) -> list[Write]:
    encoded, key = encode_header(header), height_key(header.height)
    writes: list[Write] = [(Table.HEADERS, key, encoded), (Table.HASHES, header_hash(header), key)]
    if header.next_set != header.current_set:
        writes.append((Table.META, META_SET_CHANGE + key, b"\x01"))
    return writes


def block_writes(block: SealedBlock) -> list[Write]:
    header = block.header
    key = height_key(header.height)
    first = len(block.receipts) - len(block.envelopes)
    return [
        *header_writes(header),
        (Table.BATCHES, key, _PARTS.encode(block.envelopes)),
        (Table.RECEIPTS, key, _PARTS.encode(block.receipts)),
        # a timer's call is found by its id like a transaction
        *(
            index_write(header.time_ms, parse_receipt(receipt).id, header.height, position)
            for position, receipt in enumerate(block.receipts[:first])
        ),
        *(
            index_write(header.time_ms, transaction_id, header.height, position)
            for position, transaction_id in enumerate(block.transaction_ids, first)
            if transaction_id is not None
        ),
    ]


def set_writes(block: SealedBlock) -> list[Write]:
    return [
        (Table.SETS, block.header.current_set, encode_set(block.current_set)),
        (Table.SETS, block.header.next_set, encode_set(block.next_set)),
    ]


def head_writes(block: SealedBlock) -> list[Write]:
    return [
        (Table.META, META_HEAD, height_key(block.header.height)),
        (Table.META, META_LATTICE, block.lattice.sum),
    ]


def state_writes(
    block: SealedBlock, graves: Mapping[bytes, bytes], reader: Reader | None
) -> tuple[list[Write], dict[bytes, bytes]]:
    """State, graves and undo of a block, and the graves that this write has dug so far.

    `reader` looks for older graves; None when there are none.
    """
    buried, replaced, writes = dict(graves), list[tuple[int, bytes, bytes | None]](), list[Write]()
    made_here = height_key(block.header.height)
    for change in block.changes:
        key, before, after = change.key, change.before, change.after
        assert after.startswith(made_here), "a record carries the version of the write that made it"
        if before is None:
            before = buried.get(key)
            if before is None and reader is not None:
                before = reader.get(Table.GRAVES, key)
        replaced.append((change.position, key, before))
        if is_grave(after):
            buried[key] = after
            writes += ((Table.STATE, key, None), (Table.GRAVES, key, after))
        else:
            writes.append((Table.STATE, key, after))
            if before is not None and is_grave(before):
                buried.pop(key, None)
                writes.append((Table.GRAVES, key, None))
    writes.append((Table.UNDO, made_here, encode_undo(replaced)))
    return writes, buried


# ---------------------------------------------------------------- checks


def check_follows(header: Header, parent: Header, parent_hash: bytes) -> None:
    assert header.chain_id == parent.chain_id, f"block {header.height} is of another chain"
    assert header.height == parent.height + 1, f"block {header.height} does not follow block {parent.height}"
    assert header.parent_hash == parent_hash, f"block {header.height} names another parent"
    assert header.current_set == parent.next_set, f"block {header.height} is not of the set its parent named"
    assert header.time_ms > parent.time_ms, f"block {header.height} is not later than its parent"


def check_block(block: SealedBlock) -> None:
    header = block.header
    assert header.transactions == len(block.envelopes) == len(block.transaction_ids), "one id for each envelope"
    assert header.receipts == len(block.receipts) >= len(block.envelopes), "one receipt for each envelope and timer"
    assert header.state_commitment == block.lattice.commitment(), "the header commits to this lattice sum"
    assert header.current_set == set_hash(block.current_set), "the header names this current set"
    assert header.next_set == set_hash(block.next_set), "the header names this next set"
