"""What pages ask, of a town that has lived: against the ledger's own answers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from chaincode.calendar import day_number
from gateway.readmodel import queries
from gateway.readmodel.database import Database
from gateway.readmodel.migrating import migrate
from gateway.readmodel.queries.pages import bookmark
from gateway.readmodel.tables.ledger import TRANSACTIONS
from gateway.readmodel.tables.market import ORDERS
from gateway.readmodel.zones import DAY_MS, HOUR_MS, Span
from ledgernode.errors import BadRequest
from ledgernode.wire.answers import Block
from ledgernode.wire.types import Height
from tests.audit.whole_town import AREA, FEEDER, HEAD, MARKET, TARIFF, WholeTown

pytestmark = pytest.mark.slow


@pytest.fixture
async def asked(model: Database) -> AsyncIterator[AsyncConnection]:
    async with model.reader.connect() as connection:
        yield connection


async def every(ask: Any, *given: Any, size: int = 3, **options: Any) -> list[Any]:
    """All pages of a list, some rows at a time."""
    found: list[Any] = []
    after = ""
    while True:
        page = await ask(*given, size=size, after=after, **options)
        found += page.items
        after = page.after
        if not after:
            return found


# ---------------------------------------------------------------- the explorer


async def test_blocks_come_newest_first_and_whole(asked: AsyncConnection, blocks: list[Block]) -> None:
    found = await every(queries.ledger.blocks, asked, size=37)
    assert [row.height for row in found] == list(range(len(blocks) - 1, -1, -1))


async def test_block_names_who_has_signed_it(asked: AsyncConnection, town: WholeTown) -> None:
    found = await queries.ledger.block(asked, 5)
    assert found is not None
    assert await queries.ledger.block(asked, bytes.fromhex(found.row.hash)) == found
    assert [one.identity for one in found.certificate] == [town.ledger.miner.id]
    assert found.parent_hash == (await queries.ledger.block(asked, 4)).row.hash  # type: ignore[union-attr]
    assert await queries.ledger.block(asked, 10**6) is None


async def test_transaction_shows_what_was_said_and_done(asked: AsyncConnection, town: WholeTown) -> None:
    page = await queries.ledger.transactions(asked, contract="market", function="ask")
    found = await queries.ledger.transaction(asked, bytes.fromhex(page.items[0].id))
    assert found is not None
    assert msgspec.json.decode(found.call.arguments)["market"] == MARKET
    assert found.events[-1].name == "OrderPlaced"
    assert found == await queries.ledger.transaction_at(asked, found.row.height, found.row.position)


async def test_transactions_by_filters(asked: AsyncConnection, town: WholeTown) -> None:
    """Pages of every filter hold what one long list holds."""
    everything = await every(queries.ledger.transactions, asked, size=100)
    operator = town.operator.id
    for filters, holds in (
        ({"creator": operator}, lambda row: row.creator == operator),
        ({"contract": "metering"}, lambda row: row.contract == "metering"),
        ({"refused": True}, lambda row: row.code != "OK"),
        ({"height": 12}, lambda row: row.height == 12),
    ):
        found = await every(queries.ledger.transactions, asked, size=11, **filters)
        assert found == [row for row in everything if holds(row)]
    assert {row.origin for row in everything} == {0, 1}


async def test_events_resume_where_a_page_ended(asked: AsyncConnection, town: WholeTown) -> None:
    found = await every(queries.ledger.events, asked, contract="market", newest_first=False)
    told = town.ledger.events("market")
    assert [row.name for row in found] == [event.name for event in told]
    assert [msgspec.json.decode(row.payload) for row in found] == [event.payload for event in told]


@pytest.mark.parametrize("newest_first", [True, False])
@pytest.mark.parametrize("given", [{"contract": "market"}, {"name": "Approved"}, {"name": "OrderPlaced"}])
async def test_events_of_several_kinds_are_put_together(
    asked: AsyncConnection, given: dict[str, str], newest_first: bool
) -> None:
    """Page by page the same as those among all that fit; a kind that nobody told of gives none."""
    everything = await every(queries.ledger.events, asked, newest_first=newest_first)
    fit = [row for row in everything if all(getattr(row, name) == value for name, value in given.items())]
    assert len(fit) > 1
    assert await every(queries.ledger.events, asked, **given, newest_first=newest_first) == fit
    assert await every(queries.ledger.events, asked, contract="nothing") == []
    assert await every(queries.ledger.events, asked, name="Nothing") == []


async def test_every_row_leads_to_its_transaction(asked: AsyncConnection, town: WholeTown) -> None:
    """Height and position of a row are those of the id it names."""
    for row in (
        *(await queries.billing.invoices(asked)).items,
        *(await queries.market.trades(asked)).items,
        *(await queries.prepaid.tokens(asked, town.everyone[2].point)).items,
        *(await queries.feeders.intervals(asked, FEEDER, 0, 1 << 60)),
    ):
        own = TRANSACTIONS.c.height == row.height, TRANSACTIONS.c.position == row.position
        assert (await asked.scalar(select(TRANSACTIONS.c.id).where(*own))).hex() == row.transaction


async def test_bookmarks_of_others_are_refused(asked: AsyncConnection) -> None:
    for wrong in ("?", "AAAA", bookmark([1, 2]), bookmark(["1"]), bookmark([1 << 63])):
        with pytest.raises(BadRequest, match="bookmark"):
            await queries.ledger.blocks(asked, after=wrong)


async def test_a_page_has_a_bound(asked: AsyncConnection) -> None:
    assert len((await queries.ledger.events(asked, size=10**9)).items) <= 500
    assert len((await queries.ledger.events(asked, size=-5)).items) == 1


# ---------------------------------------------------------------- search


async def test_search_finds_by_anything(asked: AsyncConnection, town: WholeTown) -> None:
    solar, *_, other = town.everyone
    transaction = (await queries.ledger.transactions(asked)).items[0]
    block = (await queries.ledger.blocks(asked)).items[0]
    for text, kind, name in (
        (str(block.height), "block", str(block.height)),
        (block.hash[:9], "block", block.hash),
        (transaction.id[:10], "transaction", transaction.id),
        (transaction.id.upper(), "transaction", transaction.id),
        (solar.point[:-1], "point", solar.point),
        (solar.meter.id[:12], "meter", solar.meter.id),
        (town.operator.id[:7], "identity", town.operator.id),
        ("operator", "identity", town.operator.id),
        (other.customer, "customer", other.customer),
        (FEEDER, "feeder", FEEDER),
        ("utility:1", "invoice", "utility:1"),
    ):
        found = await queries.search.search(asked, text)
        assert any((one.kind, one.id) == (kind, name) for one in found), (text, found)


@pytest.mark.parametrize("text", ["", " ", "x" * 10_000, "%", "'; DROP TABLE blocks", "\x00\x00", "9" * 30, "_%"])
async def test_search_bears_anything(asked: AsyncConnection, text: str) -> None:
    assert await queries.search.search(asked, text) == ()


# ---------------------------------------------------------------- energy


async def test_buckets_hold_what_the_ledger_holds(asked: AsyncConnection, town: WholeTown) -> None:
    """A day's intervals, its late reading and its correction too, are those of the contract, point by point."""
    day = day_number(2026, 1, 31)
    for point in (*(house.point for house in town.everyone), HEAD):
        (view,) = town.ledger.query(town.operator, "metering", "days", point=point, first_day=day, last_day=day)
        interval_ms = DAY_MS // len(view["import_mwh"])
        for span in (Span.QUARTER, Span.HOUR) if interval_ms == HOUR_MS else (Span.QUARTER,):
            rows = await queries.metering.series(asked, point, span, day * DAY_MS, (day + 1) * DAY_MS)
            sums = [[0, 0] for _ in view["import_mwh"]]
            for row in rows:
                at = (row.from_ms - day * DAY_MS) // interval_ms
                sums[at][0] += row.import_mwh
                sums[at][1] += row.export_mwh
            assert sums == [list(pair) for pair in zip(view["import_mwh"], view["export_mwh"], strict=True)], point


