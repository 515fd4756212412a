"""The currency keeps its rules, and money is conserved whatever is called."""

from __future__ import annotations

import itertools
from copy import deepcopy
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from ledgernode.audit import audit
from ledgernode.audit.currency import Statement, Supply
from ledgernode.execution.sandbox.package import pack
from ledgernode.testing import Member, TestLedger
from ledgernode.wire.genesis import GenesisEngine

CURRENCY = Path(__file__).parent.parent.parent / "src" / "chaincode" / "currency.py"
LIMIT = 10_000
LARGEST = 2**53 - 1

# a contract of somebody else that uses the currency, as a market would
MARKET = '''"""Keeps buyers' money until they have what they bought."""

from chaincode.api import Context, Contract, transaction


class Market(Contract):
    name = "market"
    version = "1.0.0"

    @transaction
    def buy(self, ctx: Context, order: str, amount: int) -> None:
        ctx.call("currency", "open_escrow", escrow=order, amount_minor=amount, purpose="order " + order)

    @transaction
    def deliver(self, ctx: Context, buyer: str, order: str, seller: str, amount: int) -> None:
        ctx.call("currency", "release_escrow", owner=buyer, escrow=order, to=seller, amount_minor=amount)

    @transaction
    def cancel(self, ctx: Context, buyer: str, order: str) -> None:
        ctx.call("currency", "refund_escrow", owner=buyer, escrow=order)

    @transaction
    def more(self, ctx: Context, order: str, amount: int) -> None:
        ctx.call("currency", "top_up_escrow", escrow=order, amount_minor=amount)

    @transaction
    def split(self, ctx: Context, buyer: str, order: str, into: str, amount: int, keeper: str = "") -> None:
        ctx.call(
            "currency", "split_escrow", owner=buyer, escrow=order, into=into, amount_minor=amount, keeper=keeper
        )

    @transaction
    def back(self, ctx: Context, buyer: str, order: str, amount: int) -> None:
        ctx.call("currency", "refund_part", owner=buyer, escrow=order, amount_minor=amount)

    @transaction
    def settle(self, ctx: Context, debits: list[tuple[str, str, int]], credits: list[tuple[str, int]]) -> None:
        ctx.call("currency", "distribute", debits=debits, credits=credits, purpose="interval 7")

    @transaction
    def settle_later(self, ctx: Context, debits: list[tuple[str, str, int]], credits: list[tuple[str, int]]) -> None:
        ctx.schedule("settle", ctx.time_ms, "settle", debits=debits, credits=credits)

    @transaction
    def grab(self, ctx: Context, to: str, amount: int) -> None:
        ctx.call("currency", "transfer", to=to, amount_minor=amount)
'''


@lru_cache
def currency_package() -> bytes:
    return pack(CURRENCY)


class Scene:
    """An issuer with two people, two customers with 1,000 each, and nobody's regulator."""

    def __init__(self, *, established: bool = True, reward_minor: int = 0) -> None:
        self.ledger = TestLedger(engine=GenesisEngine("pow", {"block_reward_minor": reward_minor}))
        self.ledger.deploy(currency_package(), folder=CURRENCY.parent)
        self.issuer = self.ledger.admin("utility")
        self.operator = self.ledger.identity("till", role="operator", organisation="utility")
        self.anna = self.ledger.identity("anna")
        self.ben = self.ledger.identity("ben", organisation="community")
        if established:
            self.ok(self.issuer, "establish", code="EUR", digits=2, approval_above_minor=LIMIT)
            for someone in (self.anna, self.ben):
                self.ok(self.operator, "mint", account=someone.id, amount_minor=1_000, purpose="start")

    def ok(self, signer: Member, function: str, **arguments: Any) -> Any:
        return self.ledger.submit(signer, "currency", function, **arguments).result

    def code(self, signer: Member, function: str, **arguments: Any) -> str:
        return self.ledger.attempt(signer, "currency", function, **arguments).code.removeprefix("currency.")

    def ask(self, signer: Member, function: str, **arguments: Any) -> Any:
        return self.ledger.query(signer, "currency", function, **arguments)

    def has(self, who: Member) -> tuple[int, int]:
        found = self.ask(self.issuer, "balance", account=who.id)
        return found["available_minor"], found["escrow_minor"]

    def supply(self) -> int:
        found: int = self.ask(self.issuer, "book")["supply_minor"]
        return found

    def market(self, tmp_path: Path) -> None:
        (tmp_path / "market.py").write_text(MARKET)
        self.ledger.deploy(tmp_path / "market.py")


