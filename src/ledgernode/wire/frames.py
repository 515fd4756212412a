"""What validators push to each other, as plain values.

The connection says who sends. Nothing in a frame is believed for that: an engine's messages, votes,
certificates and transactions carry their own signatures; a standing is only a hint where blocks may be had.
"""

from __future__ import annotations

import msgspec

from ledgernode.wire.types import Epoch, Height


class EngineFrame(msgspec.Struct, frozen=True):
    """A message of an epoch's ordering engine."""

    epoch: Epoch
    message: bytes


class HeaderVote(msgspec.Struct, frozen=True):
    """A validator's signature under the header it executed."""

    epoch: Epoch
    height: Height
    header_hash: bytes
    signature: bytes


class CertificateFrame(msgspec.Struct, frozen=True):
    """The certificate of a block, for whoever still votes for it."""

    height: Height
    certificate: bytes


class Forwarded(msgspec.Struct, frozen=True):
    """Envelopes that the sender has checked and admitted."""

    envelopes: tuple[bytes, ...]


class Standing(msgspec.Struct, frozen=True):
    """How far the sender's certified chain has come, and its oldest whole block (0: an older version, which does not
    tell).
    """

    height: Height
    oldest_block: int = 0


class Introduction(msgspec.Struct, frozen=True):
    """The validator's key signs for the TLS certificate that its connection shows; which protocol versions it speaks
    (0: an older program, which speaks 1).
    """

    ledger: str
    public_key: bytes
    signature: bytes
    protocol_oldest: int = 0
    protocol_newest: int = 0


Frame = EngineFrame | HeaderVote | CertificateFrame | Forwarded | Standing
