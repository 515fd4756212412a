"""Signing: who speaks, on which ledger, and the envelopes that carry it.

A `Signer` is a key, the identity it speaks for and the ledger it speaks on. What it signs can be sent any
number of times, to any node: it takes effect once.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from ledgernode.config import SIGNER_VALIDITY_MS
from ledgernode.errors import BadArguments
from ledgernode.identity.signing import SigningKey
from ledgernode.wire.transaction import (
    NONCE_BYTES,
    Body,
    Kind,
    Nonce,
    Sequence,
    encode_body,
    envelope,
)
from ledgernode.wire.types import ChainId, IdentityId, TimeMs, TransactionId, identity_id, sha256

Arguments = Mapping[str, Any] | bytes
"""By name, or as JSON bytes that stand already."""

_ENCODER: Final = msgspec.json.Encoder()


class Signed(msgspec.Struct, frozen=True, gc=False):
    """A signed transaction. Keep it to send it again; `valid_until_ms` is 0 where it does not end."""

    id: TransactionId
    envelope: bytes
    valid_until_ms: TimeMs


class Signer:
    """Builds signed envelopes.

        signer = Signer(PrivateKey.load(path), chain_id=facts.chain_id)
        signed = signer.transaction("currency", "transfer", {"to": "…", "amount": 250}, budget=50_000)

    `identity` is the permanent id, needed only after a rotation: a first key names it by itself.
    """

    def __init__(
        self,
        key: SigningKey,
        identity: IdentityId | None = None,
        *,
        chain_id: ChainId,
        validity_ms: int = SIGNER_VALIDITY_MS,
        clock_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._key = key
        self.identity = identity_id(key.public_key) if identity is None else identity
        self.chain_id = chain_id
        self._validity_ms = validity_ms
        self._clock_ms = clock_ms

    def now_ms(self) -> int:
        """By the clock that it signs by: that of the ledger, where it is a simulated one."""
        return self._clock_ms()

    def beside(self, key: SigningKey, identity: IdentityId | None = None) -> Signer:
        """Somebody else's, for the same ledger and by the same clock."""
        return Signer(key, identity, chain_id=self.chain_id, validity_ms=self._validity_ms, clock_ms=self._clock_ms)

    def transaction(
        self, contract: str, function: str, arguments: Arguments, *, budget: int, sequence: int | None = None
    ) -> Signed:
        """Sign a transaction: with a nonce and an end of validity, or with a device's own `sequence` number."""
        replay = self._nonce() if sequence is None else Sequence(sequence)
        body = self._body(Kind.TRANSACTION, replay, contract, function, arguments, budget)
        valid_until_ms = replay.valid_until_ms if isinstance(replay, Nonce) else TimeMs(0)
        return Signed(TransactionId(sha256(body)), self._sign(body), valid_until_ms)

    def query(self, contract: str, function: str, arguments: Arguments, *, budget: int) -> bytes:
        """Sign a question: an envelope that can never pass for a transaction."""
        return self._sign(self._body(Kind.QUERY, self._nonce(), contract, function, arguments, budget))

    def _nonce(self) -> Nonce:
        return Nonce(os.urandom(NONCE_BYTES), TimeMs(self._clock_ms() + self._validity_ms))

    def _body(  # noqa: PLR0917  # the fields of a body, in their order
        self, kind: Kind, replay: Nonce | Sequence, contract: str, function: str, arguments: Arguments, budget: int
    ) -> bytes:
        return encode_body(
            Body(kind, self.chain_id, self.identity, replay, budget, contract, function, _as_json(arguments))
        )

    def _sign(self, body: bytes) -> bytes:
        return envelope(self._key.public_key, self._key.sign(body), body)


def _as_json(arguments: Arguments) -> bytes:
    if isinstance(arguments, bytes):
        return arguments
    try:
        return _ENCODER.encode(arguments)
    except (msgspec.MsgspecError, TypeError, ValueError, OverflowError) as error:
        raise BadArguments(f"the arguments cannot be written as JSON: {error}") from error
