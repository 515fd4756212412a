"""The signer: envelopes that any node reads, and that take effect once."""

from __future__ import annotations

import pytest

from ledgernode.client import Signer
from ledgernode.errors import BadArguments
from ledgernode.identity.keys import PrivateKey, verify
from ledgernode.wire.transaction import Kind, Nonce, Sequence, parse_transaction
from ledgernode.wire.types import identity_id
from tests.node.envelopes import CHAIN

KEY = PrivateKey.generate()


def test_a_first_key_names_its_identity() -> None:
    """Only after a rotation must the permanent id be given."""
    assert Signer(KEY, chain_id=CHAIN).identity == identity_id(KEY.public_key)
    other = identity_id(PrivateKey.generate().public_key)
    signed = Signer(KEY, other, chain_id=CHAIN).transaction("a", "b", {}, budget=1)
    assert parse_transaction(signed.envelope).body.creator == other


def test_a_transaction_says_what_was_asked() -> None:
    """Every field arrives as given, and the signature holds over the body."""
    signer = Signer(KEY, chain_id=CHAIN, validity_ms=5_000, clock_ms=lambda: 1_000)
    signed = signer.transaction("currency", "transfer", {"to": "é", "amount": 5}, budget=77)
    read = parse_transaction(signed.envelope)
    assert (read.id, read.body.kind, read.body.budget) == (signed.id, Kind.TRANSACTION, 77)
    assert read.body.arguments == '{"to":"é","amount":5}'.encode()
    assert isinstance(read.body.replay, Nonce)
    assert read.body.replay.valid_until_ms == signed.valid_until_ms == 6_000
    assert verify(KEY.public_key, read.body_bytes, read.signature)


def test_a_nonce_is_new_each_time_and_a_sequence_is_the_callers() -> None:
    """The same call signed twice is two transactions, unless the device numbers them itself."""
    signer = Signer(KEY, chain_id=CHAIN)
    first, second = (signer.transaction("a", "b", {}, budget=1).id for _ in range(2))
    assert first != second
    numbered = [signer.transaction("a", "b", b"{}", budget=1, sequence=4) for _ in range(2)]
    assert numbered[0] == numbered[1]
    assert parse_transaction(numbered[0].envelope).body.replay == Sequence(4)
    assert numbered[0].valid_until_ms == 0


def test_a_question_is_marked_as_one() -> None:
    """Its body cannot pass for a transaction."""
    raw = Signer(KEY, chain_id=CHAIN).query("a", "b", {}, budget=1)
    assert parse_transaction(raw).body.kind is Kind.QUERY


@pytest.mark.parametrize("arguments", [{"a": object()}, {"a": "\ud800"}])
def test_arguments_that_are_no_json_are_refused(arguments: dict[str, object]) -> None:
    """Before anything is signed."""
    with pytest.raises(BadArguments):
        Signer(KEY, chain_id=CHAIN).transaction("a", "b", arguments, budget=1)