@pytest.fixture(scope="module")
def founded() -> Scene:
    return Scene()


@pytest.fixture
def scene(founded: Scene) -> Scene:
    return deepcopy(founded)


# ---------------------------------------------------------------- issuing


def test_whoever_establishes_it_is_the_issuer_once() -> None:
    """Before that nothing can be done; afterwards nobody else becomes the issuer."""
    scene = Scene(established=False)
    mint = {"account": scene.anna.id, "amount_minor": 5, "purpose": "x"}
    assert scene.code(scene.issuer, "mint", **mint) == "NOT_ESTABLISHED"
    assert scene.code(scene.anna, "establish", code="X", digits=2, approval_above_minor=1) == "ROLE_REFUSED"
    assert scene.code(scene.issuer, "establish", code="", digits=2, approval_above_minor=1) == "TEXT_OUT_OF_RANGE"
    assert scene.code(scene.issuer, "establish", code="X", digits=7, approval_above_minor=1) == "AMOUNT_OUT_OF_RANGE"
    assert scene.code(scene.issuer, "establish", code="X", digits=2, approval_above_minor=-1) == "AMOUNT_OUT_OF_RANGE"
    book = scene.ok(scene.issuer, "establish", code="EUR", digits=2, approval_above_minor=LIMIT)
    assert (book["issuer"], book["supply_minor"]) == ("utility", 0)
    again = {"code": "USD", "digits": 2, "approval_above_minor": 0}
    assert scene.code(scene.ledger.admin("community"), "establish", **again) == "ALREADY_ESTABLISHED"


def test_only_the_issuers_people_mint_and_burn(scene: Scene) -> None:
    """Not customers, and not admins of another organisation."""
    for stranger in (scene.anna, scene.ledger.admin("community")):
        assert scene.code(stranger, "mint", account=scene.anna.id, amount_minor=1, purpose="x") == "NOT_THE_ISSUER"
        assert scene.code(stranger, "burn", amount_minor=1, purpose="x") == "NOT_THE_ISSUER"
        issue = {"kind": "mint", "account": scene.anna.id, "amount_minor": 1, "purpose": "x"}
        assert scene.code(stranger, "propose", **issue) == "NOT_THE_ISSUER"
        assert scene.code(stranger, "approve", issue="00") == "NOT_THE_ISSUER"


def test_money_is_burned_from_ones_own_account_only(scene: Scene) -> None:
    """It must have come back to the issuer first."""
    assert scene.code(scene.operator, "burn", amount_minor=100, purpose="back") == "INSUFFICIENT_BALANCE"
    scene.ok(scene.anna, "transfer", to=scene.operator.id, amount_minor=100)
    scene.ok(scene.operator, "burn", amount_minor=100, purpose="back")
    assert (scene.has(scene.operator), scene.supply()) == ((0, 0), 1_900)
    assert scene.ledger.events("currency", "Burned")[0].payload["account"] == scene.operator.id


def test_one_person_alone_stays_within_the_days_limit(scene: Scene) -> None:
    """Several small amounts count together; another person, and another day, begin anew."""
    mint = {"account": scene.anna.id, "purpose": "x"}
    assert scene.code(scene.issuer, "mint", amount_minor=LIMIT + 1, **mint) == "SECOND_PERSON_NEEDED"
    scene.ok(scene.issuer, "mint", amount_minor=LIMIT - 1, **mint)
    scene.ok(scene.issuer, "mint", amount_minor=1, **mint)
    assert scene.code(scene.issuer, "mint", amount_minor=1, **mint) == "SECOND_PERSON_NEEDED"
    assert scene.code(scene.issuer, "burn", amount_minor=1, purpose="x") == "SECOND_PERSON_NEEDED"
    scene.ok(scene.operator, "mint", amount_minor=1, **mint)
    scene.ledger.advance(days=1)
    scene.ok(scene.issuer, "mint", amount_minor=LIMIT, **mint)


