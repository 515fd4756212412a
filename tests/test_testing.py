"""The ledger for contract authors, used as they would use it."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path

import pytest

from ledgernode import testing
from ledgernode.errors import BudgetExceeded, BudgetOutOfRange, ContractRefused, RoleRefused, UnknownFunction
from ledgernode.execution.sandbox.package import pack, package_hash
from ledgernode.identity.keys import verify, verify_digest
from ledgernode.store.lmdb import LmdbStore
from ledgernode.testing import START_MS, TestLedger
from ledgernode.wire.block import header_hash
from ledgernode.wire.parameters import Parameters
from ledgernode.wire.validators import vote_bytes

SHOP = '''
"""A shop that closes."""

from chaincode.api import Context, Contract, Record, Refusal, query, transaction


class Sale(Record):
    buyer: str
    amount: int


class Closed(Refusal):
    """The shop is closed."""

    code = "CLOSED"


class Shop(Contract):
    name = "shop"
    version = "1.0.0"

    @transaction(roles=("operator",))
    def open(self, ctx: Context, until_ms: int) -> None:
        ctx.put("open", True)
        ctx.schedule("closing", until_ms, "close", reason="evening")

    @transaction(roles=("timer",))
    def close(self, ctx: Context, reason: str) -> None:
        ctx.put("open", False)
        ctx.emit("ShopClosed", reason=reason)

    @transaction
    def buy(self, ctx: Context, amount: int) -> Sale:
        if not ctx.get("open"):
            raise Closed("come back tomorrow")
        sale = Sale(buyer=ctx.creator.id, amount=amount)
        ctx.put(ctx.key("sale", ctx.transaction_id), sale)
        ctx.emit("Sold", amount=amount, meter=ctx.creator.attributes.get("meter", ""))
        return sale

    @query
    def sold(self, ctx: Context) -> int:
        return sum([sale.amount for _, sale in ctx.matching("sale", type=Sale)])
'''


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    path = tmp_path / "shop.py"
    path.write_text(SHOP)
    return path


@pytest.fixture
def ledger(shop: Path) -> TestLedger:
    ledger = TestLedger()
    ledger.deploy(shop)
    return ledger


def test_author_writes_a_contract_test_in_a_few_lines(ledger: TestLedger) -> None:
    """Members, a call with its result and events, a question, the clock, and a timer that it sets off."""
    owner = ledger.identity("owner", role="operator")
    buyer = ledger.identity("buyer", attributes={"meter": "m-7"})
    ledger.submit(owner, "shop", "open", until_ms=ledger.time_ms + 3_600_000)
    done = ledger.submit(buyer, "shop", "buy", amount=5)
    assert done.result == {"buyer": buyer.id, "amount": 5}
    assert [event.payload for event in done.events] == [{"amount": 5, "meter": "m-7"}]
    assert ledger.query(buyer, "shop", "sold") == 5
    assert ledger.query_at(done.height - 1, buyer, "shop", "sold") == 0

    assert ledger.advance(minutes=59) == ()
    (closing,) = ledger.advance(minutes=2)
    assert (closing.code, closing.by_timer) == ("OK", True)
    assert [event.name for event in ledger.events("shop")] == ["Sold", "ShopClosed"]
    assert [event.payload for event in ledger.events(name="ShopClosed")] == [{"reason": "evening"}]
    with pytest.raises(ContractRefused, match="come back tomorrow") as caught:
        ledger.submit(buyer, "shop", "buy", amount=5)
    assert caught.value.facts["code"] == "shop.CLOSED"


def test_refusals_are_raised_by_name_or_shown(ledger: TestLedger) -> None:
    """`submit` raises what the code names; `attempt` shows the outcome, which is in a block all the same."""
    buyer = ledger.identity("buyer")
    with pytest.raises(RoleRefused):
        ledger.submit(buyer, "shop", "close", reason="prank")
    with pytest.raises(UnknownFunction):
        ledger.submit(buyer, "shop", "steal")
    height = ledger.height
    done = ledger.attempt(buyer, "shop", "buy", amount=1)
    assert (done.code, done.succeeded, done.height) == ("shop.CLOSED", False, height + 1)


def test_contract_comes_as_a_file_a_class_or_a_package(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same package in the end, with the same hash."""
    expected = package_hash(pack(shop))
    assert TestLedger().deploy(str(shop)) == expected
    assert TestLedger().deploy(pack(shop)) == expected
    monkeypatch.syspath_prepend(str(shop.parent))
    import shop as module  # type: ignore[import-not-found]  # made by the fixture

    assert TestLedger().deploy(module.Shop) == expected


def test_several_transactions_share_a_block(ledger: TestLedger) -> None:
    """Signed first, cut when the test says so, in the order it gives them."""
    owner, buyer = ledger.identity("owner", role="operator"), ledger.identity("buyer", organisation="community")
    transactions = [
        ledger.sign(buyer, "shop", "buy", {"amount": 1}),
        ledger.sign(owner, "shop", "open", {"until_ms": ledger.time_ms + 60_000}),
        ledger.sign(buyer, "shop", "buy", {"amount": 2}),
        ledger.sign(buyer, "shop", "buy", {"amount": 3}, sequence=0),
    ]
    height = ledger.height
    done = ledger.block(*transactions)
    assert [each.code for each in done] == ["shop.CLOSED", "OK", "OK", "OK"]
    assert {each.height for each in done} == {height + 1}
    assert buyer.organisation == "community"


