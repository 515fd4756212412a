"""Tariffs take effect at their time, by two people, and never backwards."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from chaincode.pricing import Levy, Tariff
from ledgernode.errors import ContractRefused
from ledgernode.testing import Member, TestLedger
from tests.chaincode.test_pricing import flat

SOURCE = "src/chaincode/tariff.py"
DAY_MS = 86_400_000


class Scene:
    def __init__(self) -> None:
        self.ledger = TestLedger(organisations=("north", "south"))
        self.ledger.deploy(SOURCE)
        self.chief = self.ledger.admin("north")
        self.clerk = self.ledger.identity("clerk", role="operator", organisation="north")

    def propose(self, signer: Member, function: str, **arguments: Any) -> Any:
        return self.ledger.submit(signer, "tariff", function, **msgspec.to_builtins(arguments)).result

    def code(self, signer: Member, function: str, **arguments: Any) -> str:
        outcome = self.ledger.attempt(signer, "tariff", function, **msgspec.to_builtins(arguments))
        return outcome.code.removeprefix("tariff.")

    def decide(self, tariff: Tariff, from_ms: int) -> None:
        proposal = self.propose(self.clerk, "propose_tariff", tariff=tariff, from_ms=from_ms)
        self.ledger.submit(self.chief, "tariff", "approve", proposal=proposal)

    def price(self, at_ms: int) -> int:
        found = self.ledger.query(self.clerk, "tariff", "tariff", id="north:flat", at_ms=at_ms)
        price: int = found["bands"][0]["price_micro"]
        return price


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_a_tariff_holds_from_its_time_on_and_the_one_before_until_then(scene: Scene) -> None:
    """Whoever asks for a time gets the version of that time, before and after the change."""
    now_ms = scene.ledger.time_ms
    scene.decide(flat(300_000), now_ms + 1_000)
    scene.decide(flat(350_000), now_ms + DAY_MS)
    assert scene.price(now_ms + 1_000) == scene.price(now_ms + DAY_MS - 1) == 300_000
    assert scene.price(now_ms + DAY_MS) == 350_000
    with pytest.raises(ContractRefused, match="no tariff north:flat holds"):
        scene.price(now_ms + 999)
    versions = scene.ledger.query(scene.clerk, "tariff", "versions", id="north:flat")
    assert [version["from_ms"] - now_ms for version in versions] == [1_000, DAY_MS]


def test_a_tariff_change_needs_a_second_person(scene: Scene) -> None:
    """Staff actions that move money need two: the contract refuses one, and other organisations."""
    ahead_ms = scene.ledger.time_ms + DAY_MS
    proposal = scene.propose(scene.clerk, "propose_tariff", tariff=flat(), from_ms=ahead_ms)
    assert scene.code(scene.clerk, "approve", proposal=proposal) == "SAME_PERSON"
    assert scene.code(scene.ledger.admin("south"), "approve", proposal=proposal) == "NOT_YOUR_ORGANISATION"
    assert scene.code(scene.ledger.identity("anna"), "approve", proposal=proposal) == "ROLE_REFUSED"
    [waiting] = scene.ledger.query(scene.chief, "tariff", "proposals", organisation="north")
    assert waiting["id"] == proposal
    assert scene.code(scene.chief, "approve", proposal=proposal) == "OK"
    assert scene.code(scene.chief, "approve", proposal=proposal) == "PROPOSAL_UNKNOWN"


def test_a_withdrawn_proposal_decides_nothing(scene: Scene) -> None:
    """It is gone, for whoever would approve it."""
    proposal = scene.propose(scene.clerk, "propose_tariff", tariff=flat(), from_ms=scene.ledger.time_ms + DAY_MS)
    assert scene.code(scene.chief, "withdraw", proposal=proposal) == "OK"
    assert scene.code(scene.chief, "approve", proposal=proposal) == "PROPOSAL_UNKNOWN"


def test_nothing_is_changed_backwards(scene: Scene) -> None:
    """Neither a time that has passed, also by waiting, nor one before a version that is decided."""
    now_ms = scene.ledger.time_ms
    assert scene.code(scene.clerk, "propose_tariff", tariff=flat(), from_ms=now_ms - 1) == "NOTICE_TOO_SHORT"
    late = scene.propose(scene.clerk, "propose_tariff", tariff=flat(), from_ms=now_ms + 5_000)
    scene.ledger.advance(seconds=6)
    assert scene.code(scene.chief, "approve", proposal=late) == "NOTICE_TOO_SHORT"
    scene.decide(flat(1), now_ms + DAY_MS)
    early = scene.propose(scene.clerk, "propose_tariff", tariff=flat(2), from_ms=now_ms + DAY_MS - 1)
    assert scene.code(scene.chief, "approve", proposal=early) == "BACKDATED"


def test_a_change_is_announced_as_long_before_as_the_utility_has_decided(scene: Scene) -> None:
    """Once 30 days' notice is the rule, sooner is refused."""
    now_ms = scene.ledger.time_ms
    rules = scene.propose(
        scene.clerk, "propose_rules", utility="north", rules={"notice_ms": 30 * DAY_MS}, from_ms=now_ms + 1_000
    )
    scene.ledger.submit(scene.chief, "tariff", "approve", proposal=rules)
    scene.ledger.advance(seconds=2)
    assert scene.code(scene.clerk, "propose_tariff", tariff=flat(), from_ms=now_ms + 29 * DAY_MS) == "NOTICE_TOO_SHORT"
    scene.decide(flat(), now_ms + 31 * DAY_MS)
    asked = scene.ledger.query(scene.clerk, "tariff", "rules", utility="north", at_ms=now_ms + 5_000)
    assert asked["notice_ms"] == 30 * DAY_MS