def test_a_refused_mint_does_not_use_up_the_limit(scene: Scene) -> None:
    """A refusal undoes everything."""
    mint = {"account": scene.anna.id, "amount_minor": LIMIT}
    assert scene.code(scene.issuer, "mint", purpose="", **mint) == "TEXT_OUT_OF_RANGE"
    scene.ok(scene.issuer, "mint", purpose="x", **mint)


def test_a_large_mint_takes_two_people(scene: Scene) -> None:
    """Another than the proposer approves, once."""
    issue = {"kind": "mint", "account": scene.ben.id, "amount_minor": 10 * LIMIT, "purpose": "reserve"}
    which = scene.ok(scene.operator, "propose", **issue)
    assert scene.has(scene.ben) == (1_000, 0)
    assert scene.ask(scene.issuer, "issues")[which]["amount_minor"] == 10 * LIMIT
    assert scene.code(scene.operator, "approve", issue=which) == "SAME_PERSON"
    scene.ok(scene.issuer, "approve", issue=which)
    assert scene.has(scene.ben) == (1_000 + 10 * LIMIT, 0)
    assert scene.code(scene.issuer, "approve", issue=which) == "ISSUE_UNKNOWN"


def test_a_large_burn_takes_two_people_and_the_proposers_own_money(scene: Scene) -> None:
    """Nobody proposes to burn what is another's."""
    burn = {"kind": "burn", "amount_minor": 900, "purpose": "back"}
    assert scene.code(scene.operator, "propose", account=scene.anna.id, **burn) == "NOT_YOUR_ACCOUNT"
    scene.ok(scene.anna, "transfer", to=scene.operator.id, amount_minor=900)
    which = scene.ok(scene.operator, "propose", account=scene.operator.id, **burn)
    scene.ok(scene.issuer, "approve", issue=which)
    assert (scene.has(scene.operator), scene.supply()) == ((0, 0), 1_100)


def test_what_waits_for_approval_can_be_withdrawn(scene: Scene) -> None:
    """By anyone of the issuer's people; it must be there, and of a known kind."""
    issue = {"account": scene.ben.id, "amount_minor": 5, "purpose": "x"}
    assert scene.code(scene.operator, "propose", kind="seize", **issue) == "TEXT_OUT_OF_RANGE"
    which = scene.ok(scene.operator, "propose", kind="mint", **issue)
    scene.ok(scene.issuer, "withdraw", issue=which)
    assert scene.ask(scene.issuer, "issues") == {}
    assert scene.code(scene.issuer, "withdraw", issue=which) == "ISSUE_UNKNOWN"


def test_the_supply_stays_below_two_to_the_53(scene: Scene) -> None:
    """So that every reader's integers hold it."""
    issue = {"kind": "mint", "account": scene.ben.id, "amount_minor": LARGEST, "purpose": "x"}
    which = scene.ok(scene.operator, "propose", **issue)
    assert scene.code(scene.issuer, "approve", issue=which) == "AMOUNT_OUT_OF_RANGE"
    assert scene.supply() == 2_000


# ---------------------------------------------------------------- moving


def test_a_transfer_moves_money_and_tells_both(scene: Scene) -> None:
    """Each statement has an entry with the balance after it; the event names both."""
    scene.ok(scene.anna, "transfer", to=scene.ben.id, amount_minor=300, purpose="lunch")
    assert (scene.has(scene.anna), scene.has(scene.ben)) == ((700, 0), (1_300, 0))
    (entry, _) = scene.ask(scene.ben, "statement", account=scene.ben.id)["entries"]
    assert (entry["kind"], entry["amount_minor"], entry["other"]) == ("received", 300, scene.anna.id)
    assert (entry["available_minor"], entry["purpose"]) == (1_300, "lunch")
    event = scene.ledger.events("currency", "Transferred")[0]
    assert event.payload == {
        "sender": scene.anna.id,
        "recipient": scene.ben.id,
        "amount_minor": 300,
        "purpose": "lunch",
    }


@pytest.mark.parametrize(
    ("amount", "code"),
    [(0, "AMOUNT_OUT_OF_RANGE"), (-5, "AMOUNT_OUT_OF_RANGE"), (1_001, "INSUFFICIENT_BALANCE")],
)
def test_an_impossible_transfer_changes_nothing(scene: Scene, amount: int, code: str) -> None:
    """Nothing, negative, and more than there is."""
    assert scene.code(scene.anna, "transfer", to=scene.ben.id, amount_minor=amount) == code
    assert (scene.has(scene.anna), scene.has(scene.ben)) == ((1_000, 0), (1_000, 0))


