"""Whatever a town does, every law holds; and a contract that breaks one is found out at its first wrong step."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from chaincode.calendar import day_number
from ledgernode.audit import LAWS, audit
from ledgernode.audit.intervals import Classes
from ledgernode.audit.prepaid import Balances
from ledgernode.errors import AuditFailed
from ledgernode.execution.sandbox.package import pack
from ledgernode.wire.types import Height
from tests.audit.whole_town import WholeTown
from tests.chaincode.town import CONTRACTS, DAY_MS, INTERVAL_MS, KWH

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
INTERVALS = 9


class Chance:
    """Draws what happens in a town; the seed says it all."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        self.town = WholeTown()
        self.silent: tuple[str, ...] = ()

    def interval(self) -> None:
        """Some do something, all use something, a meter may say nothing for a while."""
        seller, buyer = self.draw.sample(self.town.everyone, 2)
        self.town.order(seller, "ask", self.draw.randrange(1, 900), 15)
        self.town.order(buyer, "bid", self.draw.randrange(1, 900), 25)
        for _ in range(self.draw.randrange(4)):
            self.draw.choice(self.deeds)()
        energies = [self.energy() for _ in self.town.everyone]
        if self.silent or self.draw.random() < 0.3:
            self.silent = () if self.silent else (self.draw.choice(self.town.everyone).point,)
        self.town.use(*energies, loss_mwh=self.draw.choice((0, 500, 1_501)), but=self.silent)

    def energy(self) -> tuple[int, int]:
        """Import and export in mWh; odd numbers, so that rounding shows."""
        return self.draw.choice((0, 1, 99_999, 333_333, self.draw.randrange(KWH))), self.draw.choice(
            (0, 7, 250_001, self.draw.randrange(KWH))
        )

    @property
    def deeds(self) -> tuple[Callable[[], None], ...]:
        return self.orders, self.orders, self.orders, self.joins, self.vends, self.reserves, self.shares, self.stops

    def orders(self) -> None:
        house, side = self.draw.choice(self.town.everyone), self.draw.choice(("bid", "ask"))
        cents = self.draw.randrange(10, 22) if side == "ask" else self.draw.randrange(18, 30)
        self.town.order(house, side, self.draw.randrange(1, 900), cents)

    def joins(self) -> None:
        house = self.draw.choice(self.town.everyone)
        self.town.enroll(house, self.draw.choice((0, 100, 60_000)))
        if self.draw.random() < 0.3:
            self.town.attempt(house.wallet, "settlement", "leave", point=house.point)

    def vends(self) -> None:
        self.town.vend(self.draw.choice(self.town.homes), self.draw.randrange(10_000, 90_000))

    def reserves(self) -> None:
        self.town.reserve(self.draw.choice(self.town.homes), self.draw.randrange(10_000, 90_000))

    def shares(self) -> None:
        sender, to = self.draw.sample(self.town.homes, 2)
        energy_mwh = self.draw.choice((100_000, 250_000, 1_234_567))
        if sender.balance_mwh > energy_mwh:
            self.town.share(sender, to, energy_mwh)

    def stops(self) -> None:
        """A trade is disputed, an order cancelled."""
        house = self.draw.choice(self.town.everyone)
        number = self.draw.randrange(1, 20)
        self.town.attempt(house.wallet, "settlement", "dispute", trade=number, reason="no light")
        self.town.attempt(house.wallet, "market", "cancel", order=number)


@pytest.mark.parametrize("seed", range(1, 6))
def test_every_law_holds_whatever_a_town_does(seed: int) -> None:
    """Trades and disputes, pools that come and go, vends, shares, silent meters, a night, bills: at every moment."""
    chance = Chance(seed)
    for _ in range(INTERVALS):
        chance.interval()
    chance.town.use(*(chance.energy() for _ in chance.town.everyone))
    audit(chance.town.ledger.chain)
    chance.town.until(2, 1, 3)
    midnight_ms = day_number(2026, 2, 1) * DAY_MS
    house = chance.draw.choice(chance.town.everyone)
    chance.town.correct(house.point, midnight_ms - chance.draw.randrange(1, 6) * INTERVAL_MS, 12_345, 6_789)
    chance.town.ledger.advance(hours=2)
    report = audit(chance.town.ledger.chain)
    sums = {finding.law: finding.sums for finding in report.findings}
    assert set(sums) == {law.name for law in LAWS}
    assert sums[Classes.name]["trade_import_mwh"] > 0
    height = chance.town.ledger.height
    first = chance.draw.randrange(1, height)
    audit(chance.town.ledger.chain, first=Height(first), last=Height(chance.draw.randrange(first, height + 1)))


def wrong(folder: Path, contract: str, file: str, right: str, wrong: str) -> bytes:
    """The package of a contract in which one thing is wrong."""
    for path in CONTRACTS.glob("*.py"):
        (folder / path.name).write_text(path.read_text())
    source = (folder / file).read_text()
    assert source.count(right) == 1
    (folder / file).write_text(source.replace(right, wrong))
    return pack(folder / f"{contract}.py")


def test_contracts_that_break_a_law_are_found_out_at_their_first_wrong_step(tmp_path: Path) -> None:
    """A version whose author forgot a line is committed; blocks before it still stand, the first wrong one is named."""
    town = WholeTown(hours_before=1)
    solar, buyer, *_ = town.everyone
    energies = ((0, KWH), (KWH // 2, 0), (KWH // 4, 0), (0, 0))
    town.order(solar, "ask", 600, 15)
    town.order(buyer, "bid", 300, 24)
    town.use(*energies)
    audit(town.ledger.chain)

    doubled = "row[4] = row[0] - row[2] - row[3]"
    (tmp_path / "settlement").mkdir()
    town.ledger.deploy(
        wrong(tmp_path / "settlement", "settlement", "waterfall.py", doubled, "row[4] = row[0] - row[3]")
    )
    sound = Height(town.ledger.height)
    for _ in range(2):
        town.order(solar, "ask", 600, 15)
        town.order(buyer, "bid", 300, 24)
        town.use(*energies)
    settled = [event for event in town.ledger.events("settlement", "IntervalSettled") if event.height > sound]
    with pytest.raises(AuditFailed, match=r"import 500000 mWh, classed trade 300000 .* grid 500000") as failed:
        audit(town.ledger.chain)
    assert failed.value.facts["law"] == Classes.name
    assert failed.value.facts["transaction"] == settled[0].transaction_id
    audit(town.ledger.chain, last=sound)

    credited = "credited_mwh=account.credited_mwh + credit.energy_mwh"
    (tmp_path / "prepaid").mkdir()
    town.ledger.deploy(wrong(tmp_path / "prepaid", "prepaid", "prepaid.py", credited, credited + " * 2"))
    town.vend(town.homes[0])
    redeemed = town.ledger.events("prepaid", "CreditRedeemed")[-1]
    with pytest.raises(AuditFailed, match="tokens were redeemed") as failed:
        audit(town.ledger.chain, laws=[Balances])
    assert failed.value.facts["transaction"] == redeemed.transaction_id
    with pytest.raises(AuditFailed) as failed:
        audit(town.ledger.chain)
    assert failed.value.facts["law"] == Classes.name, "the first break of all"
