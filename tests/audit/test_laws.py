"""Each law is broken on purpose, and the audit names it, the block, the transaction and what does not add up."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import pytest

from ledgernode.audit import LAWS, Law, audit
from ledgernode.audit.days import Days
from ledgernode.audit.escrows import Purposes
from ledgernode.audit.feeders import Reports
from ledgernode.audit.intervals import Classes
from ledgernode.audit.invoices import Invoices
from ledgernode.audit.movements import Movements
from ledgernode.audit.prepaid import Balances
from ledgernode.audit.returns import Returns
from ledgernode.audit.tokens import Lives
from ledgernode.errors import AuditFailed
from ledgernode.store.kv import Table
from ledgernode.store.past import height_key
from ledgernode.store.state import VERSION_BYTES, version_of
from ledgernode.wire.keys import composite_key, state_key
from ledgernode.wire.receipt import Event, encode_receipt, parse_receipt
from ledgernode.wire.types import Height
from tests.audit.whole_town import WholeTown, lived

pytestmark = pytest.mark.timeout(300)
Change = Callable[[Any], Any]
BUYER = 3
"""The buyer's place among the points, which stand in order of their ids."""


@pytest.fixture(scope="module")
def town() -> WholeTown:
    return lived()


class Place:
    """A record of the town, and the transaction that wrote it last."""

    def __init__(self, town: WholeTown, contract: str, key: str) -> None:
        self.town = town
        self.key = state_key(contract, key)
        with town.ledger.chain._kv.reader() as reader:
            stored = reader.get(Table.STATE, self.key)
        assert stored is not None, key
        self.stored = stored
        self.record: Any = msgspec.msgpack.decode(stored[VERSION_BYTES:])
        self.height, self.position = version_of(stored)

    @property
    def transaction(self) -> str:
        return parse_receipt(self.town.ledger.chain.receipts(Height(self.height))[self.position]).id.hex()

    @contextmanager
    def altered(self, change: Change) -> Iterator[None]:
        """It is another one for a while, as if nobody had written that."""
        record = change(msgspec.msgpack.decode(self.stored[VERSION_BYTES:]))
        self.write(None if record is None else self.stored[:VERSION_BYTES] + msgspec.msgpack.encode(record))
        try:
            yield
        finally:
            self.write(self.stored)

    def write(self, stored: bytes | None) -> None:
        self.town.ledger.chain._kv.write([(Table.STATE, self.key, stored)])


def found(town: WholeTown, contract: str, kind: str, where: Callable[[Any], bool] = lambda _: True) -> Place:
    """The first record of a kind for which that holds."""
    start = state_key(contract, composite_key(kind))
    with town.ledger.chain.state() as view:
        keys = [key for key, stored in view.scan(start, start[:-1] + b"\x01")]
    for key in keys:
        place = Place(town, contract, key.partition(b"\x00")[2].decode())
        if where(place.record):
            return place
    raise AssertionError(f"no {kind} of {contract} is like that")


def failure(town: WholeTown, *laws: type[Law]) -> AuditFailed:
    with pytest.raises(AuditFailed) as failed:
        audit(town.ledger.chain, laws=laws or LAWS)
    return failed.value


def broken(place: Place, change: Change, law: type[Law], text: str) -> dict[str, Any]:
    """The law names the transaction that wrote this record, and no other law an earlier one; its facts."""
    with place.altered(change):
        first, failed = failure(place.town), failure(place.town, law)
    assert text in str(failed)
    assert first.facts["height"] == failed.facts["height"]
    assert failed.facts["law"] == law.name
    assert (failed.facts["height"], failed.facts["transaction"]) == (place.height, place.transaction)
    assert f"block {place.height}, transaction {place.transaction[:16]}" in str(failed)
    return failed.facts


def with_field(name: str, more: int) -> Change:
    def change(record: Any) -> Any:
        return {**record, name: record[name] + more}

    return change


