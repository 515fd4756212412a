"""A purchase's steps: the same key is the same token for ever, whatever ends the process and wherever."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from gateway.vending.keystore import KeyFacts, KeyStore
from gateway.vending.module import KeyStoreModule
from gateway.vending.payments import PaymentForm, Purchase, State, Under
from gateway.vending.seller import Seller
from gateway.vending.settings import Bounds
from gateway.vending.store import VendingStore
from ledgernode.errors import (
    CommitUnknown,
    CurrencyRefused,
    DatabaseInUse,
    NodeUnreachable,
    PaymentAboveLimit,
    PaymentInvalid,
    PaymentKeyReused,
    PurchaseUnknown,
)
from tests.conditions import eventually
from tests.gateway.vending.handmade_ledger import METER, OTHER, Cuts, HandmadeLedger, PowerCut
from tests.gateway.vending.keys import VENDING_KEY

PAYMENT = PaymentForm(METER, 1_005, "EUR", "receipt 1")


class Service:
    """A seller with what it stands on; another one on the same directory is the process started again."""

    def __init__(self, directory: Path, ledger: HandmadeLedger, cuts: Cuts | None = None, **bounds: int) -> None:
        self.cuts = cuts or Cuts()
        ledger.cut = self.cuts
        self.store = CutStore(directory, self.cuts)
        facts = KeyFacts("123457", 2, 1, "")
        self.told: list[Under] = []
        self.seller = Seller(
            self.store,
            ledger,  # type: ignore[arg-type]
            KeyStoreModule(KeyStore({facts.label: (facts, VENDING_KEY)})),
            Bounds(**{"again_ms": 10, **bounds}),
            payer=lambda _: None,  # type: ignore[arg-type,return-value]
            clock_ms=lambda: 1_000,
            on_minted=self.told.append,
        )

    async def close(self) -> None:
        await self.seller.close()
        self.store.close()


class CutStore(VendingStore):
    """May be the last that is done, before or after the write."""

    def __init__(self, path: Path, cuts: Cuts) -> None:
        super().__init__(path)
        self._cuts = cuts

    async def keep(self, *arguments: Any, **named: Any) -> None:
        self._cuts()
        await super().keep(*arguments, **named)
        self._cuts()


@asynccontextmanager
async def service(directory: Path, ledger: HandmadeLedger, cuts: Cuts | None = None, **bounds: int) -> Any:
    found = Service(directory, ledger, cuts, **bounds)
    try:
        yield found
    finally:
        await found.close()


@pytest.fixture
def ledger() -> HandmadeLedger:
    return HandmadeLedger()


async def test_a_payment_becomes_a_token_once(tmp_path: Path, ledger: HandmadeLedger) -> None:
    """Again, at the same time, and after a restart: one credit, the same digits."""
    async with service(tmp_path, ledger) as one:
        found = await asyncio.gather(*(one.seller.pay("kiosk", "k", PAYMENT) for _ in range(5)))
        assert found == [found[0]] * 5
        assert (found[0].state, found[0].total_minor, found[0].rest_minor) == (State.MINTED, 1_000, 5)
        digits = await one.seller.digits(found[0])
        assert (len(digits), digits.isdecimal(), len(one.told)) == (20, True, 1)
    async with service(tmp_path, ledger) as one:
        again = await one.seller.pay("kiosk", "k", PAYMENT)
        assert (again, await one.seller.digits(again)) == (found[0], digits)
        assert one.seller.find("kiosk", "k") == again
        other = await one.seller.pay("bank", "k", PAYMENT)
        assert await one.seller.digits(other) != digits, "another partner's key"
    assert len(ledger.minted()) == 2


@pytest.mark.parametrize("at", range(1, 13))
async def test_a_power_cut_anywhere_leaves_one_token(tmp_path: Path, ledger: HandmadeLedger, at: int) -> None:
    """Before and after each write and each answer of the ledger; taken up again by itself, without the partner."""
    cuts = Cuts(at)
    async with service(tmp_path, ledger, cuts) as one:
        with suppress(PowerCut):
            await one.seller.pay("kiosk", "k", PAYMENT)
    known = cuts.at > 1 and cuts.passed >= cuts.at
    async with service(tmp_path, ledger) as one:
        running = asyncio.create_task(one.seller.run())
        if known and one.store.find("kiosk", "k") is not None:
            await eventually(lambda: one.store.find("kiosk", "k").over)
        found = await one.seller.pay("kiosk", "k", PAYMENT)
        running.cancel()
    assert (found.state, found.attempt) == (State.MINTED, 1)
    assert [credit["status"] for credit in ledger.credits] == ["minted"]
    assert ledger.paid_minor == 1_000
    assert cuts.passed <= at


async def test_there_is_no_place_beyond_those_that_were_tried(tmp_path: Path, ledger: HandmadeLedger) -> None:
    """The test above cuts at every place there is."""
    async with service(tmp_path, ledger) as one:
        await one.seller.pay("kiosk", "k", PAYMENT)
        assert one.cuts.passed < 13


async def test_a_reservation_that_was_let_go_is_made_anew(tmp_path: Path, ledger: HandmadeLedger) -> None:
    """The process was away for longer than the ledger holds the money; the customer has paid, and gets the units."""
    async with service(tmp_path, ledger, Cuts(7)) as one:
        with suppress(PowerCut):
            await one.seller.pay("kiosk", "k", PAYMENT)
    assert [credit["status"] for credit in ledger.credits] == ["reserved"]
    ledger.let_go()
    async with service(tmp_path, ledger) as one:
        found = await one.seller.pay("kiosk", "k", PAYMENT)
    assert (found.state, found.attempt) == (State.MINTED, 2)
    assert [credit["status"] for credit in ledger.credits] == ["burned", "minted"]
    assert len(set(ledger.asked)) == 2


async def test_what_was_minted_once_is_never_minted_anew(tmp_path: Path, ledger: HandmadeLedger) -> None:
    """Minted, then burned with the meter's proof while the process was away: staff replaces it, not the seller."""
    async with service(tmp_path, ledger) as one:
        cuts = one.cuts
        await one.seller.pay("kiosk", "first", PAYMENT)
        places = cuts.passed
    async with service(tmp_path, ledger, Cuts(places - 1)) as one:
        with suppress(PowerCut):
            await one.seller.pay("kiosk", "k", PAYMENT)
    assert ledger.credits[1]["status"] == "minted"
    ledger.credits[1]["status"] = "burned"
    async with service(tmp_path, ledger) as one:
        found = await one.seller.pay("kiosk", "k", PAYMENT)
    assert (found.state, found.attempt, len(ledger.credits)) == (State.MINTED, 1, 2)


