"""What a node reads of its newest state: whom to trust, and who was revoked."""

from __future__ import annotations

from ledgernode.execution.system.admission import certified
from ledgernode.identity.records import OrganisationRecord, Role, Status, rotation_message
from ledgernode.node.head import Head
from ledgernode.wire.types import IdentityId
from tests.execution.system.decisions import decide, organisation
from tests.execution.system.ledger import NAMES, START_MS, Ledger, Person, admin, house


def named(person: Person) -> tuple[str, Role, str]:
    """Organisation, role and name, as a certificate says them: what a TLS certificate of the same one says."""
    found = certified(
        person.certificate,
        OrganisationRecord(person.organisation, (house(person.organisation).root.certificate,)),
        START_MS,
    )
    return found.organisation, found.role, found.name


def test_the_roots_of_the_ledgers_organisations_are_told_when_they_change() -> None:
    """All of those that are part of it: a suspended one's validators are still reached; a removed one is forgotten."""
    ledger, told = Ledger(), list[tuple[str, ...]]()
    head = Head(ledger.chain, told.append)
    founders = tuple(house(name).root.certificate for name in sorted(NAMES))
    assert told == [founders]
    ledger.block()
    head.refresh()
    assert len(told) == 1
    joining, change = organisation("omega")
    decide(ledger, "add_organisation", change)
    head.refresh()
    assert told[1:] == [(*founders, joining.root.certificate)]
    decide(ledger, "suspend_organisation", {"name": "omega"})
    head.refresh()
    assert len(told) == 2
    decide(ledger, "remove_organisation", {"name": "omega"})
    head.refresh()
    assert told[2:] == [founders]


def test_a_name_stands_for_whom_it_was_registered_last() -> None:
    """Active, suspended, revoked; a name that nobody registered is unknown."""
    ledger = Ledger()
    head = Head(ledger.chain, lambda _: None)
    clerk = house("beta").person(Role.OPERATOR)
    assert head.status_of(*named(admin("beta"))) is Status.ACTIVE
    assert head.status_of(*named(house("beta").validator)) is Status.ACTIVE
    assert head.status_of(*named(clerk)) is None
    ledger.call(admin("beta"), "identity", "register", certificate=clerk.certificate)
    for function, status in (("suspend", Status.SUSPENDED), ("resume", Status.ACTIVE), ("revoke", Status.REVOKED)):
        ledger.call(admin("beta"), "identity", function, identity=clerk.id, reason="a test")
        assert head.status_of(*named(clerk)) is status
    owner, _, name = named(clerk)
    assert head.status_of(owner, Role.ADMIN, name) is None
    assert head.status_of("alpha", Role.OPERATOR, name) is None


def test_a_new_certificates_name_is_its_owners_too() -> None:
    """After a rotation to a certificate of another name both are, and fall together."""
    ledger = Ledger()
    head = Head(ledger.chain, lambda _: None)
    before, after = house("beta").person(Role.OPERATOR), house("beta").person(Role.OPERATOR)
    ledger.call(admin("beta"), "identity", "register", certificate=before.certificate)
    proof = after.key.sign(rotation_message(IdentityId(bytes.fromhex(before.id)), after.key.public_key)).hex()
    ledger.call(before, "identity", "rotate", certificate=after.certificate, proof=proof)
    assert head.status_of(*named(after)) is Status.ACTIVE
    ledger.call(admin("beta"), "identity", "revoke", identity=before.id, reason="left")
    assert head.status_of(*named(before)) is head.status_of(*named(after)) is Status.REVOKED