def test_nothing_is_pretended(ledger: TestLedger) -> None:
    """Signatures hold, blocks are certified by the founding validator, and what a node refuses is refused."""
    buyer = ledger.identity("buyer")
    transaction = ledger.sign(buyer, "shop", "sold", {})
    assert verify_digest(transaction.public_key, transaction.id, transaction.signature)
    head = ledger.chain.head
    certificate = ledger.chain.certificate(head.height)
    assert certificate is not None
    ((position, signature),) = certificate.signatures
    member = ledger.chain.validator_set(head.current_set).members[position]
    vote = vote_bytes(head.chain_id, head.epoch, head.height, header_hash(head))
    assert verify(member.public_key, vote, signature)
    assert ledger.chain.certified_height == head.height
    with pytest.raises(BudgetOutOfRange):
        ledger.sign(buyer, "shop", "sold", {}, budget=Parameters().budget + 1)


def test_clock_stands_still_until_it_is_moved(ledger: TestLedger) -> None:
    """Blocks are a millisecond apart; the rest of time is the test's."""
    before = ledger.time_ms
    assert START_MS < before < START_MS + 100
    ledger.block()
    assert ledger.time_ms == before + 1
    ledger.advance(days=1, hours=1, minutes=1, seconds=1, ms=1)
    assert ledger.time_ms == before + 1 + 90_061_001
    ledger.block()
    assert ledger.chain.head.time_ms == ledger.time_ms


def test_clock_that_never_arrives_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A timer that sets itself again each millisecond cannot hang a test."""
    path = tmp_path / "ticker.py"
    path.write_text(
        """
from chaincode.api import Context, Contract, transaction


class Ticker(Contract):
    name = "ticker"
    version = "1"

    @transaction
    def tick(self, ctx: Context) -> None:
        ctx.schedule("tick", ctx.time_ms + 1, "tick")
"""
    )
    ledger = TestLedger()
    ledger.deploy(path)
    ledger.submit(ledger.admin(), "ticker", "tick")
    assert len(ledger.advance(ms=20)) == 20
    monkeypatch.setattr(testing, "BLOCKS_A_MOVE", 30)
    with pytest.raises(BudgetExceeded):
        ledger.advance(days=1)


class Scene:
    """What a test file founds once."""

    def __init__(self, shop: Path) -> None:
        self.ledger = TestLedger()
        self.ledger.deploy(str(shop))
        self.clerk = self.ledger.identity("clerk", role="operator")
        self.ledger.submit(self.clerk, "shop", "open", until_ms=START_MS + 60_000)

    def sold(self) -> int:
        found: int = self.ledger.query(self.clerk, "shop", "sold")
        return found


def test_a_copy_has_the_same_past_and_goes_its_own_way(shop: Path) -> None:
    """Blocks, timers and the clock of one are nothing to the other; both are the same ledger until then."""
    scene = Scene(shop)
    twin = deepcopy(scene)
    assert (twin.clerk, twin.ledger.chain.chain_id) == (scene.clerk, scene.ledger.chain.chain_id)
    assert header_hash(twin.ledger.chain.head) == header_hash(scene.ledger.chain.head)
    twin.ledger.submit(twin.clerk, "shop", "buy", amount=3)
    assert (twin.sold(), scene.sold()) == (3, 0)
    assert [done.by_timer for done in twin.ledger.advance(minutes=2)] == [True]
    assert scene.ledger.events(name="ShopClosed") == ()
    scene.ledger.submit(scene.clerk, "shop", "buy", amount=5)
    assert (twin.sold(), scene.sold()) == (3, 5)
    assert twin.ledger.attempt(twin.clerk, "shop", "buy", amount=1).code == "shop.CLOSED"
    assert twin.ledger.height != scene.ledger.height


def test_a_copy_reads_the_parameters_that_it_decides(shop: Path) -> None:
    """At its door too: what the one ledger has changed does not hold for the other."""
    ledger = TestLedger(organisations=("alone",))
    twin = ledger.copy()
    change = {"kind": "parameters", "change": {"budget": 1_000_000}}
    twin.submit(twin.admin(), "governance", "propose", **change)
    assert (twin.parameters.budget, ledger.parameters.budget) == (1_000_000, Parameters().budget)
    twin.sign(twin.admin(), "governance", "policy", {}, budget=900_000)
    with pytest.raises(BudgetOutOfRange):
        ledger.sign(ledger.admin(), "governance", "policy", {}, budget=900_000)


def test_a_ledger_on_a_disk_is_not_copied(tmp_path: Path) -> None:
    store = LmdbStore(tmp_path / "ledger")
    with pytest.raises(AssertionError, match="disk"):
        TestLedger(store=store).copy()
    store.close()
