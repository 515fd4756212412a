"""A certificate speaks for one organisation only."""

from __future__ import annotations

import msgspec
import pytest

from ledgernode.errors import BadCertificate, GovernanceRefused
from ledgernode.execution.system.admission import ROOTS, admitted, with_roots
from ledgernode.execution.system.founding import found
from ledgernode.identity.authority import create_root
from ledgernode.identity.records import OrganisationRecord, Role, Status
from ledgernode.wire.parameters import Parameters
from ledgernode.wire.types import ChainId
from tests.execution.system.ledger import DAY_MS, START_MS, genesis_of, house


def test_a_chain_of_one_organisation_admits_nobody_to_another() -> None:
    """Not even where the other lists the same root."""
    person = house("alpha").person(Role.ADMIN)
    impostor = OrganisationRecord("beta", (house("alpha").root.certificate,))
    with pytest.raises(BadCertificate, match="not of beta"):
        admitted(person.certificate, impostor, START_MS)


def test_an_ended_root_does_not_keep_the_next_one_out() -> None:
    """Only roots that are new are checked, so that an organisation can mend itself."""
    old = create_root("alpha", now_ms=START_MS, days=1)
    later = START_MS + 2 * DAY_MS
    organisation = OrganisationRecord("alpha", (old.certificate,), Status.SUSPENDED)
    fresh = create_root("alpha", now_ms=later).certificate
    assert with_roots(organisation, (old.certificate, fresh), later).roots == (old.certificate, fresh)
    assert with_roots(organisation, (old.certificate, fresh), later).status is Status.SUSPENDED
    with pytest.raises(BadCertificate):
        with_roots(OrganisationRecord("alpha", (fresh,)), (fresh, old.certificate), later)


def test_roots_are_bounded() -> None:
    """Refused before any is read."""
    with pytest.raises(GovernanceRefused, match=f"1 to {ROOTS}"):
        with_roots(OrganisationRecord("alpha", ()), [str(number) for number in range(ROOTS + 1)], START_MS)


CHAIN = ChainId(bytes(32))


def test_founding_is_the_same_for_the_same_genesis() -> None:
    """Records by contract and key, in one order, each key once."""
    genesis = genesis_of(("alpha", "beta", "delta", "gamma"), engine="pbft", policy="all", parameters=Parameters())
    records = found(genesis, CHAIN)
    places = [(contract, key) for contract, key, _ in records]
    assert places == sorted(set(places))
    assert msgspec.msgpack.encode(records) == msgspec.msgpack.encode(found(genesis, CHAIN))
