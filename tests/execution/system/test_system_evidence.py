"""A validator that votes for two things at once is recorded, once, by whoever can show both votes."""

from __future__ import annotations

import pytest

from ledgernode.errors import (
    BadArguments,
    BadSignature,
    ContractRefused,
    LedgerError,
    RoleRefused,
    UnknownFault,
    WrongChain,
)
from ledgernode.execution.system.evidence import RECORDED_PER_EPOCH
from ledgernode.identity.records import Role, rotation_message
from ledgernode.wire.types import ChainId, Epoch, Height, IdentityId
from ledgernode.wire.validators import vote_bytes
from ledgernode.wire.voting import Phase, order_vote_bytes
from tests.execution.system.decisions import WINDOW, decide
from tests.execution.system.ledger import NAMES, Ledger, Person, admin, house

LIAR = "beta"
ONE, TWO, THREE = b"\x01" * 32, b"\x02" * 32, b"\x03" * 32


def signed(who: Person, message: bytes) -> str:
    return (message + who.key.sign(message)).hex()


def block_vote(ledger: Ledger, who: Person, choice: bytes, *, height: int = 7, epoch: int = 0) -> str:
    return signed(who, vote_bytes(ledger.chain_id, Epoch(epoch), Height(height), choice))


def order_vote(
    ledger: Ledger, who: Person, choice: bytes, *, phase: Phase = Phase.COMMIT, view: int = 2, sequence: int = 7
) -> str:
    message = order_vote_bytes(ledger.chain_id, Epoch(0), phase, view=view, sequence=sequence, digest=choice)
    return signed(who, message)


def liar() -> Person:
    return house(LIAR).validator


def report(ledger: Ledger, first: str, second: str, *, by: Person | None = None, member: Person | None = None) -> str:
    reporter, accused = by or house("alpha").validator, member or liar()
    fault = ledger.call(reporter, "evidence", "report", member=accused.id, first=first, second=second)
    assert isinstance(fault, str)
    return fault


def refused(ledger: Ledger, first: str, second: str, error: type[LedgerError], words: str, **options: Person) -> None:
    """It is refused, and nothing is recorded."""
    with pytest.raises(error, match=words):
        report(ledger, first, second, **options)
    assert ledger.ask("evidence", "list")["items"] == []


# ---------------------------------------------------------------- what is recorded


def test_two_votes_for_one_block_are_recorded_with_what_they_say() -> None:
    """The fault stands with both votes as they were signed, and an event tells of it."""
    ledger = Ledger()
    votes = (block_vote(ledger, liar(), TWO), block_vote(ledger, liar(), ONE))
    fault = report(ledger, *votes)
    assert ledger.events["Equivocated"] == {
        "fault": fault,
        "member": liar().id,
        "organisation": LIAR,
        "ballot": "block",
        "epoch": 0,
        "height": 7,
        "reported_by": "alpha",
    }
    found = ledger.ask("evidence", "fault", fault=fault)
    assert {found["first"], found["second"]} == set(votes)
    assert (found["ballot"], found["phase"], found["height"]) == ("block", "", 7)
    assert (found["reporter"], found["recorded_height"]) == (house("alpha").validator.id, ledger.height)
    assert found["public_key"] == liar().key.public_key.hex()


@pytest.mark.parametrize("phase", list(Phase))
def test_two_order_votes_of_one_phase_view_and_sequence_are_recorded(phase: Phase) -> None:
    """Pre-prepares included."""
    ledger = Ledger()
    fault = report(ledger, order_vote(ledger, liar(), ONE, phase=phase), order_vote(ledger, liar(), TWO, phase=phase))
    found = ledger.ask("evidence", "fault", fault=fault)
    assert (found["ballot"], found["phase"], found["view"], found["height"]) == ("order", phase.name.lower(), 2, 7)


def test_the_same_fault_is_recorded_once_whoever_shows_it_and_with_whichever_votes() -> None:
    """In another order, by another, with a third vote: the same id, no second record, no second event."""
    ledger = Ledger()
    one, two, three = (block_vote(ledger, liar(), choice) for choice in (ONE, TWO, THREE))
    fault = report(ledger, one, two)
    for pair, reporter in (((two, one), "gamma"), ((one, three), "delta"), ((one, two), "alpha")):
        assert report(ledger, *pair, by=house(reporter).validator) == fault
        assert "Equivocated" not in ledger.events
    (found,) = ledger.ask("evidence", "list")["items"]
    assert (found["id"], found["reported_by"]) == (fault, "alpha")