def test_money_never_goes_where_nobody_is(scene: Scene) -> None:
    """To oneself, to an id that the ledger does not know, to no id at all."""
    pay = {"amount_minor": 5}
    assert scene.code(scene.anna, "transfer", to=scene.anna.id, **pay) == "TRANSFER_TO_SELF"
    assert scene.code(scene.anna, "transfer", to="ab" * 32, **pay) == "IDENTITY_UNKNOWN"
    assert scene.code(scene.anna, "transfer", to="", **pay) == "IDENTITY_UNKNOWN"
    assert scene.code(scene.anna, "transfer", to=scene.ben.id, purpose="x" * 141, **pay) == "TEXT_OUT_OF_RANGE"
    assert scene.has(scene.anna) == (1_000, 0)


# ---------------------------------------------------------------- escrow


def test_a_balance_shows_available_escrow_and_total() -> None:
    """What can be spent, what is held, and both together."""
    scene = Scene()
    scene.ok(scene.anna, "open_escrow", escrow="rent", amount_minor=300, purpose="rent", beneficiary=scene.ben.id)
    found = scene.ask(scene.issuer, "balance", account=scene.anna.id)
    assert (found["available_minor"], found["escrow_minor"], found["total_minor"]) == (700, 300, 1_000)


def test_an_escrow_is_released_by_its_owner_to_its_beneficiary(scene: Scene) -> None:
    """In parts if need be; what is released is the beneficiary's."""
    opened = {"escrow": "roof", "amount_minor": 400, "purpose": "repair", "beneficiary": scene.ben.id}
    scene.ok(scene.anna, "open_escrow", **opened)
    assert scene.has(scene.anna) == (600, 400)
    release = {"owner": scene.anna.id, "escrow": "roof", "to": scene.ben.id}
    assert scene.code(scene.ben, "release_escrow", amount_minor=400, **release) == "NOT_THE_KEEPER"
    elsewhere = {**release, "to": scene.operator.id}
    assert scene.code(scene.anna, "release_escrow", amount_minor=1, **elsewhere) == "NOT_THE_KEEPER"
    assert scene.code(scene.anna, "release_escrow", amount_minor=401, **release) == "ESCROW_TOO_SMALL"
    scene.ok(scene.anna, "release_escrow", amount_minor=150, **release)
    assert scene.ask(scene.anna, "escrow", owner=scene.anna.id, escrow="roof")["amount_minor"] == 250
    scene.ok(scene.anna, "release_escrow", amount_minor=250, **release)
    assert (scene.has(scene.anna), scene.has(scene.ben)) == ((600, 0), (1_400, 0))
    assert scene.ask(scene.anna, "escrows", owner=scene.anna.id) == []
    assert scene.code(scene.anna, "release_escrow", amount_minor=1, **release) == "ESCROW_UNKNOWN"


def test_an_account_is_reconciled_by_whoever_may_read_it(scene: Scene) -> None:
    """What it has in escrow is what its escrows hold, and its last entry ends there; a stranger is refused."""
    opened = {"amount_minor": 30, "purpose": "p", "beneficiary": scene.ben.id}
    before = scene.ask(scene.anna, "reconcile", account=scene.anna.id)
    for escrow in ("a", "b"):
        scene.ok(scene.anna, "open_escrow", escrow=escrow, **opened)
    found = scene.ask(scene.anna, "reconcile", account=scene.anna.id)
    assert found == {
        "agrees": True,
        "available_minor": before["available_minor"] - 60,
        "escrow_minor": 60,
        "escrows_minor": 60,
        "entries": before["entries"] + 2,
    }
    assert scene.ask(scene.issuer, "reconcile", account=scene.anna.id) == found
    with pytest.raises(Exception, match="read by its owner"):
        scene.ask(scene.ben, "reconcile", account=scene.anna.id)


