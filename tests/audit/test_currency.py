"""The audit of money: conservation is recomputed, and the first break is named with its transaction and sums."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ledgernode.audit import LAWS, Law, Range, audit
from ledgernode.audit.currency import Statement, Supply
from ledgernode.audit.journal import Item, Step
from ledgernode.errors import AuditFailed, BadRequest, Pruned
from ledgernode.store.chain import ChainStore
from ledgernode.store.kv import Table
from ledgernode.store.state import VERSION_BYTES
from ledgernode.testing import Member, TestLedger
from ledgernode.wire.keys import composite_key, state_key
from ledgernode.wire.types import Height

CURRENCY = Path(__file__).parent.parent.parent / "src" / "chaincode" / "currency.py"

# a currency whose author forgot that money is not made by moving it
MOVED = "        left = moved("
LEAK = """        book = book_of(ctx)
        ctx.put("book", book.replace(supply_minor=book.supply_minor + amount_minor))
        moved(ctx, to, "received", amount_minor, 0, other=sender, purpose=purpose)
"""
LEAKY = CURRENCY.read_text().replace(MOVED, LEAK + MOVED)
assert CURRENCY.read_text() != LEAKY


class Scene:
    """An issuer, a customer with money, some of it in escrow."""

    def __init__(self, source: Path = CURRENCY) -> None:
        self.ledger = TestLedger()
        self.ledger.deploy(source)
        self.issuer = self.ledger.admin()
        self.anna = self.ledger.identity("anna")
        self.submit(self.issuer, "establish", code="EUR", digits=2, approval_above_minor=1_000_000)
        self.submit(self.issuer, "mint", account=self.anna.id, amount_minor=1_000, purpose="start")
        self.submit(self.anna, "transfer", to=self.issuer.id, amount_minor=300)
        self.submit(self.issuer, "burn", amount_minor=100, purpose="back")
        opened = {"escrow": "a", "amount_minor": 50, "purpose": "p", "beneficiary": self.issuer.id}
        self.submit(self.anna, "open_escrow", **opened)

    def submit(self, signer: Member, function: str, **arguments: Any) -> None:
        self.ledger.submit(signer, "currency", function, **arguments)

    @property
    def chain(self) -> ChainStore:
        return self.ledger.chain

    def overwrite(self, key: str, **changes: Any) -> None:
        """Alter a stored record behind the contract's back."""
        raw = state_key("currency", key)
        with self.chain._kv.reader() as reader:
            stored = reader.get(Table.STATE, raw)
        assert stored is not None
        record = {**msgspec.msgpack.decode(stored[VERSION_BYTES:]), **changes}
        self.chain._kv.write([(Table.STATE, raw, stored[:VERSION_BYTES] + msgspec.msgpack.encode(record))])

    def remove(self, key: str) -> None:
        self.chain._kv.write([(Table.STATE, state_key("currency", key), None)])


@contextmanager
def broken(reason: str) -> Iterator[dict[str, Any]]:
    """An audit fails so; what it says in its facts."""
    facts: dict[str, Any] = {}
    with pytest.raises(AuditFailed, match=reason) as failure:
        yield facts
    facts.update(failure.value.facts)


def test_a_conserved_currency_is_found_so_with_its_sums() -> None:
    """Supply, accounts, escrow and what was issued agree; every movement stands in a statement."""
    seen: list[tuple[int, int]] = []
    scene = Scene()
    report = audit(scene.chain, progress=lambda done, total: seen.append((done, total)))
    supply, statement = report.findings
    assert supply.sums == {"supply_minor": 900, "available_minor": 850, "escrow_minor": 50, "issued_minor": 900}
    assert (supply.law, statement.law) == (Supply.name, Statement.name)
    assert statement.sums == {"movements": 5}
    assert (report.first, report.last) == (1, scene.ledger.height)
    assert seen[-1] == (scene.ledger.height, scene.ledger.height)


def test_a_ledger_without_a_currency_has_nothing_to_audit() -> None:
    """Nor one whose currency is not established."""
    ledger = TestLedger()
    assert audit(ledger.chain).findings == ()
    ledger.deploy(CURRENCY)
    assert audit(ledger.chain).findings == ()


def test_a_range_of_blocks_is_audited_by_itself() -> None:
    """What its transactions did, and what stood after it; blocks that are not there are no range."""
    scene = Scene()
    first = Height(scene.ledger.height + 1)
    scene.submit(scene.issuer, "mint", account=scene.anna.id, amount_minor=7, purpose="more")
    scene.submit(scene.issuer, "mint", account=scene.anna.id, amount_minor=9, purpose="more")
    report = audit(scene.chain, first=first, last=first)
    assert (report.first, report.last) == (first, first)
    assert report.findings[0].sums["issued_minor"] == 7
    assert report.findings[0].sums["supply_minor"] == 907
    assert audit(scene.chain, first=first).findings[0].sums["issued_minor"] == 16
    for first, last in ((Height(9), Height(5)), (Height(1), Height(scene.ledger.height + 1))):
        with pytest.raises(BadRequest):
            audit(scene.chain, first=first, last=last)


def test_a_balance_that_is_in_no_sum_is_a_break() -> None:
    """Money on an account that nobody minted."""
    scene = Scene()
    scene.overwrite(composite_key("account", scene.anna.id), available_minor=651)
    with broken(r"the book says 900, the accounts hold 851 \+ 50") as facts:
        audit(scene.chain)
    opened = scene.ledger.events("currency", "EscrowOpened")[0]
    assert (facts["height"], facts["transaction"]) == (opened.height, opened.transaction_id), "who wrote it last"
    assert facts["sums"] == {"supply_minor": 900, "available_minor": 851, "escrow_minor": 50}


