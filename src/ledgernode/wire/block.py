"""The block header: what a certificate signs and what a chain is made of.

    header  tag 20 | chain id 32 | epoch 8 | height 8 | parent hash 32 | transaction root 32
            | receipts root 32 | state commitment 32 | time 8 | current set 32 | next set 32
            | transactions 4 | receipts 4

A block is a header, the ordered envelopes, and the receipts: those of due timers first, then one for
each envelope. Order is agreed before execution; the header is its result.
"""

from __future__ import annotations

import struct
from typing import Final

import msgspec

from ledgernode.errors import DatabaseDamaged
from ledgernode.wire.types import HASH_BYTES, ChainId, Epoch, Height, TimeMs, sha256

HEADER_TAG: Final = b"ledgernode/header/1\x00"
_HEADER: Final = struct.Struct(">20s32sQQ32s32s32s32sQ32s32sII")


class Batch(msgspec.Struct, frozen=True):
    """What consensus orders: envelopes at a height and a time, before anyone has executed them."""

    epoch: Epoch
    height: Height
    time_ms: TimeMs
    envelopes: tuple[bytes, ...]
    miner: int | None = None
    """The position in the current set of whoever found the block; None where nobody mines."""


class Header(msgspec.Struct, frozen=True, gc=False):
    chain_id: ChainId
    epoch: Epoch
    height: Height
    parent_hash: bytes
    transaction_root: bytes
    receipts_root: bytes
    state_commitment: bytes
    time_ms: TimeMs
    current_set: bytes
    next_set: bytes
    transactions: int
    receipts: int


def encode_header(header: Header) -> bytes:
    assert all(len(value) == HASH_BYTES for value in _hashes(header)), "every hash of a header has 32 bytes"
    return _HEADER.pack(
        HEADER_TAG,
        header.chain_id,
        header.epoch,
        header.height,
        header.parent_hash,
        header.transaction_root,
        header.receipts_root,
        header.state_commitment,
        header.time_ms,
        header.current_set,
        header.next_set,
        header.transactions,
        header.receipts,
    )


def _hashes(header: Header) -> tuple[bytes, ...]:
    return (
        header.chain_id,
        header.parent_hash,
        header.transaction_root,
        header.receipts_root,
        header.state_commitment,
        header.current_set,
        header.next_set,
    )


def header_hash(header: Header) -> bytes:
    return sha256(encode_header(header))


def parse_header(raw: bytes) -> Header:
    if len(raw) != _HEADER.size or not raw.startswith(HEADER_TAG):
        raise DatabaseDamaged(f"a header has {_HEADER.size} bytes and begins with its tag")
    _, chain_id, epoch, height, parent, transactions_at, receipts_at, state, time_ms, current, following, n, m = (
        _HEADER.unpack(raw)
    )
    return Header(
        ChainId(chain_id),
        Epoch(epoch),
        Height(height),
        parent,
        transactions_at,
        receipts_at,
        state,
        TimeMs(time_ms),
        current,
        following,
        n,
        m,
    )