def test_an_escrow_is_refunded_by_its_beneficiary_or_after_its_term(scene: Scene) -> None:
    """The owner alone gets it back once the term is over, not before."""
    term = scene.ledger.time_ms + 60_000
    for name in ("a", "b"):
        opened = {"amount_minor": 400, "purpose": "p", "beneficiary": scene.ben.id, "refundable_from_ms": term}
        scene.ok(scene.anna, "open_escrow", escrow=name, **opened)
    owner = {"owner": scene.anna.id}
    assert scene.code(scene.anna, "refund_escrow", escrow="a", **owner) == "NOT_THE_KEEPER"
    scene.ok(scene.ben, "refund_escrow", escrow="a", **owner)
    assert scene.has(scene.anna) == (600, 400)
    scene.ledger.advance(minutes=1)
    assert scene.code(scene.operator, "refund_escrow", escrow="b", **owner) == "NOT_THE_KEEPER"
    scene.ok(scene.anna, "refund_escrow", escrow="b", **owner)
    assert scene.has(scene.anna) == (1_000, 0)


def test_an_escrow_without_a_term_is_never_refunded_by_its_owner(scene: Scene) -> None:
    """A term of 0 does not end."""
    opened = {"escrow": "a", "amount_minor": 1, "purpose": "p", "beneficiary": scene.ben.id}
    scene.ok(scene.anna, "open_escrow", **opened)
    scene.ledger.advance(days=400)
    scene.ledger.block()
    assert scene.code(scene.anna, "refund_escrow", owner=scene.anna.id, escrow="a") in {
        "NOT_THE_KEEPER",
        "SIGNER_EXPIRED",
    }


def test_what_makes_no_escrow_is_refused(scene: Scene) -> None:
    """A name in use, nobody to pay, more than there is, no purpose."""
    opened = {"escrow": "a", "amount_minor": 10, "purpose": "p", "beneficiary": scene.ben.id}
    scene.ok(scene.anna, "open_escrow", **opened)
    for changes, code in (
        ({}, "ESCROW_EXISTS"),
        ({"escrow": "b", "beneficiary": ""}, "NOT_THE_KEEPER"),
        ({"escrow": "b", "beneficiary": scene.anna.id}, "NOT_THE_KEEPER"),
        ({"escrow": "b", "beneficiary": "ab" * 32}, "IDENTITY_UNKNOWN"),
        ({"escrow": "b", "amount_minor": 991}, "INSUFFICIENT_BALANCE"),
        ({"escrow": "b", "purpose": ""}, "TEXT_OUT_OF_RANGE"),
        ({"escrow": ""}, "TEXT_OUT_OF_RANGE"),
    ):
        assert scene.code(scene.anna, "open_escrow", **{**opened, **changes}) == code
    assert scene.has(scene.anna) == (990, 10)


def test_a_contract_keeps_the_escrow_that_it_opened(scene: Scene, tmp_path: Path) -> None:
    """It alone releases and refunds; it does so within the signer's own money."""
    scene.market(tmp_path)
    ledger, anna, ben = scene.ledger, scene.anna, scene.ben
    ledger.submit(anna, "market", "buy", order="7", amount=500)
    held = scene.ask(anna, "escrow", owner=anna.id, escrow="7")
    assert (held["keeper"], scene.has(anna)) == ("market", (500, 500))
    direct = {"owner": anna.id, "escrow": "7"}
    assert scene.code(anna, "release_escrow", to=ben.id, amount_minor=1, **direct) == "NOT_THE_KEEPER"
    assert scene.code(anna, "refund_escrow", **direct) == "NOT_THE_KEEPER"
    ledger.submit(ben, "market", "deliver", buyer=anna.id, order="7", seller=ben.id, amount=300)
    ledger.submit(ben, "market", "cancel", buyer=anna.id, order="7")
    assert (scene.has(anna), scene.has(ben)) == ((700, 0), (1_300, 0))


def test_a_contract_cannot_spend_for_the_signer_but_by_escrow(scene: Scene, tmp_path: Path) -> None:
    """Its transfer is refused; nor does it release what a person keeps."""
    scene.market(tmp_path)
    grabbed = scene.ledger.attempt(scene.anna, "market", "grab", to=scene.ben.id, amount=5)
    assert grabbed.code == "currency.DIRECT_CALLS_ONLY"
    opened = {"escrow": "a", "amount_minor": 10, "purpose": "p", "beneficiary": scene.ben.id}
    scene.ok(scene.anna, "open_escrow", **opened)
    order = {"buyer": scene.anna.id, "order": "a"}
    taken = scene.ledger.attempt(scene.anna, "market", "deliver", seller=scene.ben.id, amount=10, **order)
    assert taken.code == "currency.NOT_THE_KEEPER"
    assert scene.ledger.attempt(scene.ben, "market", "cancel", **order).code == "currency.NOT_THE_KEEPER"