@pytest.mark.parametrize("role", [Role.OPERATOR, Role.REGULATOR])
def test_people_who_look_after_the_ledger_may_report(role: Role) -> None:
    """Operators and regulators of any organisation, and admins; it is the votes that count."""
    ledger = Ledger()
    person = house("gamma").person(role)
    ledger.call(admin("gamma"), "identity", "register", certificate=person.certificate)
    votes = (block_vote(ledger, liar(), ONE), block_vote(ledger, liar(), TWO))
    fault = report(ledger, *votes, by=person)
    assert ledger.ask("evidence", "fault", fault=fault)["reported_by"] == "gamma"
    again = (block_vote(ledger, liar(), ONE, height=8), block_vote(ledger, liar(), TWO, height=8))
    assert report(ledger, *again, by=admin("beta")) != fault


def test_a_member_is_judged_by_the_set_of_the_epoch_it_voted_in() -> None:
    """After it was removed, and by the key it had then: a retired set is remembered for ever."""
    ledger = Ledger(("alpha", "beta", "delta", "gamma", "kappa"))
    early = (block_vote(ledger, liar(), ONE), block_vote(ledger, liar(), TWO))
    decide(ledger, "remove_validator", {"identity": liar().id})
    ledger.blocks(WINDOW + 1)
    assert ledger.epoch == 1
    assert [len(ledger.ask("governance", "members_in", epoch=epoch)) for epoch in (0, 1, 2)] == [5, 4, 0]
    report(ledger, *early)
    late = tuple(block_vote(ledger, liar(), choice, epoch=1) for choice in (ONE, TWO))
    with pytest.raises(ContractRefused, match="NO_MEMBER"):
        report(ledger, *late)


def test_a_key_speaks_for_the_epochs_in_which_the_set_named_it() -> None:
    """After a rotation the old key's votes of the next epoch are nobody's, and the new key's are its owner's."""
    ledger = Ledger()
    fresh = house("gamma").person(Role.VALIDATOR)
    old = house("gamma").validator
    proof = fresh.key.sign(rotation_message(IdentityId(bytes.fromhex(old.id)), fresh.key.public_key)).hex()
    ledger.call(old, "identity", "rotate", certificate=fresh.certificate, proof=proof)
    ledger.blocks(WINDOW + 1)
    assert ledger.epoch == 1
    with pytest.raises(BadSignature):
        report(ledger, *(block_vote(ledger, old, choice, epoch=1) for choice in (ONE, TWO)), member=old)
    report(ledger, *(block_vote(ledger, fresh, choice, epoch=1) for choice in (ONE, TWO)), member=old)
    report(ledger, *(block_vote(ledger, old, choice, epoch=0) for choice in (ONE, TWO)), member=old)
    assert len(ledger.ask("evidence", "list", organisation="gamma")["items"]) == 2


# ---------------------------------------------------------------- what is refused


def test_votes_that_an_honest_validator_may_cast_are_no_fault() -> None:
    """The same vote twice; different views, phases, sequences, heights, or kinds of vote."""
    ledger, who = Ledger(), liar()
    block, order = block_vote(ledger, who, ONE), order_vote(ledger, who, ONE)
    honest = [
        (block, block),
        (block, block_vote(ledger, who, TWO, height=8)),
        (block, block_vote(ledger, who, TWO, epoch=1)),
        (order, order_vote(ledger, who, TWO, view=3)),
        (order, order_vote(ledger, who, TWO, sequence=8)),
        (order, order_vote(ledger, who, TWO, phase=Phase.PREPARE)),
        (order, block_vote(ledger, who, TWO)),
    ]
    for first, second in honest:
        refused(ledger, first, second, ContractRefused, "NO_CONTRADICTION")


def test_a_vote_that_its_author_did_not_sign_proves_nothing() -> None:
    """Forged by another, one of two, and a high s."""
    ledger = Ledger()
    true, other = block_vote(ledger, liar(), ONE), house("alpha").validator
    forged = block_vote(ledger, other, TWO)
    refused(ledger, true, forged, BadSignature, "not the member's")
    refused(ledger, forged, true, BadSignature, "not the member's")
    refused(ledger, true, block_vote(ledger, liar(), TWO)[:-128] + true[-128:], BadSignature, "not the member's")


