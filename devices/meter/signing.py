"""Which bytes a key signs for a transaction: the same each time, so that sending twice takes effect once."""

from __future__ import annotations

from typing import Protocol

from devices.meter.events import Outgoing
from ledgernode.wire.transaction import Body, Kind, Sequence, encode_body, envelope
from ledgernode.wire.types import ChainId, IdentityId, identity_id


class SigningKey(Protocol):
    """`identity.keys.PrivateKey`, the constrained build's, or hardware's."""

    @property
    def public_key(self) -> bytes: ...

    def sign(self, message: bytes) -> bytes: ...


def signed(outgoing: Outgoing, key: SigningKey, chain_id: ChainId, identity: IdentityId | None = None) -> bytes:
    """The envelope; `identity` is needed after a rotation only."""
    if outgoing.envelope:
        return outgoing.envelope
    body = encode_body(
        Body(
            kind=Kind.TRANSACTION,
            chain_id=chain_id,
            creator=identity_id(key.public_key) if identity is None else identity,
            replay=Sequence(outgoing.sequence),
            budget=outgoing.budget,
            contract=outgoing.contract,
            function=outgoing.function,
            arguments=outgoing.arguments,
        )
    )
    return envelope(key.public_key, key.sign(body), body)
