"""How the organisations decide together what the ledger is."""

from __future__ import annotations

from typing import Any

import pytest

from ledgernode.errors import (
    BadArguments,
    BadParameters,
    GovernanceRefused,
    LedgerError,
    RoleRefused,
    UnknownProposal,
)
from ledgernode.identity.keys import PrivateKey
from ledgernode.identity.records import Role
from ledgernode.wire.parameters import Parameters
from tests.execution.system.decisions import LIFETIME_MS, WINDOW, approve, decide, propose, refused
from tests.execution.system.ledger import NAMES, Ledger, admin, house

# ---------------------------------------------------------------- voting


def test_the_vote_that_satisfies_the_policy_enacts_the_change() -> None:
    """More than half of four is three; the proposer's is the first."""
    ledger = Ledger()
    proposal = propose(ledger, "parameters", {"block_transactions": 500})
    assert ledger.events["ProposalMade"]["proposal"] == proposal
    assert approve(ledger, proposal, "beta") == "open"
    assert ledger.ask("governance", "parameters")["block_transactions"] == 2_000
    assert approve(ledger, proposal, "gamma") == "enacted"
    assert ledger.events["ParametersChanged"] == {"block_transactions": 500}
    assert ledger.events["ProposalEnacted"] == {"proposal": proposal, "kind": "parameters"}
    assert ledger.ask("governance", "parameters")["block_transactions"] == 500
    record = ledger.ask("governance", "proposal", proposal=proposal)
    assert (record["stage"], record["approvals"]) == ("enacted", ["alpha", "beta", "gamma"])


def test_parameters_hold_from_the_next_block() -> None:
    """The executor itself reads what was decided."""
    ledger = Ledger()
    decide(ledger, "parameters", {"key_bytes": 300})
    decide(ledger, "parameters", {"events": 4})
    people = [house("alpha").person(Role.METER).certificate for _ in range(5)]
    with pytest.raises(LedgerError, match="at most 4 events"):
        ledger.call(admin("alpha"), "identity", "register_many", certificates=people)


def test_an_organisation_has_one_vote_whichever_admin_casts_it() -> None:
    """A second admin, or the same again, adds nothing."""
    ledger = Ledger()
    second = house("alpha").person(Role.ADMIN)
    ledger.call(admin("alpha"), "identity", "register", certificate=second.certificate)
    proposal = propose(ledger, "parameters", {"events": 100})
    for person in (second, admin("alpha")):
        for step in ("approve", "reject"):
            with pytest.raises(GovernanceRefused, match="has voted"):
                ledger.call(person, "governance", step, proposal=proposal)
    assert ledger.ask("governance", "proposal", proposal=proposal)["approvals"] == ["alpha"]


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.ADMIN])
def test_only_admins_take_part(role: Role) -> None:
    """Neither proposing nor voting."""
    ledger = Ledger()
    person = house("alpha").person(role)
    ledger.call(admin("alpha"), "identity", "register", certificate=person.certificate)
    with pytest.raises(RoleRefused):
        ledger.call(person, "governance", "propose", kind="policy", change={"policy": "all"})
    proposal = propose(ledger, "policy", {"policy": "all"}, by="alpha")
    for step in ("approve", "reject", "withdraw"):
        with pytest.raises(RoleRefused, match="takes the role admin"):
            ledger.call(person, "governance", step, proposal=proposal)


def test_a_proposal_that_can_no_longer_be_approved_is_defeated() -> None:
    """Two of four against: three can never agree."""
    ledger = Ledger()
    proposal = propose(ledger, "policy", {"policy": "all"})
    assert ledger.call(admin("beta"), "governance", "reject", proposal=proposal) == "open"
    assert ledger.call(admin("delta"), "governance", "reject", proposal=proposal) == "defeated"
    assert "ProposalDefeated" in ledger.events
    with pytest.raises(UnknownProposal, match="defeated"):
        approve(ledger, proposal, "gamma")