async def test_the_ledgers_no_is_for_ever(tmp_path: Path, ledger: HandmadeLedger) -> None:
    """A blocked point, too little money, no such meter: refused, the same each time, and nothing is tried again."""
    ledger.refusal = "prepaid.VENDING_BLOCKED"
    async with service(tmp_path, ledger) as one:
        found = await one.seller.pay("kiosk", "k", PAYMENT)
        assert (found.state, found.code) == (State.REFUSED, "prepaid.VENDING_BLOCKED")
        ledger.refusal = ""
        assert await one.seller.pay("kiosk", "k", PAYMENT) == found
        unknown = await one.seller.pay("kiosk", "l", PaymentForm(OTHER, 10, "EUR"))
        assert (unknown.state, unknown.code) == (State.REFUSED, "registry.UNKNOWN")
    assert (len(ledger.asked), ledger.credits) == (1, [])


async def test_a_meter_whose_key_is_not_here_is_refused_before_money_moves(
    tmp_path: Path, ledger: HandmadeLedger
) -> None:
    ledger.group = "654321"
    async with service(tmp_path, ledger) as one:
        found = await one.seller.pay("kiosk", "k", PAYMENT)
    assert (found.state, found.code, ledger.asked) == (State.REFUSED, "VENDING_KEY_UNKNOWN", [])


async def test_trouble_is_told_and_gone_through(tmp_path: Path, ledger: HandmadeLedger) -> None:
    """No node: whoever waits hears it, the purchase goes on by itself when there is one."""
    ledger.trouble = NodeUnreachable("nobody")
    async with service(tmp_path, ledger) as one:
        with pytest.raises(NodeUnreachable):
            await one.seller.pay("kiosk", "k", PAYMENT)
        running = asyncio.create_task(one.seller.run())
        await asyncio.sleep(0.05)
        assert one.seller.find("kiosk", "k").state is State.RECEIVED
        ledger.trouble = None
        await eventually(lambda: one.seller.find("kiosk", "k").state is State.MINTED)
        running.cancel()
    assert len(ledger.minted()) == 1