def test_anothers_votes_accuse_nobody_else() -> None:
    """The member named must be the one who signed, and one of the set."""
    ledger = Ledger()
    votes = (block_vote(ledger, liar(), ONE), block_vote(ledger, liar(), TWO))
    refused(ledger, *votes, BadSignature, "not the member's", member=house("gamma").validator)
    refused(ledger, *votes, ContractRefused, "NO_MEMBER", member=admin("gamma"))


def test_votes_of_another_ledger_or_of_no_epoch_are_refused() -> None:
    """A validator may serve several ledgers with one key; an epoch that has not begun has no members."""
    ledger = Ledger()
    elsewhere = [signed(liar(), vote_bytes(ChainId(ONE), Epoch(0), Height(7), choice)) for choice in (ONE, TWO)]
    refused(ledger, *elsewhere, WrongChain, "not this ledger")
    ahead = [block_vote(ledger, liar(), choice, epoch=1) for choice in (ONE, TWO)]
    refused(ledger, *ahead, ContractRefused, "NO_MEMBER")


def test_what_is_no_vote_is_refused() -> None:
    """Not hex, cut, too long, another tag, a phase that is none; and a name that is none."""
    ledger = Ledger()
    good, other = order_vote(ledger, liar(), ONE), order_vote(ledger, liar(), TWO)
    phase_at = 2 * (24 + 32 + 8)
    broken = ["", "x", good[:-2], good + "00", "00" + good[2:], good[:phase_at] + "03" + good[phase_at + 2 :]]
    for text in broken:
        refused(ledger, text, other, BadArguments, "a vote is given in hex")
        refused(ledger, other, text, BadArguments, "a vote is given in hex")
    with pytest.raises(BadArguments, match="identity"):
        ledger.call(admin("alpha"), "evidence", "report", member="nobody", first=good, second=other)


def test_customers_and_devices_do_not_report() -> None:
    """What they hold they give to an operator."""
    ledger = Ledger()
    votes = (block_vote(ledger, liar(), ONE), block_vote(ledger, liar(), TWO))
    for role in (Role.CUSTOMER, Role.METER, Role.GATEWAY):
        person = house("alpha").person(role)
        ledger.call(admin("alpha"), "identity", "register", certificate=person.certificate)
        refused(ledger, *votes, RoleRefused, "role", by=person)


def test_a_member_fills_its_own_bound_and_no_others() -> None:
    """So many faults of one member in one epoch; another member's are still recorded."""
    ledger = Ledger()

    def pair(who: Person, height: int) -> list[str]:
        return [block_vote(ledger, who, choice, height=height) for choice in (ONE, TWO)]

    for height in range(RECORDED_PER_EPOCH):
        report(ledger, *pair(liar(), height))
    with pytest.raises(ContractRefused, match="ENOUGH_RECORDED"):
        report(ledger, *pair(liar(), RECORDED_PER_EPOCH))
    report(ledger, *pair(liar(), 0))
    report(ledger, *pair(house("gamma").validator, RECORDED_PER_EPOCH), member=house("gamma").validator)
    assert len(ledger.ask("evidence", "list", organisation=LIAR)["items"]) == RECORDED_PER_EPOCH


# ---------------------------------------------------------------- queries


def test_faults_are_listed_by_organisation_and_epoch_in_pages() -> None:
    """Each once, wherever the pages are cut."""
    ledger = Ledger(NAMES)
    made = {
        name: [
            report(
                ledger,
                *(block_vote(ledger, house(name).validator, choice, height=height) for choice in (ONE, TWO)),
                member=house(name).validator,
            )
            for height in range(3)
        ]
        for name in ("beta", "gamma")
    }
    everyone = {fault for faults in made.values() for fault in faults}
    for options, wanted in (
        ({}, everyone),
        ({"epoch": 0}, everyone),
        ({"epoch": 1}, set()),
        ({"organisation": "beta"}, set(made["beta"])),
        ({"organisation": "gamma", "epoch": 0}, set(made["gamma"])),
        ({"organisation": "gamma", "epoch": 1}, set()),
        ({"organisation": "alpha"}, set()),
    ):
        found, bookmark = list[str](), ""
        while True:
            page = ledger.ask("evidence", "list", **options, size=2, bookmark=bookmark)
            found += [fault["id"] for fault in page["items"]]
            bookmark = page["bookmark"]
            if not bookmark:
                break
        assert sorted(found) == sorted(wanted), options


def test_a_fault_that_is_not_recorded_is_not_found() -> None:
    """Nor is a made-up id."""
    with pytest.raises(UnknownFault):
        Ledger().ask("evidence", "fault", fault="00" * 32)
