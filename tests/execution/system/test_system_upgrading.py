"""The rules move on at a height that is decided, when enough of those who execute them can."""

from __future__ import annotations

import pytest

from ledgernode.errors import BadArguments, GovernanceRefused, RoleRefused
from ledgernode.wire.genesis import EXECUTION_VERSION
from tests.execution.system.decisions import WINDOW, approve, decide, organisation, propose, refused
from tests.execution.system.ledger import NAMES, Ledger, admin, house

NEXT = EXECUTION_VERSION + 1


def say(ledger: Ledger, *names: str, version: int = NEXT) -> None:
    for name in names:
        ledger.call(house(name).validator, "governance", "ready", version=version)


def change(ledger: Ledger, ahead: int = 20, version: int = NEXT) -> dict[str, int]:
    return {"version": version, "height": ledger.height + ahead}


def test_a_new_ledger_has_the_newest_rules_and_nobody_has_said_anything() -> None:
    """Who has said nothing knows the version in force."""
    found = Ledger().ask("governance", "execution")
    assert (found["version"], found["next_version"], found["next_height"], found["needed"]) == (
        EXECUTION_VERSION,
        0,
        0,
        3,
    )
    assert found["ready"] == {house(name).validator.id: EXECUTION_VERSION for name in NAMES}


def test_the_rules_move_at_the_height_that_was_decided() -> None:
    """Not before it; then the next one may follow."""
    ledger = Ledger()
    say(ledger, "alpha", "beta", "delta")
    wanted = change(ledger)
    decide(ledger, "execution", wanted)
    assert ledger.events["ExecutionMoves"] == wanted
    found = ledger.ask("governance", "execution")
    assert (found["version"], found["next_version"], found["next_height"]) == (
        EXECUTION_VERSION,
        NEXT,
        wanted["height"],
    )
    assert found["ready"][house("gamma").validator.id] == EXECUTION_VERSION
    # the software of this test knows no such version: what is decided holds all the same, and it stops there
    ledger.blocks(wanted["height"] - ledger.height - 1)
    assert ledger.height == wanted["height"] - 1


@pytest.mark.parametrize("ready", [(), ("alpha",), ("alpha", "beta")])
def test_a_quorum_must_be_ready(ready: tuple[str, ...]) -> None:
    """Two of four would stop the ledger; the refusal names who is not ready."""
    ledger = Ledger()
    say(ledger, *ready)
    refused(ledger, "execution", change(ledger), GovernanceRefused, rf"{len(ready)} of 4 .* not ready are .*gamma")


def test_who_takes_its_word_back_is_not_counted() -> None:
    """A proposal that could be made may not be enacted any more: the vote is refused, and can be sent again."""
    ledger = Ledger()
    say(ledger, "alpha", "beta", "delta")
    proposal = propose(ledger, "execution", change(ledger))
    say(ledger, "delta", version=EXECUTION_VERSION)
    approve(ledger, proposal, "beta")
    with pytest.raises(GovernanceRefused, match="not ready are delta"):
        approve(ledger, proposal, "gamma")
    say(ledger, "gamma")
    assert approve(ledger, proposal, "gamma") == "enacted"


def test_those_who_are_about_to_sit_must_be_ready_too() -> None:
    """They execute the height that is decided."""
    ledger = Ledger()
    say(ledger, *NAMES)
    joining, added = organisation("omega")
    decide(ledger, "add_organisation", added)
    decide(ledger, "add_validator", {"certificate": joining.validator.certificate, "endpoint": "omega.example:7051"})
    assert ledger.ask("governance", "validators")["last_height"]
    say(ledger, "alpha", version=EXECUTION_VERSION)
    # three of the four in force, and three of the five that follow, of whom four are needed
    with pytest.raises(GovernanceRefused, match=r"3 of 5 .* alpha .* omega"):
        propose(ledger, "execution", change(ledger))
    ledger.call(joining.validator, "governance", "ready", version=NEXT)
    decide(ledger, "execution", change(ledger), names=("alpha", "beta", "delta"))


@pytest.mark.parametrize("version", [EXECUTION_VERSION - 1, EXECUTION_VERSION, NEXT + 1, 0])
def test_one_version_after_the_other(version: int) -> None:
    """None is skipped, and none comes back."""
    ledger = Ledger()
    say(ledger, *NAMES, version=NEXT + 1)
    refused(ledger, "execution", change(ledger, version=version), GovernanceRefused, f"the next is {NEXT}")


@pytest.mark.parametrize("ahead", [-5, 0, WINDOW + 1, 10_000_005])
def test_the_height_leaves_time_and_is_no_dream(ahead: int) -> None:
    """Every node learns of it before it comes."""
    ledger = Ledger()
    say(ledger, *NAMES)
    refused(ledger, "execution", change(ledger, ahead=ahead), GovernanceRefused, "a block after")


def test_a_decision_is_replaced_until_its_height_has_come() -> None:
    """Later, or sooner: what was decided last holds."""
    ledger = Ledger()
    say(ledger, *NAMES)
    decide(ledger, "execution", change(ledger, ahead=50))
    later = change(ledger, ahead=100)
    decide(ledger, "execution", later)
    assert ledger.ask("governance", "execution")["next_height"] == later["height"]


def test_only_validators_say_it_for_themselves() -> None:
    """No admin, for nobody else; a number that is none is refused."""
    ledger = Ledger()
    with pytest.raises(RoleRefused):
        ledger.call(admin("alpha"), "governance", "ready", version=NEXT)
    for version in (0, -1, 1 << 31):
        with pytest.raises(BadArguments):
            say(ledger, "alpha", version=version)