# ---------------------------------------------------------------- many at once


@pytest.fixture
def kept(scene: Scene, tmp_path: Path) -> Scene:
    """Both customers have an escrow of 500 with the market."""
    scene.market(tmp_path)
    for someone in (scene.anna, scene.ben):
        scene.ledger.submit(someone, "market", "buy", order="7", amount=500)
    return scene


def market_code(scene: Scene, function: str, **arguments: Any) -> str:
    return scene.ledger.attempt(scene.operator, "market", function, **arguments).code.removeprefix("currency.")


def test_an_escrow_is_split_without_a_balance_changing(kept: Scene) -> None:
    """A part goes to another contract's keeping; the rest stays, and what is empty is gone."""
    part = {"buyer": kept.anna.id, "order": "7", "into": "trade/1", "keeper": "settlement"}
    assert market_code(kept, "split", amount=200, **part) == "OK"
    assert market_code(kept, "split", amount=100, **part) == "OK"
    held = kept.ask(kept.anna, "escrow", owner=kept.anna.id, escrow="trade/1")
    assert (held["amount_minor"], held["keeper"], kept.has(kept.anna)) == (300, "settlement", (500, 500))
    assert market_code(kept, "split", amount=201, **part) == "ESCROW_TOO_SMALL"
    assert market_code(kept, "split", amount=1, **{**part, "keeper": ""}) == "ESCROW_EXISTS"
    assert market_code(kept, "split", amount=1, **{**part, "into": "7"}) == "ESCROW_EXISTS"
    assert market_code(kept, "back", buyer=kept.anna.id, order="trade/1", amount=1) == "NOT_THE_KEEPER"
    assert market_code(kept, "split", amount=200, **part) == "OK"
    assert [held["name"] for held in kept.ask(kept.anna, "escrows", owner=kept.anna.id)] == ["trade/1"]


def test_an_escrow_grows_by_its_owners_money_and_shrinks_in_parts(kept: Scene) -> None:
    """Only the signer's own grows; only its keeper changes it."""
    done = kept.ledger.attempt(kept.anna, "market", "more", order="7", amount=100)
    assert (done.code, kept.has(kept.anna)) == ("OK", (400, 600))
    assert market_code(kept, "more", order="7", amount=100) == "ESCROW_UNKNOWN"
    assert market_code(kept, "back", buyer=kept.anna.id, order="7", amount=250) == "OK"
    assert kept.has(kept.anna) == (650, 350)
    assert market_code(kept, "back", buyer=kept.anna.id, order="7", amount=351) == "ESCROW_TOO_SMALL"
    for function, arguments in (
        ("top_up_escrow", {"escrow": "7", "amount_minor": 1}),
        ("refund_part", {"owner": kept.anna.id, "escrow": "7", "amount_minor": 1}),
        ("split_escrow", {"owner": kept.anna.id, "escrow": "7", "into": "8", "amount_minor": 1}),
        ("distribute", {"debits": [[kept.anna.id, "7", 1]], "credits": [[kept.ben.id, 1]], "purpose": "x"}),
    ):
        assert kept.code(kept.anna, function, **arguments) == "NOT_THE_KEEPER"


def test_many_escrows_pay_many_accounts_at_once(kept: Scene) -> None:
    """What is taken is what is given; each account has one entry more; a timer may do it too."""
    debits = [[kept.anna.id, "7", 300], [kept.ben.id, "7", 100]]
    paid = [[kept.ben.id, 250], [kept.operator.id, 100], [kept.ben.id, 50]]
    assert market_code(kept, "settle_later", debits=debits, credits=paid) == "OK"
    kept.ledger.block()
    assert kept.has(kept.anna) == (500, 200)
    assert kept.has(kept.ben) == (800, 400)
    assert kept.has(kept.operator) == (100, 0)
    assert kept.supply() == 2_000
    (entry, _) = kept.ask(kept.operator, "statement", account=kept.operator.id)["entries"] * 2
    assert (entry["other"], entry["purpose"]) == ("market", "interval 7")


