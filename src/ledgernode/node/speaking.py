"""What a node itself has to say on the ledger, signed by its validator's key."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec

from ledgernode.identity.signing import SigningKey
from ledgernode.node.endorsement import position_of
from ledgernode.store.chain import ChainStore
from ledgernode.wire.answers import Outcome
from ledgernode.wire.parameters import Parameters
from ledgernode.wire.transaction import NONCE_BYTES, Body, Kind, Nonce, encode_body, envelope
from ledgernode.wire.types import IdentityId, TimeMs
from ledgernode.wire.validators import ValidatorSet

Submit = Callable[[bytes], Awaitable[Outcome]]
"""Bring a transaction to the ledger and wait for its outcome; raises a refusal."""


class Speaker:
    """One validator of one ledger; it has a voice while it has a seat."""

    def __init__(
        self,
        chain: ChainStore,
        key: SigningKey,
        validators: Callable[[], ValidatorSet],
        parameters: Callable[[], Parameters],
        clock_ms: Callable[[], TimeMs],
    ) -> None:
        self._chain = chain
        self._key = key
        self._validators = validators
        self._parameters = parameters
        self._clock_ms = clock_ms

    @property
    def identity(self) -> IdentityId | None:
        """None while this node has no seat."""
        members = self._validators().members
        position = position_of(self._validators(), self._key.public_key)
        return None if position is None else members[position].identity

    def transaction(self, contract: str, function: str, arguments: Mapping[str, Any], budget: int) -> bytes | None:
        """A signed envelope; None while this node has no seat."""
        creator, parameters = self.identity, self._parameters()
        if creator is None:
            return None
        now_ms = max(self._clock_ms(), self._chain.head.time_ms)
        body = encode_body(
            Body(
                kind=Kind.TRANSACTION,
                chain_id=self._chain.chain_id,
                creator=creator,
                replay=Nonce(secrets.token_bytes(NONCE_BYTES), TimeMs(now_ms + parameters.validity_ms // 2)),
                budget=min(budget, parameters.budget),
                contract=contract,
                function=function,
                arguments=msgspec.json.encode(dict(arguments)),
            )
        )
        return envelope(self._key.public_key, self._key.sign(body), body)