def test_a_proposal_is_withdrawn_by_its_organisation_only() -> None:
    """And is closed then."""
    ledger = Ledger()
    proposal = propose(ledger, "policy", {"policy": "all"})
    with pytest.raises(RoleRefused):
        ledger.call(admin("beta"), "governance", "withdraw", proposal=proposal)
    ledger.call(admin("alpha"), "governance", "withdraw", proposal=proposal)
    assert ledger.events["ProposalWithdrawn"]["proposal"] == proposal
    with pytest.raises(UnknownProposal, match="withdrawn"):
        approve(ledger, proposal, "beta")


def test_a_proposal_expires_by_the_contracts_own_timer() -> None:
    """In the first block at or after its time; a vote that comes with that block is too late."""
    ledger = Ledger()
    proposal = propose(ledger, "policy", {"policy": "all"})
    ledger.block(after_ms=LIFETIME_MS - 1)
    assert ledger.ask("governance", "proposal", proposal=proposal)["stage"] == "open"
    ledger.time_ms += 1 - 1_000
    with pytest.raises(UnknownProposal, match="expired"):
        approve(ledger, proposal, "beta")
    assert ledger.events["ProposalExpired"] == {"proposal": proposal, "kind": "policy"}
    assert ledger.ask("governance", "proposal", proposal=proposal)["closed_ms"] == ledger.time_ms


def test_a_vote_after_the_time_is_too_late_though_the_timer_waits() -> None:
    """Only one timer's budget fits into a block: the second proposal stands open, and is over all the same."""
    ledger = Ledger(parameters=Parameters(timer_budget=20_000))
    for number in range(2):
        propose(ledger, "parameters", {"events": 100 + number})
    ledger.block(after_ms=LIFETIME_MS - 2_000)
    ledger.time_ms += 1_000
    (late,) = (p["id"] for p in ledger.ask("governance", "proposals", stage="open")["items"][1:])
    with pytest.raises(UnknownProposal, match="is over"):
        approve(ledger, late, "beta")
    ledger.block()
    assert ledger.ask("governance", "proposal", proposal=late)["stage"] == "expired"


def test_a_closed_proposal_has_no_timer_left() -> None:
    """Nothing happens when its time comes."""
    ledger = Ledger()
    decide(ledger, "policy", {"policy": "all"})
    ledger.block(after_ms=2 * LIFETIME_MS)
    assert ledger.receipts == []


def test_nobody_but_the_timer_expires_a_proposal() -> None:
    """An admin cannot."""
    ledger = Ledger()
    proposal = propose(ledger, "policy", {"policy": "all"})
    with pytest.raises(RoleRefused, match="timer"):
        ledger.call(admin("alpha"), "governance", "expire", proposal=proposal)


def test_open_proposals_of_one_organisation_are_bounded() -> None:
    """Others are not kept from proposing by it."""
    ledger = Ledger()
    made = [propose(ledger, "parameters", {"events": 100 + number}) for number in range(16)]
    with pytest.raises(GovernanceRefused, match="16 open proposals"):
        propose(ledger, "parameters", {"events": 99})
    propose(ledger, "parameters", {"events": 99}, by="beta")
    ledger.call(admin("alpha"), "governance", "withdraw", proposal=made[0])
    propose(ledger, "parameters", {"events": 99})


def test_an_unknown_proposal_is_refused() -> None:
    """With the leaf for it."""
    with pytest.raises(UnknownProposal):
        approve(Ledger(), "0123456789abcdef", "alpha")


def test_a_vote_that_is_sent_again_settles_after_the_membership_has_changed() -> None:
    """Two of four were not enough; two of three are."""
    ledger = Ledger()
    proposal = propose(ledger, "parameters", {"events": 100})
    approve(ledger, proposal, "beta")
    decide(ledger, "suspend_organisation", {"name": "gamma"})
    assert approve(ledger, proposal, "beta") == "enacted"


def test_votes_of_a_suspended_organisation_do_not_count() -> None:
    """It approved while it was active."""
    ledger = Ledger()
    proposal = propose(ledger, "parameters", {"events": 100}, by="gamma")
    decide(ledger, "suspend_organisation", {"name": "gamma"})
    assert approve(ledger, proposal, "alpha") == "open"
    assert approve(ledger, proposal, "beta") == "enacted"


