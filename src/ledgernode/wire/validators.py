"""The validator set of an epoch, and the certificate it puts on a block.

    set          tag | epoch 8 | count 2 | for each, by identity: identity 32 | organisation 1+n | key 65
    vote         tag 24 | chain id 32 | epoch 8 | height 8 | header hash 32
    certificate  count 2 | for each, by position in the set: position 2 | signature 64

A validator signs a vote after it has executed the block; enough of those signatures are the block's
certificate (how many is `wire.quorum`).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from itertools import pairwise
from typing import Final

import msgspec

from ledgernode.errors import BadProof
from ledgernode.wire.types import (
    HASH_BYTES,
    PUBLIC_KEY_BYTES,
    SIGNATURE_BYTES,
    ChainId,
    Epoch,
    Height,
    IdentityId,
    sha256,
)

SET_TAG: Final = b"ledgernode/validators/1\x00"
VOTE_TAG: Final = b"ledgernode/certificate/1"
_VOTE: Final = struct.Struct(">24s32sQQ32s")
_SET_HEAD: Final = struct.Struct(">QH")


class Validator(msgspec.Struct, frozen=True, gc=False):
    identity: IdentityId
    organisation: str
    public_key: bytes


class ValidatorSet(msgspec.Struct, frozen=True):
    """Sorted by identity; a validator's position in `members` is its number."""

    epoch: Epoch
    members: tuple[Validator, ...]

    @classmethod
    def of(cls, epoch: Epoch, members: Iterable[Validator]) -> ValidatorSet:
        return cls(epoch, tuple(sorted(members, key=lambda member: member.identity)))


class Certificate(msgspec.Struct, frozen=True):
    """Signatures over one block's vote, by position in its epoch's set, each position once."""

    signatures: tuple[tuple[int, bytes], ...]


def encode_set(validators: ValidatorSet) -> bytes:
    """The bytes that are hashed. The members are sorted and of proper sizes (ours to keep)."""
    parts = [SET_TAG, _SET_HEAD.pack(validators.epoch, len(validators.members))]
    for member in validators.members:
        organisation = member.organisation.encode("ascii")
        assert len(member.identity) == HASH_BYTES, "an identity has 32 bytes"
        assert len(member.public_key) == PUBLIC_KEY_BYTES, "a public key has 65 bytes"
        parts += (member.identity, bytes((len(organisation),)), organisation, member.public_key)
    return b"".join(parts)


def set_hash(validators: ValidatorSet) -> bytes:
    return sha256(encode_set(validators))


def parse_set(raw: bytes) -> ValidatorSet:
    """Read a set; refuses an empty one, one identity or key twice, and all but its one encoding."""
    try:
        if not raw.startswith(SET_TAG):
            raise BadProof("a validator set begins with its tag")
        epoch, count = _SET_HEAD.unpack_from(raw, len(SET_TAG))
        at, members = len(SET_TAG) + _SET_HEAD.size, []
        for _ in range(count):
            named = at + HASH_BYTES
            key_at = named + 1 + raw[named]
            members.append(
                Validator(
                    IdentityId(raw[at:named]),
                    raw[named + 1 : key_at].decode("ascii"),
                    raw[key_at : key_at + PUBLIC_KEY_BYTES],
                )
            )
            at = key_at + PUBLIC_KEY_BYTES
    except (struct.error, IndexError, UnicodeDecodeError) as error:
        raise BadProof(f"unreadable validator set: {error}") from error
    if at != len(raw) or not members:
        raise BadProof("the validator set is cut short, too long or empty")
    if any(before.identity >= after.identity for before, after in pairwise(members)):
        raise BadProof("the validator set names each identity once, in order")
    if len({member.public_key for member in members}) != len(members):
        raise BadProof("the validator set names each key once")
    return ValidatorSet(Epoch(epoch), tuple(members))


def vote_bytes(chain_id: ChainId, epoch: Epoch, height: Height, hash_of_header: bytes) -> bytes:
    """What a validator signs to certify a block."""
    return _VOTE.pack(VOTE_TAG, chain_id, epoch, height, hash_of_header)


def encode_certificate(certificate: Certificate) -> bytes:
    ordered = sorted(certificate.signatures)
    assert all(len(signature) == SIGNATURE_BYTES for _, signature in ordered), "a signature has 64 bytes"
    return len(ordered).to_bytes(2, "big") + b"".join(
        position.to_bytes(2, "big") + signature for position, signature in ordered
    )


def parse_certificate(raw: bytes) -> Certificate:
    size = 2 + SIGNATURE_BYTES
    count = int.from_bytes(raw[:2], "big")
    if len(raw) != 2 + count * size:
        raise BadProof(f"a certificate of {count} signatures has {2 + count * size} bytes, this one {len(raw)}")
    entries = tuple(
        (int.from_bytes(raw[at : at + 2], "big"), raw[at + 2 : at + size]) for at in range(2, len(raw), size)
    )
    if any(before[0] >= after[0] for before, after in pairwise(entries)):
        raise BadProof("a certificate names each position once, in order")
    return Certificate(entries)
