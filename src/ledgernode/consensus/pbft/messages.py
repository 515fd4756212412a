"""What validators say to each other, and the exact bytes they sign.

    vote          an order vote of `wire.voting`
    view change   tag 24 | chain id 32 | epoch 8 | SHA-256 of the message without its signature
    new view      the same, under its own tag
    digest        SHA-256 of tag 24 | chain id 32 | epoch 8 | sequence 8 | time 8 | count 4 | envelope hashes

A digest covers every field of a proposal and not the view, so that a later view can propose the very
same thing again. The parent hash is no part of it: heights are agreed side by side.

Numbers and hashes are checked for range and length when bytes are read, so that nothing which two
different messages could share is ever signed or verified.
"""

from __future__ import annotations

import struct
from typing import Annotated, Final

import msgspec

from ledgernode.config import MESSAGE_BYTES
from ledgernode.wire.types import HASH_BYTES, SIGNATURE_BYTES, ChainId, Epoch, sha256
from ledgernode.wire.voting import Phase, SignedVote, order_vote_bytes

_VIEW_CHANGE_TAG: Final = b"ledgernode/pbft/change/1"
_NEW_VIEW_TAG: Final = b"ledgernode/pbft/newvw/1\x00"
_DIGEST_TAG: Final = b"ledgernode/pbft/order/1\x00"
_DIGEST: Final = struct.Struct(">24s32sQQQI")
_HEAD: Final = struct.Struct(">24s32sQ")

Number = Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)]
Hash = Annotated[bytes, msgspec.Meta(min_length=HASH_BYTES, max_length=HASH_BYTES)]
Signature = Annotated[bytes, msgspec.Meta(min_length=SIGNATURE_BYTES, max_length=SIGNATURE_BYTES)]


class Proposal(msgspec.Struct, frozen=True, array_like=True, tag=1):
    """What is to be ordered at a sequence. A no-op has time 0 and no envelopes."""

    sequence: Number
    time_ms: Number
    envelopes: tuple[bytes, ...]


class Vote(msgspec.Struct, frozen=True, array_like=True, tag=2):
    """One validator's signed word on one proposal; the leader's PRE_PREPARE counts as its PREPARE."""

    phase: Phase
    view: Number
    sequence: Number
    digest: Hash
    position: Number
    signature: Signature


class PrePrepare(msgspec.Struct, frozen=True, array_like=True, tag=3):
    vote: Vote
    proposal: Proposal


class Prepared(msgspec.Struct, frozen=True, array_like=True, tag=4):
    """q votes of one view on one proposal: the leader's PRE_PREPARE among them."""

    view: Number
    sequence: Number
    digest: Hash
    votes: tuple[Vote, ...]


class Stable(msgspec.Struct, frozen=True, array_like=True, tag=5):
    """A certified block. An epoch's first one needs no certificate: every member starts from it."""

    height: Number
    header_hash: Hash
    certificate: bytes


class ViewChange(msgspec.Struct, frozen=True, array_like=True, tag=6):
    """I vote in no view below this one; this is what I had prepared above what is stable."""

    view: Number
    position: Number
    stable: Stable
    prepared: tuple[Prepared, ...]
    signature: Signature


class NewView(msgspec.Struct, frozen=True, array_like=True, tag=7):
    """The new leader's reasons. What follows from them each receiver computes for itself."""

    view: Number
    position: Number
    view_changes: tuple[ViewChange, ...]
    signature: Signature


class Fetch(msgspec.Struct, frozen=True, array_like=True, tag=8):
    """Send me the proposal with this digest."""

    sequence: Number
    digest: Hash


class Standing(msgspec.Struct, frozen=True, array_like=True, tag=9):
    """Where I am, so that whoever is ahead can help me on."""

    view: Number
    changing: bool
    delivered: Number


class Relayed(msgspec.Struct, frozen=True, array_like=True, tag=10):
    """Votes of several members, each signed by its own: what brought me where you are not yet."""

    votes: tuple[Vote, ...]


class Recall(msgspec.Struct, frozen=True, array_like=True, tag=11):
    """I have just started, at this time of my clock: what have you heard from me before?"""

    started_ms: Number


class Recalled(msgspec.Struct, frozen=True, array_like=True, tag=12):
    """What I hold of your signed words, and where I am stable; with my view's proof, so that you can join."""

    started_ms: Number
    stable: Stable
    votes: tuple[Vote, ...]
    view_change: ViewChange | None
    new_view: NewView | None


class Muted(msgspec.Struct, frozen=True, array_like=True, tag=13):
    """In our own log only: we have forgotten what we said, and say nothing until stable here, below this view."""

    height: Number
    view: Number


Message = (
    Proposal
    | Vote
    | PrePrepare
    | Prepared
    | Stable
    | ViewChange
    | NewView
    | Fetch
    | Standing
    | Relayed
    | Recall
    | Recalled
    | Muted
)

_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final[msgspec.msgpack.Decoder[Message]] = msgspec.msgpack.Decoder(Message)


def encode(message: Message) -> bytes:
    return _ENCODER.encode(message)


def decode(raw: bytes) -> Message | None:
    """The message, or None when the bytes are none, or too many: the sender's fault."""
    if len(raw) > MESSAGE_BYTES:
        return None
    try:
        return _DECODER.decode(raw)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None


class Scope(msgspec.Struct, frozen=True):
    """Which chain and epoch a signature belongs to."""

    chain_id: ChainId
    epoch: Epoch

    def digest(self, proposal: Proposal) -> bytes:
        head = _DIGEST.pack(
            _DIGEST_TAG,
            self.chain_id,
            self.epoch,
            proposal.sequence,
            proposal.time_ms,
            len(proposal.envelopes),
        )
        return sha256(head + b"".join(map(sha256, proposal.envelopes)))

    def vote(self, phase: Phase, view: int, sequence: int, digest: bytes) -> bytes:
        return order_vote_bytes(self.chain_id, self.epoch, phase, view=view, sequence=sequence, digest=digest)

    def signed(self, vote: Vote) -> SignedVote:
        """The vote as its author signed it, for whoever judges without us."""
        return SignedVote(self.vote(vote.phase, vote.view, vote.sequence, vote.digest), vote.signature)

    def view_change(self, message: ViewChange) -> bytes:
        return self._unsigned(_VIEW_CHANGE_TAG, message)

    def new_view(self, message: NewView) -> bytes:
        return self._unsigned(_NEW_VIEW_TAG, message)

    def _unsigned(self, tag: bytes, message: ViewChange | NewView) -> bytes:
        content = _ENCODER.encode(msgspec.structs.replace(message, signature=b""))
        return _HEAD.pack(tag, self.chain_id, self.epoch) + sha256(content)


def no_op(sequence: int) -> Proposal:
    """What fills a sequence that nothing was prepared for."""
    return Proposal(sequence, 0, ())