@pytest.mark.parametrize(
    ("taken", "given", "code"),
    [(100, 99, "UNBALANCED"), (501, 501, "ESCROW_TOO_SMALL"), (0, 0, "AMOUNT_OUT_OF_RANGE")],
)
def test_a_distribution_that_does_not_add_up_pays_nobody(kept: Scene, taken: int, given: int, code: str) -> None:
    """All of it or nothing."""
    debits, paid = [[kept.anna.id, "7", taken]], [[kept.ben.id, given]]
    assert market_code(kept, "settle", debits=debits, credits=paid) == code
    assert market_code(kept, "settle", debits=debits * 251, credits=paid) == "UNBALANCED"
    assert (kept.has(kept.anna), kept.has(kept.ben)) == ((500, 500), (500, 500))


# ---------------------------------------------------------------- reading


def test_an_account_is_read_by_its_owner_the_issuer_and_regulators(scene: Scene) -> None:
    """By nobody else."""
    watch = scene.ledger.identity("watch", role="regulator", organisation="regulator")
    for reader in (scene.anna, scene.issuer, scene.operator, watch):
        assert scene.ask(reader, "balance", account=scene.anna.id)["available_minor"] == 1_000
    for function in ("balance", "statement"):
        with pytest.raises(Exception, match="read by its owner"):
            scene.ask(scene.ben, function, account=scene.anna.id)
    with pytest.raises(Exception, match="read by its owner"):
        scene.ask(scene.ben, "escrows", owner=scene.anna.id)


def test_a_statement_is_read_in_pages_without_a_gap(scene: Scene) -> None:
    """Newest first, every entry once, and the balances follow one another."""
    for amount in range(1, 12):
        scene.ok(scene.anna, "transfer", to=scene.ben.id, amount_minor=amount)
    entries, before = [], 0
    while True:
        page = scene.ask(scene.anna, "statement", account=scene.anna.id, before=before, size=5)
        entries += page["entries"]
        before = page["before"]
        if not before:
            break
    assert [entry["number"] for entry in entries] == list(range(12, 0, -1))
    for later, earlier in itertools.pairwise(entries):
        assert later["available_minor"] == earlier["available_minor"] + later["amount_minor"]
    assert scene.ask(scene.issuer, "statement", account=scene.issuer.id) == {"entries": [], "before": 0}
    for wrong in ({"size": 0}, {"size": 101}, {"before": -1}):
        with pytest.raises(Exception, match="a page has"):
            scene.ask(scene.anna, "statement", account=scene.anna.id, **wrong)


# ---------------------------------------------------------------- conservation


REACHED: set[str] = set()