def test_a_sound_town_passes_every_law(town: WholeTown) -> None:
    """Each law had something to judge, and says what it has summed; any range of it is sound too."""
    report = audit(town.ledger.chain)
    assert [finding.law for finding in report.findings] == [law.name for law in LAWS]
    sums = {finding.law: finding.sums for finding in report.findings}
    classes = sums[Classes.name]
    taken = classes["trade_import_mwh"] + classes["pool_import_mwh"] + classes["grid_import_mwh"]
    assert classes["import_mwh"] == taken
    assert min(classes["trade_import_mwh"], classes["pool_import_mwh"], classes["adjustments"]) > 0
    assert sums[Days.name]["intervals_compared"] > 0
    assert sums[Purposes.name]["held_minor"] > 0
    assert sums[Returns.name]["returned_mwh"] > 0
    assert sums[Invoices.name]["invoices"] >= 4
    assert sums[Reports.name]["loss_mwh"] > 0
    assert {"reserved_tokens", "minted_tokens", "redeemed_tokens", "burned_tokens"} <= set(sums[Lives.name])
    height = town.ledger.height
    for first, last in ((1, height // 2), (height // 2, height - 3), (height - 20, height)):
        audit(town.ledger.chain, first=Height(first), last=Height(last))


# ---------------------------------------------------------------- energy


def test_a_wh_without_a_class_and_one_with_two_are_breaks(town: WholeTown) -> None:
    """The row of a point in a closed interval is not its import any more."""
    interval = found(town, "settlement", "interval", lambda one: one["rows"][BUYER][2] > 0)

    def more_grid(energy_mwh: int) -> Change:
        def change(record: Any) -> Any:
            record["rows"][BUYER][4] += energy_mwh
            return record

        return change

    trade, pool, grid = interval.record["rows"][BUYER][2:5]
    classed = f"utility:house-2: import 500000 mWh, classed trade {trade} + pool {pool} + grid"
    broken(interval, more_grid(-1), Classes, f"{classed} {grid - 1}")
    broken(interval, more_grid(1), Classes, f"{classed} {grid + 1}")


def test_a_point_in_two_areas_at_once_has_two_classes(town: WholeTown) -> None:
    """Each of both may add up by itself."""
    interval = found(town, "settlement", "interval")
    writes = []
    parts = interval.key.partition(b"\x00")[2].decode().split("\x00")[1:-1]
    for kind in ("interval", "facts", "postings"):
        record = Place(town, "settlement", composite_key(kind, *parts[1:])).stored
        writes.append((Table.STATE, state_key("settlement", composite_key(kind, "utility:other", parts[2])), record))
    town.ledger.chain._kv.write(writes)
    try:
        failed = failure(town)
    finally:
        town.ledger.chain._kv.write([(table, key, None) for table, key, _ in writes])
    assert "has two classes then: it is also in utility:area-1" in str(failed)


def test_postings_are_the_classes_priced_and_balanced(town: WholeTown) -> None:
    """Energy as the rows have it, amounts as price and energy make them, and what is bought is sold."""
    interval = found(town, "settlement", "interval", lambda one: one["rows"][BUYER][2] > 0)
    parts = interval.key.partition(b"\x00")[2].decode().split("\x00")[2:-1]
    postings = Place(town, "settlement", composite_key("postings", *parts))

    def posting(at: int, more: int, kind: str) -> Change:
        def change(record: Any) -> Any:
            place = next(place for place, row in enumerate(record) if row[1] == kind)
            record[place][at] += more
            return record

        return change

    for changed, text in (
        (posting(3, 1, "trade_import"), "mWh trade_import, "),
        (posting(5, 1, "trade_import"), "bought less sold is 0 mWh and 1 minor units"),
        (posting(5, -1, "pool_export"), "the pool: bought less sold is 0 mWh and 1 minor units"),
        (posting(4, 1_000_000, "pool_import"), "is not "),
    ):
        with postings.altered(changed):
            failed = failure(town)
        assert text in str(failed)
        assert failed.facts["law"] == Classes.name
        assert failed.facts["height"] == interval.height


def test_money_goes_where_postings_say(town: WholeTown) -> None:
    """A seller, or whoever the levies and taxes belong to, gets what the closed interval gives it, and nobody else."""
    solar = town.houses[0].wallet.id
    for account in (solar, town.taxes.id, town.levies.id, town.treasury.id):
        start = state_key("currency", composite_key("entry", account))
        with town.ledger.chain.state() as view:
            keys = [key for key, _ in view.scan(start, start[:-1] + b"\x01")]
        entries = [Place(town, "currency", key.partition(b"\x00")[2].decode()) for key in keys]
        received = [entry for entry in entries if entry.record["kind"] == "received"]
        paid = next(entry for entry in received if entry.record["purpose"].startswith("energy of interval"))
        with paid.altered(with_field("amount_minor", 1)):
            failed = failure(town, Movements)
        assert f"{account} was to get {paid.record['amount_minor']}" in str(failed)
        assert (failed.facts["height"], failed.facts["transaction"]) == (paid.height, paid.transaction)
    with found(town, "settlement", "postings", bool).altered(lambda _: []):
        assert "and gets" in str(failure(town, Movements))


def test_a_day_is_its_intervals_and_what_was_measured(town: WholeTown) -> None:
    """Trade and pool of the day are the intervals'; import is the register's, with the late readings posted since."""
    day = found(town, "settlement", "day", lambda one: sum(one["columns"][2]) > 0)
    at = next(at for at, energy_mwh in enumerate(day.record["columns"][2]) if energy_mwh)

    def moved(one: int, other: int) -> Change:
        def change(record: Any) -> Any:
            for column, sign in ((one, 1), (other, -1)):
                record["columns"][column][at] += sign * 10
            return record

        return change

    broken(day, moved(2, 4), Days, "the day has trade and pool of")

    def used(record: Any) -> Any:
        for column in (0, 4):
            record["columns"][column][at] += 10
        return record

    broken(day, used, Days, "mWh is classed, ")
    adjustment = found(town, "settlement", "adjustment", lambda one: one["columns_mwh"][0] > 0)

    def less(record: Any) -> Any:
        for column in (0, 4):
            record["columns_mwh"][column] -= 7
        return record

    with adjustment.altered(less):
        failed = failure(town)
    assert failed.facts["law"] in (Days.name, Classes.name)


def test_corrections_of_all_points_balance(town: WholeTown) -> None:
    """What a late reading lets one buy more, another sells more, for the same money."""
    adjustment = found(town, "settlement", "adjustment")
    broken(adjustment, with_field("amount_minor", 3), Classes, "adjustments of all points owe 3 more than they get")


def test_energy_into_a_feeder_is_energy_out_and_loss(town: WholeTown) -> None:
    """Of a report whose loss is known."""
    with town.ledger.chain.state() as view:
        keys = [key for key, _ in view.scan(state_key("feeder", "report/"), state_key("feeder", "report0"))]
    report = Place(town, "feeder", keys[-1].partition(b"\x00")[2].decode())
    assert report.record["loss_mwh"] == 1_000
    broken(report, with_field("loss_mwh", 1), Reports, "not 1001 lost")
    broken(report, with_field("technical_mwh", 1), Reports, "1000 lost is not")
    shares = Place(town, "feeder", keys[-1].partition(b"\x00")[2].decode().replace("report/", "shares/"))

    def given(record: Any) -> Any:
        record[0][4] += 5
        return record

    with shares.altered(given):
        assert "mWh are given" in str(failure(town))


# ---------------------------------------------------------------- escrow


@pytest.mark.parametrize("kind", ["vend/", "order/", "collateral/", "payout/", "pool/"])
def test_escrow_is_what_its_purpose_needs(town: WholeTown, kind: str) -> None:
    """One minor unit moves from an escrow to what is available: the supply is whole, the purpose is not."""
    if kind in ("order/", "collateral/"):
        side = "bid" if kind == "order/" else "ask"
        claim = found(town, "market", "order", lambda one: one["held_minor"] > 0 and one["side"] == side)
        change = with_field("held_minor", 1)
    elif kind == "vend/":
        claim = found(town, "prepaid", "credit", lambda one: one["status"] == "reserved")
        change = with_field("total_minor", 1)
    elif kind == "payout/":
        claim, change = found(town, "billing", "payout"), with_field("amount_minor", 1)
    else:
        claim = found(town, "settlement", "pool", lambda shares: shares[1]["purse_minor"] > 0)

        def change(record: Any) -> Any:
            record[1]["purse_minor"] += 1
            return record

    with claim.altered(change):
        failed = failure(town)
    assert failed.facts["law"] == Purposes.name
    assert f"escrow {kind}" in str(failed)
    assert failed.facts["sums"]["held_minor"] + 1 == failed.facts["sums"]["claimed_minor"]


def test_escrow_of_a_trade_follows_it_to_its_end(town: WholeTown) -> None:
    """One that is done needs nothing any more."""
    trade = found(town, "settlement", "trade", lambda one: one["status"] == "done")
    broken(trade, with_field("escrow_minor", 5), Purposes, "holds 0, 5 is needed")


# ---------------------------------------------------------------- prepaid


def test_a_meters_balance_is_what_entered_less_what_left(town: WholeTown) -> None:
    """By its own sums, by the tokens, by the shares, by the lots."""
    account = found(town, "prepaid", "account", lambda one: one["shared_mwh"] > 0)
    broken(account, with_field("balance_mwh", 1), Balances, "")

    def both(name: str) -> Change:
        return lambda record: {**record, name: record[name] + 5, "consumed_mwh": record["consumed_mwh"] - 5}

    assert "tokens were redeemed" in broken_text(
        account,
        lambda record: {
            **record,
            "credited_mwh": record["credited_mwh"] + 5,
            "consumed_mwh": record["consumed_mwh"] + 5,
        },
    )
    assert "shares were debited" in broken_text(account, both("shared_mwh"))
    lot = found(town, "prepaid", "lot", lambda one: one["left_mwh"] > 1)
    assert "lots hold" in broken_text(lot, with_field("left_mwh", -1))
    assert "left of" in broken_text(lot, with_field("left_net_minor", 10**12))


def broken_text(place: Place, change: Change) -> str:
    with place.altered(change):
        return str(failure(place.town, Balances))


def test_units_are_returned_once_for_what_was_traded(town: WholeTown) -> None:
    """Neither more nor less, and not twice."""
    returned = found(town, "prepaid", "return")
    broken(returned, with_field("energy_mwh", 100), Returns, "were traded and pooled")


def test_a_token_has_one_life(town: WholeTown) -> None:
    """It does not go back, get other digits or another amount; digits stand for one credit, and turns are told."""
    credit = found(town, "prepaid", "credit", lambda one: one["status"] == "redeemed")
    broken(credit, lambda record: {**record, "status": "minted"}, Lives, "told to be redeemed, which it did not become")
    broken(credit, with_field("units", 1), Lives, "units of credit")
    broken(credit, lambda record: {**record, "token_hash": "00" * 32}, Lives, "got other digits")
    burned = found(town, "prepaid", "credit", lambda one: one["status"] == "burned" and not one["token_hash"])
    broken(burned, lambda record: {**record, "status": "redeemed", "token_hash": "11" * 32}, Lives, "was reserved")
    with found(town, "prepaid", "token").altered(lambda _: None):
        assert "are known 0 times" in str(failure(town))


def test_a_turn_that_is_told_twice_is_a_break(town: WholeTown) -> None:
    """The event stands in a receipt; the credit was redeemed once."""
    event = town.ledger.events("prepaid", "CreditRedeemed")[0]
    chain, key = town.ledger.chain, height_key(event.height)
    with chain._kv.reader() as reader:
        stored = reader.get(Table.RECEIPTS, key)
    assert stored is not None
    receipts = [parse_receipt(raw) for raw in chain.receipts(event.height)]
    twice = [
        msgspec.structs.replace(one, events=(*one.events, *again(one.events))) if one.events else one
        for one in receipts
    ]
    chain._kv.write([(Table.RECEIPTS, key, msgspec.msgpack.encode(tuple(encode_receipt(one) for one in twice)))])
    try:
        failed = failure(town)
    finally:
        chain._kv.write([(Table.RECEIPTS, key, stored)])
    assert "is 2 times told to be redeemed" in str(failed)
    assert failed.facts["transaction"] == event.transaction_id


def again(events: tuple[Event, ...]) -> tuple[Event, ...]:
    return tuple(event for event in events if event.name == "CreditRedeemed")


# ---------------------------------------------------------------- invoices


def test_invoices_recompute_and_ledgers_add_up(town: WholeTown) -> None:
    """Total, price times energy, classed energy, prices of the tariff; entries, balance, what is open; payments."""
    invoice = found(town, "billing", "invoice", lambda one: any(line["kind"] == "import" for line in one["lines"]))

    def line(name: str, more: int, kind: str = "import") -> Change:
        def change(record: Any) -> Any:
            at = next(at for at, one in enumerate(record["lines"]) if one["kind"] == kind)
            record["lines"][at][name] += more
            return record

        return change

    def dearer(record: Any) -> Any:
        one = next(one for one in record["lines"] if one["kind"] == "import")
        one["price_micro"] += 10_000
        pico = one["price_micro"] * one["quantity"]
        record["total_minor"] += pico // 10**8 - one["amount_minor"]
        one["amount_minor"], one["remainder_pico"] = divmod(pico, 10**8)
        return record

    broken(invoice, with_field("total_minor", 1), Invoices, "its lines sum to")
    broken(invoice, line("remainder_pico", 1), Invoices, "is not")
    broken(invoice, line("quantity", 1, "listed"), Invoices, "is listed")
    broken(invoice, dearer, Invoices, "is no price of utility:flat")
    entry = found(town, "billing", "entry")
    broken(entry, with_field("amount_minor", 1), Invoices, "its entries sum to")
    standing = found(town, "billing", "standing", lambda one: one["paid_minor"] > 0)
    broken(standing, with_field("paid_minor", -1), Invoices, "of its invoices")
    payment = found(town, "billing", "payment")
    broken(payment, with_field("amount_minor", 1), Invoices, "were distributed for them")


# ---------------------------------------------------------------- contracts that are wrong