def test_a_negative_account_is_a_break() -> None:
    """Though the sums agree."""
    scene = Scene()
    scene.overwrite(composite_key("account", scene.anna.id), available_minor=-50)
    with broken(f"account {scene.anna.id} is below zero"):
        audit(scene.chain)


def test_an_escrow_that_its_owner_does_not_have_is_a_break() -> None:
    """The account's escrow is the sum of its escrows, and every escrow has an account."""
    scene = Scene()
    scene.overwrite(composite_key("escrow", scene.anna.id, "a"), amount_minor=49)
    with broken("has 50 in escrow, its escrows hold 49"):
        audit(scene.chain)
    scene.remove(composite_key("account", scene.anna.id))
    with broken("who has no account"):
        audit(scene.chain)


def test_an_account_that_moves_without_an_entry_is_a_break() -> None:
    """Two accounts are changed behind the contract's back, so that the supply is still whole."""
    scene = Scene()
    scene.overwrite(composite_key("account", scene.anna.id), available_minor=600)
    scene.overwrite(composite_key("account", scene.issuer.id), available_minor=250)
    with broken("at other balances than its last entry"):
        audit(scene.chain, laws=[Statement])


def leaky(tmp_path: Path) -> Scene:
    (tmp_path / "currency.py").write_text(LEAKY)
    return Scene(tmp_path / "currency.py")


def test_the_transaction_that_made_money_is_named(tmp_path: Path) -> None:
    """A contract whose author forgot a rule: the first transaction that broke it, not the last."""
    scene = leaky(tmp_path)
    leak = next(event for event in scene.ledger.events("currency", "Transferred"))
    scene.submit(scene.anna, "transfer", to=scene.issuer.id, amount_minor=1)
    for _ in range(5):
        scene.submit(scene.issuer, "mint", account=scene.anna.id, amount_minor=1, purpose="x")
    with broken(
        f"block {leak.height}, transaction {leak.transaction_id[:16]}: the supply changed by 300, by events 0"
    ) as facts:
        audit(scene.chain)
    assert facts["transaction"] == leak.transaction_id
    assert facts["law"] == Supply.name


def test_what_was_broken_before_the_range_is_said_to_be() -> None:
    """No transaction of the range is blamed for it."""
    scene = Scene()
    first = Height(scene.ledger.height + 1)
    scene.ledger.block()
    scene.overwrite(composite_key("account", scene.anna.id), available_minor=651)
    said = f"before block {first}, or by no transaction: the book says 900, the accounts hold 851"
    with broken(said) as facts:
        audit(scene.chain, first=first)
    assert facts["height"] == first - 1
    scene.submit(scene.issuer, "mint", account=scene.issuer.id, amount_minor=5, purpose="touches the supply")
    with broken(said):
        audit(scene.chain, first=first)


def test_issue_without_an_event_is_a_break_where_nothing_else_is(tmp_path: Path) -> None:
    """Supply and accounts agree, the events do not explain them."""
    source = CURRENCY.read_text()
    silent = source.replace('ctx.emit("Burned"', 'ctx.emit("Gone"')
    assert silent != source
    (tmp_path / "currency.py").write_text(silent)
    scene = Scene(tmp_path / "currency.py")
    with broken("the supply changed by -100, by events 0 is minted less burned") as facts:
        audit(scene.chain)
    assert facts["transaction"] == scene.ledger.events("currency", "Gone")[0].transaction_id


def test_a_node_that_began_from_a_snapshot_audits_what_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    """From the block after it; asked for more it says so."""
    scene = Scene()
    monkeypatch.setattr(ChainStore, "base", Height(5))
    assert audit(scene.chain).first == 6
    with pytest.raises(Pruned, match="this node began from block 5"):
        audit(scene.chain, first=Height(5))


def test_further_laws_see_each_transaction_once_the_last_first() -> None:
    """What it wrote, before and after, and what it told."""
    seen: list[tuple[int, int]] = []
    balances: list[tuple[int, int]] = []

    class Watching(Law):
        name = "watching"
        follows = (("currency", "account"),)
        hears = frozenset({"currency"})

        def begin(self, books: Any, span: Range) -> None:
            super().begin(books, span)
            assert span.first == 1

        def change(self, step: Step) -> str:
            seen.append((step.height, step.position))
            for one in step.writes("currency", "account"):
                if one.parts == (scene.anna.id,):
                    then = one.before["available_minor"] if one.before else 0
                    balances.append((then, one.after["available_minor"]))
            self.count("steps")
            return ""

    class Counting(Law):
        name = "counting"
        reads = (("currency", "book"),)

        def terms(self, item: Item) -> list[tuple[str, str, int]]:
            return [("book", "digits", item.record["digits"]), ("book", "less", -2)]

    scene = Scene()
    report = audit(scene.chain, laws=[*LAWS, Watching, Counting])
    assert [finding.law for finding in report.findings[-2:]] == ["watching", "counting"]
    assert seen == sorted(set(seen), reverse=True)
    assert report.findings[-2].sums == {"steps": len(seen)}
    assert balances == [(700, 650), (1_000, 700), (0, 1_000)]
    assert report.findings[-1].sums == {"subjects": 1, "digits": 2, "less": -2}