async def test_longer_spans_sum_up_shorter_ones(asked: AsyncConnection, town: WholeTown) -> None:
    for house in town.everyone:
        sums = set()
        for span in tuple(Span)[1:]:
            rows = await queries.metering.series(asked, house.point, span, 0, 1 << 60)
            sums.add((sum(row.import_mwh for row in rows), sum(row.export_mwh for row in rows)))
        assert len(sums) == 1


async def test_readings_are_those_that_were_signed(asked: AsyncConnection, town: WholeTown) -> None:
    house = town.everyone[0]
    found = await every(queries.metering.readings, asked, house.meter.id)
    head = await queries.metering.head(asked, house.meter.id)
    assert head is not None
    assert (found[0].time_ms, found[0].import_mwh) == (head.last_ms, head.last_import_mwh)
    assert all(row.state == "a" and row.origin == "d" for row in found)


def test_span_keeps_a_drawing_small() -> None:
    for length_ms in (HOUR_MS, DAY_MS, 7 * DAY_MS, 31 * DAY_MS, 366 * DAY_MS, 1_500 * DAY_MS):
        span = queries.metering.span_for(0, length_ms)
        width_ms = {Span.MINUTE: 60_000, Span.QUARTER: 900_000, Span.HOUR: HOUR_MS, Span.DAY: DAY_MS}[span]
        assert length_ms // width_ms <= 1_500