async def test_a_partner_that_waits_too_long_gives_nothing_up(tmp_path: Path, ledger: HandmadeLedger) -> None:
    held = asyncio.Event()

    async def slow(*arguments: Any) -> dict[str, Any]:
        await held.wait()
        return await HandmadeLedger.mint(ledger, *arguments)

    ledger.mint = slow  # type: ignore[method-assign]
    async with service(tmp_path, ledger, answer_ms=100) as one:
        with pytest.raises(CommitUnknown):
            await one.seller.pay("kiosk", "k", PAYMENT)
        await eventually(lambda: one.seller.find("kiosk", "k").state is State.RESERVED)
        held.set()
        await eventually(lambda: one.seller.find("kiosk", "k").over)


async def test_a_key_is_one_payments(tmp_path: Path, ledger: HandmadeLedger) -> None:
    """Another amount, meter or reference under it is refused: during the purchase, after it, after a restart."""
    others = [PaymentForm(METER, 1_006, "EUR", "receipt 1"), PaymentForm(METER, 1_005, "EUR", "receipt 2")]
    async with service(tmp_path, ledger) as one:
        first = asyncio.create_task(one.seller.pay("kiosk", "k", PAYMENT))
        found = await asyncio.gather(*(one.seller.pay("kiosk", "k", other) for other in others), return_exceptions=True)
        assert [type(each) for each in found] == [PaymentKeyReused] * 2
        await first
        with pytest.raises(PaymentKeyReused):
            await one.seller.pay("kiosk", "k", others[0])
    async with service(tmp_path, ledger) as one:
        with pytest.raises(PaymentKeyReused):
            await one.seller.pay("kiosk", "k", others[1])
    assert len(ledger.credits) == 1


@pytest.mark.parametrize(
    ("payment", "key", "refusal"),
    [
        (PaymentForm(METER, 0, "EUR"), "k", PaymentInvalid),
        (PaymentForm(METER, -5, "EUR"), "k", PaymentInvalid),
        (PaymentForm(METER, 1 << 53, "EUR"), "k", PaymentInvalid),
        (PaymentForm("600727000000000008", 10, "EUR"), "k", PaymentInvalid),
        (PaymentForm("12", 10, "EUR"), "k", PaymentInvalid),
        (PaymentForm(METER, 10, "EUR", "x" * 141), "k", PaymentInvalid),
        (PaymentForm(METER, 10, "EUR"), "", PaymentInvalid),
        (PaymentForm(METER, 10, "EUR"), "k" * 129, PaymentInvalid),
        (PaymentForm(METER, 10, "EUR"), "k\x00", PaymentInvalid),
        (PaymentForm(METER, 10, "USD"), "k", CurrencyRefused),
        (PaymentForm(METER, 10, "eur"), "k", CurrencyRefused),
        (PaymentForm(METER, 2_001, "EUR"), "k", PaymentAboveLimit),
    ],
)
async def test_what_is_no_payment_is_not_kept(
    tmp_path: Path, ledger: HandmadeLedger, payment: PaymentForm, key: str, refusal: type[Exception]
) -> None:
    """So that the key is free for the payment that was meant."""
    async with service(tmp_path, ledger) as one:
        with pytest.raises(refusal):
            await one.seller.pay("kiosk", key, payment, limit_minor=2_000)
        with pytest.raises(PurchaseUnknown):
            one.seller.find("kiosk", key)
    assert ledger.asked == []


async def test_one_process_has_the_directory_and_others_read_it(tmp_path: Path, ledger: HandmadeLedger) -> None:
    async with service(tmp_path, ledger) as one:
        await one.seller.pay("kiosk", "k", PAYMENT)
        with pytest.raises(DatabaseInUse):
            VendingStore(tmp_path)
    reader = VendingStore(tmp_path, readonly=True)
    found: list[Purchase] = list(reader.purchases())
    assert [(each.partner, each.key, each.state) for each in found] == [("kiosk", "k", State.MINTED)]
    assert reader.open() == []
    assert [under.minted for under in reader.tokens()] == [True]
    reader.close()
