"""Signed envelopes of one chain, for tests of what happens to them before execution."""

from __future__ import annotations

from typing import Any

from ledgernode.client.signer import Signer
from ledgernode.identity.keys import PrivateKey
from ledgernode.wire.transaction import Transaction, parse_transaction
from ledgernode.wire.types import ChainId, sha256

CHAIN = ChainId(sha256(b"a chain for tests"))
NOW_MS = 1_767_225_600_000
KEY = PrivateKey.generate()
SIGNER = Signer(KEY, chain_id=CHAIN, clock_ms=lambda: NOW_MS)


def envelope(*, budget: int = 1_000, text: str = "x", sequence: int | None = None, **arguments: Any) -> bytes:
    return SIGNER.transaction("book", "put", {"text": text, **arguments}, budget=budget, sequence=sequence).envelope


def transaction(**options: Any) -> Transaction:
    return parse_transaction(envelope(**options))


def valid_until(end_ms: int) -> Transaction:
    signer = Signer(KEY, chain_id=CHAIN, clock_ms=lambda: end_ms, validity_ms=0)
    return parse_transaction(signer.transaction("book", "put", {}, budget=1).envelope)


def other_creator() -> Transaction:
    """Of someone with a key of their own."""
    signer = Signer(PrivateKey.generate(), chain_id=CHAIN, clock_ms=lambda: NOW_MS)
    return parse_transaction(signer.transaction("book", "put", {}, budget=1_000).envelope)