def test_a_change_is_examined_again_when_it_is_enacted() -> None:
    """The completing vote is refused with the reason, and can be sent again once the reason is gone."""
    ledger = Ledger((*NAMES, "sigma"))
    proposal = propose(ledger, "remove_validator", {"identity": house("beta").validator.id})
    names = ("alpha", "beta", "delta")
    decide(ledger, "remove_validator", {"identity": house("alpha").validator.id}, names=names)
    approve(ledger, proposal, "beta")
    with pytest.raises(GovernanceRefused, match="pending"):
        approve(ledger, proposal, "gamma")
    assert ledger.ask("governance", "proposal", proposal=proposal)["approvals"] == ["alpha", "beta"]
    ledger.blocks(WINDOW)
    with pytest.raises(GovernanceRefused, match="4 to"):
        approve(ledger, proposal, "gamma")


# ---------------------------------------------------------------- policy


@pytest.mark.parametrize(("policy", "votes"), [("majority", 3), ("all", 4), ("1 of 4", 1), ("4 of 4", 4)])
def test_each_policy_asks_for_its_own_number(policy: str, votes: int) -> None:
    """Neither one less nor one more."""
    ledger = Ledger(policy=policy)
    assert ledger.ask("governance", "policy") == {"policy": policy, "needed": votes, "active": list(NAMES)}
    decide(ledger, "parameters", {"events": 100}, names=NAMES[:votes])


def test_a_new_policy_holds_for_the_next_decision() -> None:
    """The one before decides about it."""
    ledger = Ledger()
    decide(ledger, "policy", {"policy": "2 of 4"})
    decide(ledger, "parameters", {"events": 100}, names=("gamma", "delta"))
    assert ledger.ask("governance", "parameters")["events"] == 100


@pytest.mark.parametrize("policy", ["5 of 4", "2 of 5", "0 of 4", "most", "majority"])
def test_a_policy_that_cannot_be_satisfied_is_refused(policy: str) -> None:
    """Or is no policy, or is the one in force."""
    refused(Ledger(), "policy", {"policy": policy}, GovernanceRefused)


# ---------------------------------------------------------------- numbers


def test_parameters_that_would_stop_the_ledger_are_refused() -> None:
    """When they are proposed, before anyone votes."""
    refused(Ledger(), "parameters", {"body_bytes": 10}, BadParameters, "body_bytes")
    refused(Ledger(), "parameters", {"colour": 10}, BadArguments, "colour")
    refused(Ledger(), "coronation", {}, BadArguments, "coronation")


# ---------------------------------------------------------------- queries


def test_proposals_are_listed_by_stage_oldest_first() -> None:
    """In pages, each once."""
    ledger = Ledger()
    first, second, third = (propose(ledger, "parameters", {"events": 100 + n}) for n in range(3))
    ledger.call(admin("alpha"), "governance", "withdraw", proposal=second)
    decide(ledger, "policy", {"policy": "all"})

    def listed(**arguments: Any) -> list[str]:
        return [record["id"] for record in ledger.ask("governance", "proposals", **arguments)["items"]]

    assert listed(stage="open") == [first, third]
    assert listed(stage="withdrawn") == [second]
    assert len(listed(stage="enacted")) == 1
    assert listed()[:3] == [first, second, third]
    page = ledger.ask("governance", "proposals", stage="open", size=1)
    rest = ledger.ask("governance", "proposals", stage="open", size=1, bookmark=page["bookmark"])
    assert [page["items"][0]["id"], rest["items"][0]["id"], rest["bookmark"]] == [first, third, ""]
    with pytest.raises(BadArguments, match="stage"):
        listed(stage="forgotten")


def test_the_engine_is_known_to_all() -> None:
    """As genesis named it."""
    assert Ledger().ask("governance", "engine") == "pbft"


def test_only_identity_replaces_a_validators_key() -> None:
    """An admin cannot send it."""
    with pytest.raises(RoleRefused, match="only the contract identity"):
        Ledger().call(
            admin("alpha"),
            "governance",
            "replace_validator_key",
            identity=house("beta").validator.id,
            public_key=PrivateKey.generate().public_key.hex(),
        )