async def test_feeder_shows_its_reports(asked: AsyncConnection, town: WholeTown) -> None:
    page = await queries.feeders.feeders(asked, area=AREA)
    assert [(row.feeder, row.rating_va > 0) for row in page.items] == [(FEEDER, True)]
    rows = await queries.feeders.intervals(asked, FEEDER, 0, 1 << 60)
    assert rows
    for row in rows:
        report = town.ledger.query(town.operator, "feeder", "report", feeder=FEEDER, interval_ms=row.interval_ms)
        told = (row.state, row.loss_mwh, row.supply_mwh, row.technical_mwh, row.loading_micro)
        assert told == tuple(
            report[name] for name in ("state", "loss_mwh", "supply_mwh", "technical_mwh", "loading_micro")
        )


# ---------------------------------------------------------------- trade, prepayment, bills, money


async def test_book_and_orders(asked: AsyncConnection, town: WholeTown) -> None:
    """Open orders, their depth and their owners."""
    found = await every(queries.market.orders, asked, market=MARKET)
    for row in found:
        order = town.ledger.query(town.operator, "market", "order", order=row.number)
        status = row.ended or ("open" if row.left_wh else "matched")
        assert (status, row.point, row.wallet) == (order["status"], order["point"], order["wallet"])
        assert row.left_wh == order["left_wh"] or row.ended
    depth = await queries.market.depth(asked, MARKET)
    still = [row for row in found if row.left_wh]
    assert sum(level.energy_wh for level in (*depth.bids, *depth.asks)) == sum(row.left_wh for row in still)
    assert await every(queries.market.orders, asked, market=MARKET, open_only=True) == still
    mine = await every(queries.market.orders, asked, customer=town.everyone[0].customer)
    assert {row.wallet for row in mine} == {town.everyone[0].wallet.id}


async def test_open_orders_name_no_counter_bid(database: Database) -> None:
    """What others may answer: what is left of it, the next delivery first; a counter-bid is its seller's alone."""
    orders = [
        {"number": 1, "side": "ask", "kind": "offer", "from_ms": 20},
        {"number": 2, "side": "bid", "kind": "request", "from_ms": 10},
        {"number": 3, "side": "bid", "kind": "counter", "from_ms": 10},
        {"number": 4, "side": "ask", "kind": "offer", "from_ms": 10, "ended": "expired"},
        {"number": 5, "side": "ask", "kind": "offer", "from_ms": 10, "matched_wh": 9},
    ]
    given = {"market": MARKET, "energy_wh": 9, "matched_wh": 2, "price_micro": 5, "ended": ""}
    async with database.writer.begin() as connection:
        await migrate(connection)
        for order in orders:
            await connection.execute(ORDERS.insert().values(**given | order))
        found = await every(queries.market.open_orders, connection, MARKET, size=1)
        assert [(row.number, row.energy_wh) for row in found] == [(2, 7), (1, 7)]
        at_once = await queries.market.open_orders(connection, MARKET, from_ms=20)
        assert [row.number for row in at_once.items] == [1]
        depth = await queries.market.depth(connection, MARKET)
        assert [level.orders for level in (*depth.bids, *depth.asks)] == [1, 1]


async def test_trades_and_prices(asked: AsyncConnection, town: WholeTown) -> None:
    found = await every(queries.market.trades, asked, market=MARKET)
    assert {row.status for row in found} == {"done"}
    assert len(found) == len(town.ledger.events("market", "OrderMatched"))
    prices = await queries.market.prices(asked, MARKET, Span.DAY, 0, 1 << 60)
    assert sum(row.energy_wh for row in prices) == sum(row.energy_wh for row in found)
    assert all(row.low_micro <= row.average_micro <= row.high_micro for row in prices)
    sold = await every(queries.market.trades, asked, point=town.everyone[0].point)
    assert len(sold) == len(found)


async def test_tokens_and_shares(asked: AsyncConnection, town: WholeTown) -> None:
    prepays, other = town.everyone[2], town.everyone[3]
    found = await every(queries.prepaid.tokens, asked, prepays.point)
    assert [row.credit for row in found] == sorted((row.credit for row in found), reverse=True)
    bought = [row for row in found if row.total_minor]
    assert {row.status for row in bought} == {"redeemed"}
    assert all(msgspec.json.decode(row.lines) and row.energy_mwh for row in bought)
    by_hash = await queries.prepaid.token_by_hash(asked, bought[0].token_hash)
    assert by_hash == bought[0]
    (share,) = (await queries.prepaid.shares(asked, other.point)).items
    assert (share.sender, share.energy_mwh, share.status) == (prepays.point, 300_000, "credited")


