"""Validators take and leave their seats, one change at a time, after the window."""

from __future__ import annotations

import pytest

from ledgernode.errors import (
    BadArguments,
    BadCertificate,
    GovernanceRefused,
)
from ledgernode.identity.records import Role, rotation_message
from ledgernode.wire.types import IdentityId
from tests.execution.system.decisions import WINDOW, decide, organisation, propose, refused, seats
from tests.execution.system.ledger import DAY_MS, NAMES, Ledger, admin, house

# ---------------------------------------------------------------- validators


def test_a_validator_joins_after_the_window() -> None:
    """The last block of the old set names the new one; the next is of the next epoch."""
    ledger = Ledger()
    joining, change = organisation("omega")
    decide(ledger, "add_organisation", change)
    decide(ledger, "add_validator", {"certificate": joining.validator.certificate, "endpoint": "omega.example:7051"})
    decided = ledger.height
    assert ledger.events["SetChangeDecided"] == {
        "added": joining.validator.id,
        "epoch": 1,
        "last_height": decided + WINDOW,
        "members": 5,
    }
    first_set = ledger.chain.head.current_set
    while ledger.height < decided + WINDOW:
        assert ledger.chain.head.next_set == first_set
        assert joining.validator.id not in seats(ledger)
        ledger.block()
    last = ledger.chain.head
    assert (last.current_set, last.epoch) == (first_set, 0)
    assert last.next_set != first_set
    ledger.block()
    assert (ledger.chain.head.current_set, ledger.chain.head.epoch) == (last.next_set, 1)
    assert seats(ledger)[joining.validator.id] == "omega.example:7051"
    assert ledger.ask("identity", "describe", identity=joining.validator.id)["role"] == "validator"


def test_a_registered_validator_is_seated_by_its_current_certificate() -> None:
    """It keeps its identity."""
    ledger = Ledger(NAMES)
    joining, change = organisation("omega")
    decide(ledger, "add_organisation", change)
    ledger.call(joining.admin, "identity", "register", certificate=joining.validator.certificate)
    decide(ledger, "add_validator", {"certificate": joining.validator.certificate, "endpoint": "omega.example:7051"})
    ledger.blocks(WINDOW + 1)
    assert joining.validator.id in seats(ledger)


def test_a_key_that_was_rotated_away_or_revoked_gets_no_seat() -> None:
    """Only the current key of an active identity does."""
    ledger = Ledger()
    spare, gone = house("alpha").person(Role.VALIDATOR), house("alpha").person(Role.VALIDATOR)
    for person in (spare, gone):
        ledger.call(admin("alpha"), "identity", "register", certificate=person.certificate)
    ledger.call(admin("alpha"), "identity", "revoke", identity=gone.id, reason="sold")
    fresh = house("alpha").person(Role.VALIDATOR)
    proof = fresh.key.sign(rotation_message(IdentityId(bytes.fromhex(spare.id)), fresh.key.public_key)).hex()
    ledger.call(spare, "identity", "rotate", certificate=fresh.certificate, proof=proof)
    for person in (spare, gone):
        change = {"certificate": person.certificate, "endpoint": "h:1", "override": True}
        refused(ledger, "add_validator", change, GovernanceRefused, person.id[:16])


def test_what_is_no_new_validator_is_refused() -> None:
    """One in the set, another role, no endpoint."""
    ledger = Ledger()
    seated, meter = house("beta").validator.certificate, house("beta").person(Role.METER).certificate
    refused(ledger, "add_validator", {"certificate": seated, "endpoint": "h:1"}, GovernanceRefused, "already")
    refused(ledger, "add_validator", {"certificate": meter, "endpoint": "h:1"}, BadCertificate, "validator")
    refused(ledger, "add_validator", {"certificate": seated, "endpoint": "nowhere"}, BadArguments, "host:port")
    for owner in (house("gamma").validator, admin("beta")):
        borrowed = house("beta").person(Role.VALIDATOR, key=owner.key).certificate
        change = {"certificate": borrowed, "endpoint": "h:1", "override": True}
        refused(ledger, "add_validator", change, GovernanceRefused, owner.organisation)