class Conservation(RuleBasedStateMachine):
    """Whatever is called, in whatever order: the supply is the sum of all accounts."""

    @initialize()
    def begin(self) -> None:
        self.scene = Scene(reward_minor=60)
        self.people = [self.scene.issuer, self.scene.operator, self.scene.anna, self.scene.ben]
        for someone in self.people[:2]:
            self.scene.ok(self.scene.operator, "mint", account=someone.id, amount_minor=1_000, purpose="start")
        self.call(0, "allow_rewards", amount_minor=180)
        self.issues: list[str] = []
        self.escrows: list[tuple[int, str, int]] = []

    who = st.integers(0, 3)
    # mostly what can be done, sometimes what cannot
    amounts = st.one_of(st.integers(1, 200), st.integers(1, 200), st.sampled_from([-1, 0, 5_000, LARGEST]))
    issuers = st.one_of(st.integers(0, 1), st.integers(0, 1), st.integers(0, 3))
    names = st.sampled_from(["a", "b"])

    def call(self, who: int, function: str, **arguments: Any) -> Any:
        done = self.scene.ledger.attempt(self.people[who], "currency", function, **arguments)
        if done.succeeded:
            REACHED.add(function)
        return done

    @rule(who=who, to=who, amount=amounts)
    def transfer(self, who: int, to: int, amount: int) -> None:
        self.call(who, "transfer", to=self.people[to].id, amount_minor=amount)

    @rule(who=issuers, to=who, amount=amounts)
    def mint(self, who: int, to: int, amount: int) -> None:
        self.call(who, "mint", account=self.people[to].id, amount_minor=amount, purpose="m")

    @rule(who=issuers, amount=amounts)
    def burn(self, who: int, amount: int) -> None:
        self.call(who, "burn", amount_minor=amount, purpose="b")

    @rule(who=issuers, kind=st.sampled_from(["mint", "burn", "rewards"]), amount=amounts)
    def propose(self, who: int, kind: str, amount: int) -> None:
        account = "" if kind == "rewards" else self.people[who].id
        done = self.call(who, "propose", kind=kind, account=account, amount_minor=amount, purpose="p")
        if done.succeeded:
            self.issues.append(done.result)

    @rule(who=issuers, amount=amounts)
    def allow_rewards(self, who: int, amount: int) -> None:
        self.call(who, "allow_rewards", amount_minor=amount)

    @rule(who=issuers)
    def stop_rewards(self, who: int) -> None:
        self.call(who, "stop_rewards")

    @rule(who=who, to=who, amount=amounts)
    def mine(self, who: int, to: int, amount: int) -> None:
        """A block that pays its miner, if it may, with a transfer in it."""
        ledger, people = self.scene.ledger, self.people
        sent = ledger.sign(people[who], "currency", "transfer", {"to": people[to].id, "amount_minor": amount})
        if ledger.block(sent, miner=0)[0].succeeded:
            REACHED.add("reward")

    @precondition(lambda self: self.issues)
    @rule(who=issuers, back=st.sampled_from([0, 0, 0, 1, 2, 9]))
    def approve(self, who: int, back: int) -> None:
        self.call(who, "approve", issue=self.issues[-1 - back % len(self.issues)])

    @rule(kind=st.sampled_from(["mint", "burn", "rewards"]), amount=st.integers(1, 200))
    def agree(self, kind: str, amount: int) -> None:
        """Two of the issuer's people: one proposes, the other approves."""
        account = "" if kind == "rewards" else self.people[0].id
        done = self.call(0, "propose", kind=kind, account=account, amount_minor=amount, purpose="p")
        if done.succeeded:
            self.call(1, "approve", issue=done.result)

    @rule(who=who, name=names, to=who, amount=amounts)
    def open_escrow(self, who: int, name: str, to: int, amount: int) -> None:
        beneficiary = self.people[to].id
        done = self.call(who, "open_escrow", escrow=name, amount_minor=amount, purpose="e", beneficiary=beneficiary)
        if done.succeeded:
            self.escrows.append((who, name, to))

    @precondition(lambda self: self.escrows)
    @rule(at=st.integers(0, 9), by=st.one_of(st.none(), who), amount=st.one_of(st.integers(1, 20), amounts))
    def release(self, at: int, by: int | None, amount: int) -> None:
        owner, name, to = self.escrows[at % len(self.escrows)]
        escrow = {"owner": self.people[owner].id, "escrow": name, "to": self.people[to].id}
        self.call(owner if by is None else by, "release_escrow", amount_minor=amount, **escrow)

    @precondition(lambda self: self.escrows)
    @rule(at=st.integers(0, 9), by=st.one_of(st.none(), who))
    def refund(self, at: int, by: int | None) -> None:
        owner, name, to = self.escrows[at % len(self.escrows)]
        self.call(to if by is None else by, "refund_escrow", owner=self.people[owner].id, escrow=name)

    @invariant()
    def money_is_conserved(self) -> None:
        accounts = [self.scene.has(someone) for someone in (*self.people, self.scene.ledger.miner)]
        assert all(available >= 0 and escrow >= 0 for available, escrow in accounts)
        assert sum(available + escrow for available, escrow in accounts) == self.scene.supply()

    def teardown(self) -> None:
        if hasattr(self, "scene"):
            audit(self.scene.ledger.chain, laws=[Supply, Statement])


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_money_is_conserved_whatever_is_called() -> None:
    """And what was tried includes every movement there is, taking effect at least once."""
    REACHED.clear()
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        Conservation, settings=settings(max_examples=80, stateful_step_count=40, deadline=None, derandomize=True)
    )
    assert {
        "transfer",
        "mint",
        "burn",
        "propose",
        "approve",
        "open_escrow",
        "release_escrow",
        "refund_escrow",
        "allow_rewards",
        "stop_rewards",
        "reward",
    } <= REACHED
