"""Organisations come and go, and none is left that could not act."""

from __future__ import annotations

import pytest

from ledgernode.errors import (
    BadCertificate,
    GovernanceRefused,
    SuspendedSigner,
    UnknownOrganisation,
)
from ledgernode.identity.authority import create_intermediate, create_root
from ledgernode.identity.records import Role
from tests.execution.system.decisions import WINDOW, decide, organisation, propose, refused
from tests.execution.system.ledger import DAY_MS, NAMES, START_MS, House, Ledger, admin, house

# ---------------------------------------------------------------- organisations


def test_an_organisation_joins_with_its_admins() -> None:
    """It has a vote from the next block on."""
    ledger = Ledger()
    joining, change = organisation("omega", admins=2)
    decide(ledger, "add_organisation", change)
    assert ledger.events["OrganisationAdded"]["organisation"] == "omega"
    assert joining.admin.id in ledger.ask("identity", "admins", organisation="omega")
    assert ledger.ask("governance", "organisations")["omega"] == "active"
    decide(ledger, "parameters", {"events": 100}, names=("omega", "alpha", "beta"))


def test_an_organisation_that_cannot_stand_is_refused() -> None:
    """No admin, no root, foreign certificates, one admin twice, a name that is taken."""
    ledger = Ledger()
    joining, change = organisation("omega")
    customer = joining.person(Role.CUSTOMER).certificate
    refused(ledger, "add_organisation", {**change, "admins": []}, GovernanceRefused, "no admin")
    refused(ledger, "add_organisation", {**change, "roots": []}, GovernanceRefused, "roots")
    refused(ledger, "add_organisation", {**change, "admins": [customer]}, BadCertificate, "admin")
    refused(ledger, "add_organisation", {**change, "admins": change["admins"] * 2}, GovernanceRefused, "twice")
    refused(ledger, "add_organisation", {**change, "name": "omicron"}, BadCertificate)
    refused(ledger, "add_organisation", {**change, "name": "beta"}, GovernanceRefused, "organisation beta")
    refused(ledger, "add_organisation", {**change, "roots": [house("beta").root.certificate]}, BadCertificate)
    borrowed = joining.person(Role.ADMIN, key=admin("beta").key).certificate
    refused(ledger, "add_organisation", {**change, "admins": [borrowed]}, GovernanceRefused, "is, or was")


def test_a_suspended_organisation_is_refused_until_it_is_resumed() -> None:
    """All of its signers, by the records of the block's start."""
    ledger = Ledger()
    decide(ledger, "suspend_organisation", {"name": "gamma"})
    with pytest.raises(SuspendedSigner, match="gamma"):
        propose(ledger, "policy", {"policy": "all"}, by="gamma")
    refused_again = {"name": "gamma"}
    with pytest.raises(GovernanceRefused, match="suspended"):
        propose(ledger, "suspend_organisation", refused_again)
    decide(ledger, "resume_organisation", {"name": "gamma"}, names=("alpha", "beta"))
    propose(ledger, "policy", {"policy": "all"}, by="gamma")


def test_a_counted_policy_follows_a_change_of_the_membership() -> None:
    """ "N of M" is exact about M: the same proposal names what follows, and both take effect together."""
    ledger = Ledger(policy="3 of 4")
    _, change = organisation("omega")
    refused(ledger, "add_organisation", change, GovernanceRefused, 'name the "policy"')
    refused(ledger, "suspend_organisation", {"name": "gamma"}, GovernanceRefused, 'name the "policy"')
    decide(ledger, "add_organisation", {**change, "policy": "4 of 5"})
    assert ledger.ask("governance", "policy")["needed"] == 4
    names = ("alpha", "beta", "delta", "omega")
    decide(ledger, "suspend_organisation", {"name": "gamma", "policy": "majority"}, names=names)
    assert ledger.events["OrganisationSuspended"] == {"organisation": "gamma", "policy": "majority"}
    assert ledger.ask("governance", "policy") == {"policy": "majority", "needed": 3, "active": list(names)}


def test_the_last_active_organisation_stays() -> None:
    """A ledger without one could never decide again."""
    ledger = Ledger(("alpha",), engine="solo")
    for kind in ("suspend_organisation", "remove_organisation"):
        with pytest.raises(GovernanceRefused):
            propose(ledger, kind, {"name": "alpha"})


