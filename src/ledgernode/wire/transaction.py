"""The transaction: a body, signed as it stands, in an envelope.

    body      tag 16 | chain id 32 | creator 32 | mode 1 | replay 16 | valid-until 8 | budget 4
              | contract 1+n | function 1+n | arguments 4+n
    envelope  public key 65 | signature 64 | body

All integers are big-endian and unsigned. The body is never re-encoded: what was signed is what is
stored. A query has the same layout under another tag, so that a signed question can never be
replayed as a transaction.
"""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import Final

import msgspec

from ledgernode.errors import MalformedTransaction
from ledgernode.wire.types import (
    HASH_BYTES,
    PUBLIC_KEY_BYTES,
    SIGNATURE_BYTES,
    ChainId,
    IdentityId,
    TimeMs,
    TransactionId,
    sha256,
)

TRANSACTION_TAG: Final = b"ledgernode/tx/1\x00"
QUERY_TAG: Final = b"ledgernode/qry/1"
NONCE_BYTES: Final = 16
NAME_LIMIT: Final = 64

_HEAD: Final = struct.Struct(">16s32s32sB16sQI")
_LENGTH: Final = struct.Struct(">I")
_BODY_AT: Final = PUBLIC_KEY_BYTES + SIGNATURE_BYTES
_SEQUENCE_LIMIT: Final = 1 << 63


class Kind(IntEnum):
    TRANSACTION = 0
    QUERY = 1


class Nonce(msgspec.Struct, frozen=True, gc=False):
    """Replay mode of people: a random value, and an end of validity at most minutes ahead."""

    value: bytes
    valid_until_ms: TimeMs


class Sequence(msgspec.Struct, frozen=True, gc=False):
    """Replay mode of devices that store for days: a number of their own, no expiry."""

    number: int


class Body(msgspec.Struct, frozen=True, gc=False):
    """What is signed."""

    kind: Kind
    chain_id: ChainId
    creator: IdentityId
    replay: Nonce | Sequence
    budget: int
    contract: str
    function: str
    arguments: bytes


class Transaction(msgspec.Struct, frozen=True, gc=False):
    """A parsed envelope with its two hashes. Nothing here says that the signature holds."""

    raw: bytes
    public_key: bytes
    signature: bytes
    body_bytes: bytes
    body: Body
    id: TransactionId
    envelope_hash: bytes


def encode_body(body: Body) -> bytes:
    """The bytes that are signed. Refuses names and numbers the format cannot hold."""
    mode, replay, valid_until = _replay_fields(body.replay)
    if len(body.chain_id) != HASH_BYTES or len(body.creator) != HASH_BYTES:
        raise MalformedTransaction(f"a chain id and a creator have {HASH_BYTES} bytes each")
    contract, function = _named(body.contract, "contract"), _named(body.function, "function")
    tag = TRANSACTION_TAG if body.kind is Kind.TRANSACTION else QUERY_TAG
    try:
        head = _HEAD.pack(tag, body.chain_id, body.creator, mode, replay, valid_until, body.budget)
        length = _LENGTH.pack(len(body.arguments))
    except struct.error as error:
        raise MalformedTransaction("valid-until has 8 bytes, the budget and the arguments' length 4") from error
    return b"".join((head, contract, function, length, body.arguments))


def parse_body(raw: bytes) -> Body:
    """Read a body; refuses anything but exactly one well-formed body."""
    if len(raw) < _HEAD.size + 8:
        raise MalformedTransaction(f"a body has at least {_HEAD.size + 8} bytes, this one {len(raw)}")
    tag, chain_id, creator, mode, replay, valid_until, budget = _HEAD.unpack_from(raw)
    contract, at = _name(raw, _HEAD.size, "contract")
    function, at = _name(raw, at, "function")
    if at + 4 > len(raw):
        raise MalformedTransaction("the body ends before its arguments")
    (length,) = _LENGTH.unpack_from(raw, at)
    if at + 4 + length != len(raw):
        raise MalformedTransaction(f"the arguments claim {length} bytes, {len(raw) - at - 4} are there")
    return Body(
        kind=_kind(tag),
        chain_id=ChainId(chain_id),
        creator=IdentityId(creator),
        replay=_replay(mode, replay, valid_until),
        budget=budget,
        contract=contract,
        function=function,
        arguments=raw[at + 4 :],
    )


def envelope(public_key: bytes, signature: bytes, body_bytes: bytes) -> bytes:
    """Join the three parts of an envelope."""
    if len(public_key) != PUBLIC_KEY_BYTES or len(signature) != SIGNATURE_BYTES:
        raise MalformedTransaction(
            f"a public key has {PUBLIC_KEY_BYTES} bytes and a signature {SIGNATURE_BYTES}, "
            f"not {len(public_key)} and {len(signature)}"
        )
    return public_key + signature + body_bytes


def parse_transaction(raw: bytes) -> Transaction:
    """Read an envelope and its body. The signature is not checked here."""
    if len(raw) <= _BODY_AT or raw[0] != 4:
        raise MalformedTransaction("an envelope begins with an uncompressed P-256 key (65 bytes, the first 0x04)")
    body_bytes = raw[_BODY_AT:]
    return Transaction(
        raw=raw,
        public_key=raw[:PUBLIC_KEY_BYTES],
        signature=raw[PUBLIC_KEY_BYTES:_BODY_AT],
        body_bytes=body_bytes,
        body=parse_body(body_bytes),
        id=TransactionId(sha256(body_bytes)),
        envelope_hash=sha256(raw),
    )


def _kind(tag: bytes) -> Kind:
    if tag == TRANSACTION_TAG:
        return Kind.TRANSACTION
    if tag == QUERY_TAG:
        return Kind.QUERY
    raise MalformedTransaction("the body begins with neither the transaction's tag nor the query's")


def _replay(mode: int, replay: bytes, valid_until: int) -> Nonce | Sequence:
    if mode == 0:
        return Nonce(replay, TimeMs(valid_until))
    number = int.from_bytes(replay, "big")
    if mode != 1 or valid_until != 0 or number >= _SEQUENCE_LIMIT:
        raise MalformedTransaction(
            "the replay field is neither a nonce (mode 0) nor a sequence without expiry (mode 1)"
        )
    return Sequence(number)


def _replay_fields(replay: Nonce | Sequence) -> tuple[int, bytes, int]:
    match replay:
        case Nonce(value, valid_until_ms):
            if len(value) != NONCE_BYTES:
                raise MalformedTransaction(f"a nonce has {NONCE_BYTES} bytes, this one {len(value)}")
            return 0, value, int(valid_until_ms)
        case Sequence(number):
            if not 0 <= number < _SEQUENCE_LIMIT:
                raise MalformedTransaction("a sequence number lies between 0 and 2^63-1")
            return 1, number.to_bytes(NONCE_BYTES, "big"), 0


def _named(name: str, what: str) -> bytes:
    _require_name(name.isascii() and name.isidentifier() and len(name) <= NAME_LIMIT, what)
    return bytes((len(name),)) + name.encode()


def _name(raw: bytes, at: int, what: str) -> tuple[str, int]:
    end = at + 1 + raw[at] if at < len(raw) else len(raw) + 1
    name = raw[at + 1 : end]
    whole = end <= len(raw) and len(name) <= NAME_LIMIT
    _require_name(whole and name.isascii() and name.decode().isidentifier(), what)
    return name.decode(), end


def _require_name(holds: bool, what: str) -> None:
    if not holds:
        raise MalformedTransaction(f"the {what}'s name is no identifier of 1 to {NAME_LIMIT} ASCII characters")
