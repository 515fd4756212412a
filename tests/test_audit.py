"""The audit: conservation is recomputed, and the first break is named."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ledgernode import config
from ledgernode.audit import CHECKS, Finding, Range, audit
from ledgernode.errors import AuditFailed
from ledgernode.store.chain import ChainStore
from ledgernode.store.kv import Table
from ledgernode.store.state import VERSION_BYTES
from ledgernode.testing import Member, TestLedger
from ledgernode.wire.keys import composite_key, state_key
from ledgernode.wire.types import Height

CURRENCY = Path(__file__).parent.parent / "src" / "chaincode" / "currency.py"

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
def broken(reason: str) -> Iterator[None]:
    with pytest.raises(AuditFailed, match=reason):
        yield


def test_a_conserved_currency_is_found_so_with_its_sums() -> None:
    """Supply, accounts, escrow and what was issued agree."""
    seen: list[tuple[int, int]] = []
    scene = Scene()
    report = audit(scene.chain, progress=lambda done, total: seen.append((done, total)))
    (finding,) = report.findings
    assert finding.sums == {"supply_minor": 900, "available_minor": 850, "escrow_minor": 50, "issued_minor": 900}
    assert (report.first, report.last) == (1, scene.ledger.height)
    assert seen[-1] == (scene.ledger.height, scene.ledger.height)


def test_a_ledger_without_a_currency_has_nothing_to_audit() -> None:
    """Nor one whose currency is not established."""
    ledger = TestLedger()
    assert audit(ledger.chain).findings == ()
    ledger.deploy(CURRENCY)
    assert audit(ledger.chain).findings == ()


def test_a_range_of_blocks_is_audited_by_itself() -> None:
    """The supply before it, and the events in it."""
    scene = Scene()
    first = Height(scene.ledger.height)
    scene.submit(scene.issuer, "mint", account=scene.anna.id, amount_minor=7, purpose="more")
    report = audit(scene.chain, first=first)
    assert (report.first, report.findings[0].sums["issued_minor"]) == (first, 7)


def test_a_balance_that_is_in_no_sum_is_a_break() -> None:
    """Money on an account that nobody minted."""
    scene = Scene()
    scene.overwrite(composite_key("account", scene.anna.id), available_minor=651)
    with broken(r"the book says 900, the accounts hold 851 \+ 50"):
        audit(scene.chain)


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
    with broken("has 50 in escrow, its escrows another sum"):
        audit(scene.chain)
    scene.remove(composite_key("account", scene.anna.id))
    with broken("who has no account"):
        audit(scene.chain)


def leaky(tmp_path: Path) -> Scene:
    (tmp_path / "currency.py").write_text(LEAKY)
    return Scene(tmp_path / "currency.py")


def test_money_made_without_an_event_is_named_with_its_block(tmp_path: Path) -> None:
    """State agrees with itself, the events do not explain it: the first such block is found."""
    scene = leaky(tmp_path)
    transfer = next(e.height for e in scene.ledger.events("currency", "Transferred"))
    for _ in range(5):
        scene.submit(scene.issuer, "mint", account=scene.anna.id, amount_minor=1, purpose="x")
    with broken(f"after block {transfer} the book says 1300") as _:
        audit(scene.chain)


def test_a_break_before_the_readable_window_is_named_as_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The state of that block is gone; the audit says what it still can."""
    scene = leaky(tmp_path)
    for _ in range(6):
        scene.submit(scene.issuer, "mint", account=scene.anna.id, amount_minor=1, purpose="x")
    monkeypatch.setattr(config, "READABLE_PAST_HEIGHTS", 3)
    with broken(f"after block {scene.ledger.height - 3} or one before it"):
        audit(scene.chain, first=Height(1))


def test_checks_are_registered_by_contract_and_run_in_order() -> None:
    """Later contracts add theirs."""
    asked: list[Range] = []

    def check(_: ChainStore, span: Range, __: object) -> Finding:
        asked.append(span)
        return Finding("energy is conserved", {})

    scene = Scene()
    report = audit(scene.chain, checks={**CHECKS, "energy": check})
    assert [finding.law[:8] for finding in report.findings] == ["currency", "energy i"]
    assert asked == [Range(Height(1), scene.ledger.height)]
