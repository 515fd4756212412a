"""Accepting a genesis: one admin of each organisation signs that file and no other."""

from __future__ import annotations

import msgspec
import pytest

from ledgernode.errors import BadGenesis, BadSignature, NotApproved, RoleRefused
from ledgernode.identity.acceptance import Acceptance, accept_genesis, check_acceptances
from ledgernode.identity.keys import PrivateKey
from ledgernode.wire.genesis import chain_id
from tests.identity.forging import authorities
from tests.identity.founders import NAMES, assembled, bundle

FOUNDED = [
    bundle(authorities(name), admins=("boss", "deputy"), validators={"v-1": f"{name}.example:700{n}"})
    for n, name in enumerate(NAMES)
]
RAW = assembled([founder for founder, _ in FOUNDED])
KEYS = [keys for _, keys in FOUNDED]
ALL = [accept_genesis(RAW, keys[0]) for keys in KEYS]


def changed(raw: bytes, **changes: str) -> bytes:
    return msgspec.json.encode(msgspec.structs.replace(msgspec.json.decode(raw, type=Acceptance), **changes))


def test_all_organisations_must_accept() -> None:
    """Any admin speaks for its organisation; who is missing is named."""
    check_acceptances(RAW, ALL)
    check_acceptances(RAW, [*ALL[1:], accept_genesis(RAW, KEYS[0][1])])
    with pytest.raises(NotApproved, match="accepted the genesis: north"):
        check_acceptances(RAW, ALL[1:])
    with pytest.raises(NotApproved, match="east, north, south, west"):
        check_acceptances(RAW, [])


def test_an_acceptance_names_chain_and_organisation() -> None:
    """As a document others can read."""
    acceptance = msgspec.json.decode(ALL[0], type=Acceptance)
    assert acceptance.chain_id == chain_id(RAW).hex()
    assert acceptance.organisation == "north"
    assert acceptance.public_key == KEYS[0][0].public_key.hex()


def test_only_an_admin_named_in_the_genesis_accepts_it() -> None:
    """Neither a stranger nor a validator."""
    with pytest.raises(RoleRefused, match="no admin's"):
        accept_genesis(RAW, PrivateKey.generate())


def test_an_acceptance_holds_for_one_file_only() -> None:
    """One changed byte is another ledger."""
    other = RAW.replace(b'"majority"', b'"all"')
    with pytest.raises(BadGenesis, match="has accepted another genesis"):
        check_acceptances(other, ALL)
    moved = [changed(raw, chain_id=chain_id(other).hex()) for raw in ALL]
    with pytest.raises(BadSignature):
        check_acceptances(other, moved)


def test_nobody_accepts_for_another_organisation() -> None:
    """The signer must be that organisation's admin, and have signed that name."""
    with pytest.raises(RoleRefused, match="not by one of its admins"):
        check_acceptances(RAW, [*ALL[1:], changed(ALL[1], organisation="north")])
    with pytest.raises(RoleRefused, match="not by one of its admins"):
        check_acceptances(RAW, [changed(ALL[0], public_key=PrivateKey.generate().public_key.hex())])
    borrowed = msgspec.json.decode(ALL[1], type=Acceptance).signature
    with pytest.raises(BadSignature):
        check_acceptances(RAW, [changed(ALL[0], signature=borrowed)])


@pytest.mark.parametrize("raw", [b"", b"{}", b"[1]", changed(ALL[0], signature="xyz"), changed(ALL[0], public_key="1")])
def test_what_is_no_acceptance_is_refused(raw: bytes) -> None:
    """Whatever the bytes."""
    with pytest.raises(BadGenesis, match="cannot be read"):
        check_acceptances(RAW, [raw])


def test_a_genesis_that_does_not_hold_is_not_accepted() -> None:
    """Checking comes before signing."""
    with pytest.raises(BadGenesis):
        accept_genesis(RAW.replace(b'"pbft"', b'"raft"'), KEYS[0][0])
