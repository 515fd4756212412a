"""What validators sign when they vote, and when two votes of one validator contradict each other.

    order vote   tag 24 | chain id 32 | epoch 8 | phase 1 | view 8 | sequence 8 | digest 32
    block vote   tag 24 | chain id 32 | epoch 8 | height 8 | header hash 32          (`wire.validators`)

A vote ends with what it is for, and everything before that says what is voted on. So two votes contradict each
other when they differ in their last 32 bytes and nowhere else; with both signatures of one key under them, anyone
who holds the validator set of that epoch can see that its owner has voted for two things at once.

An honest validator never does: an order vote is on disk before it is sent, and a block has one result.
"""

from __future__ import annotations

import struct
from enum import IntEnum, StrEnum
from typing import Final

import msgspec

from ledgernode.errors import BadProof
from ledgernode.wire.types import HASH_BYTES, SIGNATURE_BYTES, ChainId, Epoch, IdentityId, sha256
from ledgernode.wire.validators import VOTE_TAG

ORDER_TAG: Final = b"ledgernode/pbft/vote/1\x00\x00"
FAULT_TAG: Final = b"ledgernode/fault/1\x00"
_ORDER: Final = struct.Struct(">24s32sQBQQ32s")
_BLOCK: Final = struct.Struct(">24s32sQQ32s")


class Phase(IntEnum):
    """Of ordering, as it stands in an order vote."""

    PRE_PREPARE = 0
    PREPARE = 1
    COMMIT = 2


class Ballot(StrEnum):
    """What kind of thing is voted on."""

    ORDER = "order"
    BLOCK = "block"


class Vote(msgspec.Struct, frozen=True):
    """What a vote says. A block vote has neither phase nor view; `height` is an order vote's sequence."""

    ballot: Ballot
    chain_id: ChainId
    epoch: Epoch
    height: int
    choice: bytes
    view: int = 0
    phase: Phase | None = None


class SignedVote(msgspec.Struct, frozen=True, order=True):
    """The bytes of a vote as they were signed."""

    message: bytes
    signature: bytes


class Contradiction(msgspec.Struct, frozen=True):
    """Two votes of one validator on the same thing, for different things."""

    first: SignedVote
    second: SignedVote


def order_vote_bytes(
    chain_id: ChainId, epoch: Epoch, phase: Phase, *, view: int, sequence: int, digest: bytes
) -> bytes:
    """What a validator signs to order a batch."""
    return _ORDER.pack(ORDER_TAG, chain_id, epoch, phase, view, sequence, digest)


def read_vote(message: bytes) -> Vote:
    """What these signed bytes say; refuses what is no vote (BadProof)."""
    if len(message) == _ORDER.size and message.startswith(ORDER_TAG):
        _, chain_id, epoch, phase, view, sequence, digest = _ORDER.unpack(message)
        if phase in set(Phase):
            return Vote(Ballot.ORDER, ChainId(chain_id), Epoch(epoch), sequence, digest, view, Phase(phase))
    if len(message) == _BLOCK.size and message.startswith(VOTE_TAG):
        _, chain_id, epoch, height, hash_of_header = _BLOCK.unpack(message)
        return Vote(Ballot.BLOCK, ChainId(chain_id), Epoch(epoch), height, hash_of_header)
    raise BadProof("these bytes are no vote of a validator")


def contradict(first: bytes, second: bytes) -> bool:
    """Are these two votes on the same thing, and for different things?"""
    return _voted_on(first) == _voted_on(second) and first != second


def fault_id(member: IdentityId, message: bytes) -> bytes:
    """The one name of a fault: who voted twice, and on what. Any two of its votes on that give the same."""
    return sha256(FAULT_TAG + member + _voted_on(message))


def encode_signed(vote: SignedVote) -> bytes:
    """The vote, then its signature."""
    return vote.message + vote.signature


def parse_signed(raw: bytes) -> SignedVote:
    """Refuses bytes in which no vote and signature stand (BadProof)."""
    vote = SignedVote(raw[:-SIGNATURE_BYTES], raw[-SIGNATURE_BYTES:])
    read_vote(vote.message)
    return vote


def _voted_on(message: bytes) -> bytes:
    return message[:-HASH_BYTES]