def test_an_organisation_is_removed_after_its_validators() -> None:
    """For ever: it can be neither resumed nor added again."""
    ledger = Ledger((*NAMES, "sigma"))
    change = {"name": "sigma"}
    refused(ledger, "remove_organisation", change, GovernanceRefused, "validators in the set")
    decide(ledger, "remove_validator", {"identity": house("sigma").validator.id})
    with pytest.raises(GovernanceRefused, match="validators in the set"):
        propose(ledger, "remove_organisation", change)
    ledger.blocks(WINDOW)
    decide(ledger, "remove_organisation", change)
    assert ledger.ask("governance", "organisations")["sigma"] == "revoked"
    for kind, again in (("resume_organisation", change), ("add_organisation", organisation("sigma")[1])):
        with pytest.raises(GovernanceRefused):
            propose(ledger, kind, again)


def test_an_unknown_organisation_is_refused() -> None:
    """With the leaf for it."""
    for kind in ("suspend_organisation", "resume_organisation", "remove_organisation"):
        refused(Ledger(), kind, {"name": "omega"}, UnknownOrganisation)


# ---------------------------------------------------------------- roots and admins


def test_roots_overlap_while_one_replaces_the_other() -> None:
    """Both certify; after the old one is retired only the new one does, and who was registered stays."""
    ledger = Ledger()
    root = create_root("alpha", now_ms=START_MS)
    issuing = create_intermediate(root, now_ms=START_MS)
    by_new, early = house("alpha").person(Role.METER, issuing=issuing), house("alpha").person(Role.METER)
    with pytest.raises(BadCertificate):
        ledger.call(admin("alpha"), "identity", "register", certificate=by_new.certificate)
    decide(ledger, "add_root", {"organisation": "alpha", "root": root.certificate})
    for person in (by_new, early):
        ledger.call(admin("alpha"), "identity", "register", certificate=person.certificate)
    decide(ledger, "retire_root", {"organisation": "alpha", "root": house("alpha").root.certificate})
    late = house("alpha").person(Role.METER)
    with pytest.raises(BadCertificate):
        ledger.call(admin("alpha"), "identity", "register", certificate=late.certificate)
    assert ledger.ask("identity", "describe", identity=early.id)["status"] == "active"


def test_roots_that_would_break_an_organisation_are_refused() -> None:
    """The last one cannot go; a foreign, a known and no root at all cannot come."""
    ledger = Ledger()
    own = {"organisation": "alpha", "root": house("alpha").root.certificate}
    refused(ledger, "retire_root", own, GovernanceRefused, "only root")
    refused(ledger, "retire_root", {**own, "root": "x"}, GovernanceRefused, "no root of alpha")
    refused(ledger, "add_root", own, GovernanceRefused, "different roots")
    refused(ledger, "add_root", {**own, "root": house("beta").root.certificate}, BadCertificate)
    refused(ledger, "add_root", {**own, "root": house("alpha").issuing.certificate}, BadCertificate)


def test_the_others_can_give_an_organisation_an_admin_again() -> None:
    """Its only admin's certificate has ended; the others decide on a new one."""
    ledger = Ledger()
    lone = House("omega")
    short = lone.person(Role.ADMIN, days=2)
    decide(
        ledger, "add_organisation", {"name": "omega", "roots": [lone.root.certificate], "admins": [short.certificate]}
    )
    decide(ledger, "suspend_organisation", {"name": "omega"})
    ledger.block(after_ms=3 * DAY_MS)
    with pytest.raises(GovernanceRefused, match="add_admin"):
        propose(ledger, "resume_organisation", {"name": "omega"})
    fresh = lone.person(Role.ADMIN, at_ms=ledger.time_ms)
    decide(ledger, "add_admin", {"certificate": fresh.certificate})
    assert ledger.events["AdminAdded"] == {"identity": fresh.id, "organisation": "omega"}
    decide(ledger, "resume_organisation", {"name": "omega"})
    ledger.call(fresh, "governance", "propose", kind="policy", change={"policy": "all"})


def test_a_known_key_or_another_role_is_no_new_admin() -> None:
    """A key is registered once."""
    refused(Ledger(), "add_admin", {"certificate": admin("beta").certificate}, GovernanceRefused, "is, or was")
    refused(Ledger(), "add_admin", {"certificate": house("beta").person(Role.METER).certificate}, BadCertificate)