async def test_what_prepaid_meters_have_left(asked: AsyncConnection, town: WholeTown) -> None:
    for home in town.homes:
        row = await queries.prepaid.prepaid(asked, home.point)
        view = town.ledger.query(town.operator, "prepaid", "account", point=home.point)["account"]
        assert row is not None
        assert (row.balance_mwh, row.balance_ms, row.low) == (view["balance_mwh"], view["reported_ms"], view["low"])


async def test_bills(asked: AsyncConnection, town: WholeTown) -> None:
    """Invoices stand as the ledger says, and a payment shows."""
    found = await every(queries.billing.invoices, asked, utility="utility")
    for row in found:
        view = town.ledger.query(town.operator, "billing", "invoice", invoice=row.invoice)
        assert row.total_minor == view["invoice"]["total_minor"]
        assert row.due_ms == view["invoice"]["due_ms"]
        assert (row.from_ms, row.until_ms, row.about) == tuple(
            view["invoice"][name] for name in ("from_ms", "until_ms", "about")
        )
        standing = view["standing"]
        assert (row.paid_minor, row.credited_minor, queries.billing.open_of(row), queries.billing.status_of(row)) == (
            *(standing["paid_minor"], standing["credited_minor"]),
            *(view["open_minor"], standing["status"]),
        )
        made = await queries.billing.invoice_lines(asked, row.invoice)
        assert made is not None
        assert msgspec.json.decode(made.lines) == view["invoice"]["lines"]
        assert msgspec.json.decode(made.parts) == view["invoice"]["parts"]
    buyer = town.everyone[1]
    (payment,) = (await queries.billing.payments(asked, customer=buyer.customer)).items
    assert payment.amount_minor == 1_000
    owed = await queries.billing.owed(asked, buyer.customer)
    assert owed.invoices == len([row for row in found if row.customer == buyer.customer])
    (run, *_) = await queries.billing.runs(asked, "utility")
    assert (run.year, run.month, run.status) == (2026, 1, "done")


async def test_tariff_of_a_time(asked: AsyncConnection, town: WholeTown) -> None:
    found = await queries.billing.tariff(asked, TARIFF, town.now_ms)
    assert found is not None
    assert msgspec.json.decode(found.arguments)["tariff"]["id"] == TARIFF
    assert await queries.billing.tariff(asked, TARIFF, 0) is None


async def test_accounts_have_what_the_ledger_says(asked: AsyncConnection, town: WholeTown) -> None:
    """Postings sum to the account, and accounts and escrows are those of the contract, after trades and bills too."""
    currency = await queries.accounts.currency(asked)
    assert currency is not None
    book = town.ledger.query(town.operator, "currency", "book")
    assert currency.supply_minor == book["supply_minor"]
    for row in await every(queries.accounts.accounts, asked):
        postings = await every(queries.accounts.postings, asked, row.account)
        assert sum(one.available_minor for one in postings) == row.available_minor
        assert len(postings) == row.postings
        balance = town.ledger.query(town.admin, "currency", "balance", account=row.account)
        assert (row.available_minor, row.escrow_minor) == (balance["available_minor"], balance["escrow_minor"])
        held = town.ledger.query(town.admin, "currency", "escrows", owner=row.account)
        found = await queries.accounts.escrows(asked, row.account)
        assert [(one.escrow, one.amount_minor) for one in found] == [(one["name"], one["amount_minor"]) for one in held]
    assert (await queries.accounts.distributions(asked)).items


async def test_who_lives_where(asked: AsyncConnection, town: WholeTown) -> None:
    house = town.everyone[0]
    assert await queries.registry.customer_of_wallet(asked, house.wallet.id) == house.customer
    (point,) = await queries.registry.points_of_customer(asked, house.customer)
    assert (point.point, point.meter, point.feeder) == (house.point, house.meter.id, FEEDER)
    meter = await queries.registry.meter(asked, house.meter.id)
    assert meter is not None
    assert meter.heard_ms > 0
    assert len(await every(queries.registry.meters, asked)) == 5


async def test_identities_and_contracts(asked: AsyncConnection, town: WholeTown) -> None:
    """Founders stand beside those who came later."""
    found = await every(queries.governance.identities, asked, organisation="utility")
    assert {town.admin.id, town.ledger.miner.id, town.operator.id} <= {row.identity for row in found}
    one = await queries.governance.identity(asked, town.operator.id)
    assert one is not None
    assert (one.name, one.role) == (town.operator.name, "operator")
    assert await queries.governance.identity_of_key(asked, one.public_key) == one
    assert {row.name for row in await queries.governance.packages(asked)} >= {"market", "billing"}
    (epoch,) = await queries.governance.epochs(asked)
    assert [seat.identity for seat in epoch.seats] == [town.ledger.miner.id]
    assert town.ledger.chain.header(Height(1)).epoch == epoch.epoch
