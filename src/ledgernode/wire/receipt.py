"""The receipt: what one transaction, one timer's call, or the reward of a mined block, did.

    receipt  tag | MessagePack array [id, kind, code, message, result, events, budget used,
             items root, items]

Arrays, shortest integers, text as UTF-8: the encoding of a receipt is unique, and another is refused. Result and event
payloads are JSON bytes. ``items root`` is the Merkle root over the elements of a signed batch, so that
one reading can be proven without showing its neighbours; it is empty where there is no batch.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

import msgspec

from ledgernode.errors import DatabaseDamaged
from ledgernode.wire.types import TransactionId

RECEIPT_TAG: Final = b"ledgernode/receipt/1\x00"
OK: Final = "OK"


class Origin(IntEnum):
    TRANSACTION = 0
    TIMER = 1
    REWARD = 2


class Event(msgspec.Struct, frozen=True, array_like=True, gc=False):
    contract: str
    name: str
    payload: bytes


class Receipt(msgspec.Struct, frozen=True, array_like=True, gc=False):
    id: TransactionId
    origin: Origin
    code: str
    message: str
    result: bytes
    events: tuple[Event, ...]
    budget_used: int
    items_root: bytes = b""
    items: int = 0

    @property
    def succeeded(self) -> bool:
        return self.code == OK


_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(Receipt)


def encode_receipt(receipt: Receipt) -> bytes:
    return RECEIPT_TAG + _ENCODER.encode(receipt)


def parse_receipt(raw: bytes) -> Receipt:
    if not raw.startswith(RECEIPT_TAG):
        raise DatabaseDamaged("a receipt begins with its tag")
    try:
        receipt = _DECODER.decode(raw[len(RECEIPT_TAG) :])
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise DatabaseDamaged(f"unreadable receipt: {error}") from error
    if encode_receipt(receipt) != raw:
        raise DatabaseDamaged("a receipt is not in the one encoding it has")
    return receipt