def test_an_organisation_gets_more_than_may_fail_only_by_override() -> None:
    """Recorded in the proposal and told in the event."""
    ledger = Ledger()
    second = house("beta").person(Role.VALIDATOR)
    change = {"certificate": second.certificate, "endpoint": "beta-2.example:7051"}
    refused(ledger, "add_validator", change, GovernanceRefused, "beta would hold 2 of 5")
    proposal = decide(ledger, "add_validator", {**change, "override": True})
    assert ledger.events["SetChangeDecided"]["overridden"].startswith("beta would hold 2 of 5")
    assert ledger.ask("governance", "proposal", proposal=proposal)["change"]["override"] is True


def test_pbft_keeps_four_validators() -> None:
    """With three it would tolerate no fault."""
    change = {"identity": house("beta").validator.id}
    refused(Ledger(), "remove_validator", change, GovernanceRefused, "pbft takes 4 to")


def test_solo_keeps_its_one_validator() -> None:
    """Neither none nor two."""
    ledger = Ledger(("alpha", "beta"), engine="solo")
    spare = {"certificate": house("beta").validator.certificate, "endpoint": "h:1"}
    refused(ledger, "add_validator", spare, GovernanceRefused, "solo takes 1 to 1")
    refused(ledger, "remove_validator", {"identity": house("alpha").validator.id}, GovernanceRefused, "solo takes 1")


def test_a_validator_leaves_after_the_window_and_can_then_be_revoked() -> None:
    """Not before: until then it signs."""
    ledger = Ledger((*NAMES, "sigma"))
    leaving = house("sigma").validator.id
    decide(ledger, "remove_validator", {"identity": leaving})
    ledger.blocks(WINDOW - 1)
    with pytest.raises(GovernanceRefused, match="seat"):
        ledger.call(admin("sigma"), "identity", "revoke", identity=leaving, reason="sold")
    ledger.call(admin("sigma"), "identity", "revoke", identity=leaving, reason="sold")
    assert leaving not in seats(ledger)
    refused_change = {"identity": leaving}
    with pytest.raises(GovernanceRefused, match="not in the validator set"):
        propose(ledger, "remove_validator", refused_change)


def test_an_ended_certificate_takes_no_validator_out_of_the_set() -> None:
    """Only governance does."""
    ledger = Ledger()
    ledger.block(after_ms=400 * DAY_MS)
    ledger.block()
    assert ledger.chain.head.current_set == ledger.chain.header(0).current_set


def test_an_endpoint_changes_within_the_epoch() -> None:
    """Where a validator listens is no part of what it signs."""
    ledger = Ledger()
    mover = house("beta").validator.id
    decide(ledger, "change_endpoint", {"identity": mover, "endpoint": "new.example:7051"})
    assert ledger.events["EndpointChanged"] == {"identity": mover, "endpoint": "new.example:7051"}
    assert seats(ledger)[mover] == "new.example:7051"
    assert ledger.chain.head.next_set == ledger.chain.header(0).current_set
    with pytest.raises(GovernanceRefused):
        propose(ledger, "change_endpoint", {"identity": admin("beta").id, "endpoint": "new.example:7051"})
    with pytest.raises(BadArguments, match="host:port"):
        propose(ledger, "change_endpoint", {"identity": mover, "endpoint": "nowhere"})


def test_an_endpoint_change_reaches_the_set_that_follows_too() -> None:
    """A pending change keeps its members' endpoints up to date."""
    ledger = Ledger((*NAMES, "sigma"))
    mover = house("beta").validator.id
    decide(ledger, "remove_validator", {"identity": house("sigma").validator.id})
    decide(ledger, "change_endpoint", {"identity": mover, "endpoint": "new.example:7051"})
    ledger.blocks(WINDOW + 1)
    assert (ledger.epoch, seats(ledger)[mover]) == (1, "new.example:7051")
