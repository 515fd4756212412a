"""No transaction takes effect twice: nonces for people, numbered windows for devices.

Everything that decides lies in the state, so that a node restored from a snapshot refuses what the others
refuse; the transaction index only finds a live nonce's id quickly, and is rebuilt from `remembered`.

    _replay    <latest valid-until, 16 hex> . <height, 16 hex>       the ids of one block's nonce transactions:
                                                                     16 bytes and the receipt's position 4 of each;
                                                                     removed once block time has passed it
    _replay    NUL refused NUL <first 16 bytes of an id, hex> NUL    height 8 | position 4: refused by a rule that
                                                                     could hold later (a validity too far ahead,
                                                                     a number that was not consumed)
    _sequence  <identity, 64 hex>                                    a `SequenceWindow`

An id refused once stays refused: its receipt says so, and a later inclusion must not contradict it. The
second kind is kept for ever, as the envelope itself is; a node that checks what it admits makes none.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from ledgernode.errors import SequenceReplayed, SequenceTooFar
from ledgernode.store.state import StateView, value_of
from ledgernode.wire.keys import composite_key, split_composite, split_state_key, state_key
from ledgernode.wire.parameters import LIMITS
from ledgernode.wire.types import Height, IdentityId, TransactionId

REPLAY: Final = "_replay"
SEQUENCE: Final = "_sequence"
PREFIX_BYTES: Final = 16
LONGEST_VALIDITY_MS: Final = LIMITS["validity_ms"][1]
"""No ledger allows a validity beyond this, so that a live nonce's block is at most this old."""

_REFUSED: Final = "refused"
_REFUSED_SPAN: Final = (state_key(REPLAY, composite_key(_REFUSED)), state_key(REPLAY, "\x01"))
_ENTRY: Final = struct.Struct(">16sI")
_PLACE: Final = struct.Struct(">QI")


# ---------------------------------------------------------------- numbers


class SequenceWindow(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Which numbers of an identity are used. Below `floor` all are; bit i says that highest - i is.

    The floor never sinks: a ledger that widens its window does not forget what had left the old one.
    """

    highest: int = -1
    floor: int = 0
    used: bytes = b""


_WINDOW_ENCODER: Final = msgspec.msgpack.Encoder()
_WINDOW_DECODER: Final = msgspec.msgpack.Decoder(SequenceWindow)


def admit(window: SequenceWindow, number: int, width: int) -> SequenceWindow:
    """The window with this number used. Refuses a used one, one below it, and one more than `width` above."""
    ahead = number - window.highest
    if ahead > width:
        raise SequenceTooFar(f"sequence number {number} is more than {width} above the last one, {window.highest}")
    used = int.from_bytes(window.used, "big")
    if number < window.floor or (ahead <= 0 and used >> -ahead & 1):
        raise SequenceReplayed(f"sequence number {number} was used, or lies below the window")
    used = used << ahead | 1 if ahead > 0 else used | 1 << -ahead
    highest = max(window.highest, number)
    floor = max(window.floor, highest - width + 1)
    used &= (1 << (highest - floor + 1)) - 1
    return SequenceWindow(highest, floor, used.to_bytes((used.bit_length() + 7) // 8, "big"))


def sequence_state(identity: IdentityId) -> bytes:
    return state_key(SEQUENCE, identity.hex())


def encode_window(window: SequenceWindow) -> bytes:
    return _WINDOW_ENCODER.encode(window)


def read_window(stored: bytes | None) -> SequenceWindow:
    """From the state's record; nothing is used where there is none."""
    return SequenceWindow() if stored is None else _WINDOW_DECODER.decode(value_of(stored))


# ---------------------------------------------------------------- nonces, and what is refused for ever


def digest_state(valid_until_ms: int, height: int) -> bytes:
    """Where a block keeps the ids of its nonce transactions: first the time when they may be forgotten."""
    return state_key(REPLAY, f"{valid_until_ms:016x}.{height:016x}")


def encode_digest(entries: Iterable[tuple[TransactionId, int]]) -> bytes:
    """The ids with their receipts' positions, in the order of the block."""
    return b"".join([_ENTRY.pack(named[:PREFIX_BYTES], position) for named, position in entries])


def forgettable(view: StateView, time_ms: int) -> list[bytes]:
    """Keys of the digests whose every transaction has expired at this block time."""
    return [key for key, _ in view.scan(digest_state(0, 0), digest_state(time_ms, 0))]


def refused_state(transaction_id: TransactionId) -> bytes:
    return state_key(REPLAY, composite_key(_REFUSED, transaction_id[:PREFIX_BYTES].hex()))


def encode_refused(height: Height, position: int) -> bytes:
    return _PLACE.pack(height, position)


def read_refused(stored: bytes) -> tuple[Height, int]:
    """Where the id of this record was refused, from the state's record."""
    height, position = _PLACE.unpack(value_of(stored))
    return Height(height), position


def any_refused(view: StateView) -> bool:
    """Is any id refused for ever? Mostly none is, and then no transaction need ask."""
    return next(view.scan(*_REFUSED_SPAN), None) is not None


def remembered(view: StateView) -> Iterator[tuple[bytes, Height, int]]:
    """(first 16 bytes of an id, height, position) of all that is kept: what rebuilds a missing index."""
    for key, stored in view.scan(*_REFUSED_SPAN):
        refused_at, position = read_refused(stored)
        yield bytes.fromhex(split_composite(split_state_key(key)[1])[1]), refused_at, position
    for key, stored in view.scan(digest_state(0, 0), state_key(REPLAY, "g")):
        height = int(key[-16:], 16)
        for prefix, position in _ENTRY.iter_unpack(value_of(stored)):
            yield prefix, Height(height), position