def test_charges_between_customers_are_none_until_decided(scene: Scene) -> None:
    """Then they hold from their time, like a tariff."""
    now_ms = scene.ledger.time_ms

    def charges(at_ms: int) -> Any:
        return scene.ledger.query(scene.clerk, "tariff", "peer_charges", utility="north", at_ms=at_ms)

    wanted = {"levies": [Levy(name="green", price_micro=5_000)], "tax_micro": 70_000}
    proposal = scene.propose(
        scene.clerk, "propose_peer_charges", utility="north", charges=wanted, from_ms=now_ms + DAY_MS
    )
    scene.ledger.submit(scene.chief, "tariff", "approve", proposal=proposal)
    assert charges(now_ms) == {"levies": [], "tax_micro": 0}
    assert charges(now_ms + DAY_MS)["tax_micro"] == 70_000
    bad = {"levies": [{"name": "x", "price_micro": -1}], "tax_micro": 0}
    refused = {"utility": "north", "charges": bad, "from_ms": now_ms + DAY_MS}
    assert scene.code(scene.clerk, "propose_peer_charges", **refused) == "CHARGES_INVALID"


def test_a_tariff_of_contradicting_data_is_refused_when_it_is_proposed(scene: Scene) -> None:
    """With the rule it breaks; and under an id of another organisation with that."""
    ahead_ms = scene.ledger.time_ms + DAY_MS
    assert scene.code(scene.clerk, "propose_tariff", tariff=flat(bands=()), from_ms=ahead_ms) == "TARIFF_INVALID"
    foreign = flat().replace(id="south:flat")
    assert scene.code(scene.clerk, "propose_tariff", tariff=foreign, from_ms=ahead_ms) == "ID_INVALID"


def test_what_vending_goes_by_is_asked_of_the_tariff() -> None:
    """Month, day and fixed charges by the local calendar, with tax; what an amount buys; nothing where none holds."""
    ledger = TestLedger(organisations=("north", "south"))
    for source in ("src/chaincode/registry.py", SOURCE):
        ledger.deploy(source)
    chief, clerk = ledger.admin("north"), ledger.identity("clerk", role="operator", organisation="north")
    ledger.submit(chief, "registry", "establish", interval_ms=900_000, digits=4)
    from_ms = ledger.time_ms + 1_000
    wanted = msgspec.to_builtins(flat(fixed_minor=31_000, tax_micro=100_000, prepaid_class=3))
    proposal = ledger.submit(clerk, "tariff", "propose_tariff", tariff=wanted, from_ms=from_ms).result
    ledger.submit(chief, "tariff", "approve", proposal=proposal)

    def ask(function: str, **arguments: Any) -> Any:
        return ledger.query(clerk, "tariff", function, id="north:flat", **arguments)

    assert ask("terms", at_ms=from_ms - 1) is None
    now = ask("terms", at_ms=from_ms)
    assert now == {
        "month": 2026 * 12 + 1,
        "day": from_ms // DAY_MS,
        "fixed_minor": 1_000,
        "fixed_tax_minor": 100,
        "tariff_class": 3,
        "by_steps": False,
    }
    late_ms = from_ms + 31 * DAY_MS  # all of January, and the first of February: 31,000 / 28
    assert ask("terms", at_ms=late_ms, from_day=now["day"])["fixed_minor"] == 31_000 + 1_107
    assert ask("vend", at_ms=from_ms, amount_minor=3_300, vended_mwh=0)["units"] == 10
    assert ask("cost", at_ms=from_ms, units=10, vended_mwh=0)["total_minor"] == 3_300
