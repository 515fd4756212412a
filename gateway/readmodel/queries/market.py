"""Order books, orders, trades and their delivery, prices; pools and settled intervals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, and_, false, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.readmodel.bounds import SERIES_LIMIT
from gateway.readmodel.queries.pages import (
    DEFAULT_SIZE,
    Page,
    Placed,
    all_of,
    any_of,
    beginning,
    one_of,
    page_of,
    rows_of,
)
from gateway.readmodel.tables.ledger import PROPOSALS
from gateway.readmodel.tables.market import (
    ADJUSTMENTS,
    CLEARINGS,
    COMMANDS,
    HALTS,
    MARKETS,
    OPEN,
    ORDERS,
    POOLS,
    PRICES,
    SETTLED,
    STRATEGIES,
    TRADES,
)
from gateway.readmodel.zones import Span

LEVELS = 100
_FOR_ALL: Final = ORDERS.c.kind != "counter"
"""A counter-bid answers one offer: nobody else can take it."""


class MarketRow(Placed, frozen=True):
    """`arguments` are those of the proposal that made it what it is."""

    market: str
    from_ms: int
    proposal: str
    arguments: msgspec.Raw


class OrderRow(Placed, frozen=True):
    """Point, customer and wallet of a strategy's order are the strategy's own."""

    number: int
    market: str
    side: str
    kind: str
    point: str
    customer: str
    wallet: str
    feeder: str
    strategy: int
    energy_wh: int
    matched_wh: int
    price_micro: int
    from_ms: int
    until_ms: int
    expires_ms: int
    placed_ms: int
    ended: str
    placed_height: int
    placed_position: int

    @property
    def left_wh(self) -> int:
        return 0 if self.ended else self.energy_wh - self.matched_wh


class OpenRow(msgspec.Struct, frozen=True):
    """What a member of the market may answer, without a name; `energy_wh` is what is left of it."""

    number: int
    side: str
    kind: str
    energy_wh: int
    price_micro: int
    from_ms: int
    until_ms: int
    placed_ms: int


class Level(msgspec.Struct, frozen=True):
    """All open orders of a side at a price."""

    price_micro: int
    energy_wh: int
    orders: int


class Depth(msgspec.Struct, frozen=True):
    """The best prices first: bids from the highest, asks from the lowest."""

    bids: tuple[Level, ...]
    asks: tuple[Level, ...]


class TradeRow(Placed, frozen=True):
    """Energy delivered and short is known once it is done."""

    trade: int
    market: str
    area: str
    bid: int
    ask: int
    seller_point: str
    buyer_point: str
    energy_wh: int
    price_micro: int
    buyer_price_micro: int
    from_ms: int
    until_ms: int
    matched_ms: int
    status: str
    delivered_mwh: int | None
    seller_short_mwh: int | None
    buyer_short_mwh: int | None
    curtailed_mwh: int | None
    seller_pays_minor: int
    buyer_pays_minor: int
    matched_height: int
    matched_position: int


class PriceRow(msgspec.Struct, frozen=True):
    """What was traded in a span of time that begins at `from_ms` (UTC)."""

    from_ms: int
    trades: int
    energy_wh: int
    average_micro: int
    low_micro: int
    high_micro: int


class ClearingRow(Placed, frozen=True):
    market: str
    slot: int
    cleared_by: str
    volume_wh: int
    price_micro: int | None
    welfare_micro: int
    surplus_micro: int
    matches: int


class StrategyRow(Placed, frozen=True):
    strategy: int
    market: str
    point: str
    customer: str
    wallet: str
    rule: str
    budget_minor: int
    until_ms: int
    alarm: str
    stopped: bool


class CommandRow(Placed, frozen=True):
    command: int
    trade: int
    point: str
    device: str
    action: str
    energy_wh: int
    text: str
    status: str
    measured_mwh: int | None
    sent_ms: int
    answered_ms: int


class PoolRow(Placed, frozen=True):
    area: str
    point: str
    since_ms: int
    until_ms: int
    unfunded_ms: int
    paid_in_minor: int


class SettledRow(Placed, frozen=True):
    area: str
    interval_ms: int
    sums_mwh: msgspec.Raw
    moved_minor: int
    trades: int


class AdjustmentRow(Placed, frozen=True):
    area: str
    point: str
    day: int
    intervals: int


class HaltRow(Placed, frozen=True):
    feeder: str
    direction: str
    until_ms: int


def _orders() -> Any:
    def own(name: str) -> ColumnElement[Any]:
        of_strategy = select(STRATEGIES.c[name]).where(STRATEGIES.c.strategy == ORDERS.c.strategy).scalar_subquery()
        return func.coalesce(func.nullif(ORDERS.c[name], ""), of_strategy, "")

    return rows_of(OrderRow, ORDERS, point=own("point"), customer=own("customer"), wallet=own("wallet"))


async def market(connection: AsyncConnection, which: str) -> MarketRow | None:
    return next((row for row in await markets(connection) if row.market == which), None)


async def markets(connection: AsyncConnection) -> tuple[MarketRow, ...]:
    own = and_(PROPOSALS.c.contract == "market", PROPOSALS.c.proposal == MARKETS.c.proposal)
    arguments = select(PROPOSALS.c.arguments).where(own).scalar_subquery()
    return await all_of(
        connection, MarketRow, rows_of(MarketRow, MARKETS, arguments=arguments).order_by(MARKETS.c.market)
    )


async def orders(
    connection: AsyncConnection,
    *,
    market: str = "",
    customer: str = "",
    wallet: str = "",
    organisation: str = "",
    open_only: bool = False,
    size: int = DEFAULT_SIZE,
    after: str = "",
) -> Page[OrderRow]:
    """Newest first: of a market, of a customer (its strategies' too), of a wallet, of an organisation's customers."""
    question = _orders()
    if market:
        question = question.where(ORDERS.c.market == market)
    if customer:
        strategies = select(STRATEGIES.c.strategy).where(STRATEGIES.c.customer == customer)
        question = question.where(
            any_of(ORDERS.c.number, ORDERS.c.customer == customer, ORDERS.c.strategy.in_(strategies))
        )
    if wallet:
        question = question.where(ORDERS.c.wallet == wallet)
    if organisation:
        prefix = f"{organisation}:"
        strategies = select(STRATEGIES.c.strategy).where(beginning(STRATEGIES.c.customer, prefix))
        question = question.where(or_(beginning(ORDERS.c.customer, prefix), ORDERS.c.strategy.in_(strategies)))
    if open_only:
        question = question.where(OPEN)
    keys: list[ColumnElement[Any]] = [ORDERS.c.number]
    return await page_of(connection, OrderRow, question, keys, size=size, after=after)


async def order(connection: AsyncConnection, number: int) -> OrderRow | None:
    return await one_of(connection, OrderRow, _orders().where(ORDERS.c.number == number))


async def open_orders(
    connection: AsyncConnection,
    market: str,
    *,
    from_ms: int | None = None,
    size: int = DEFAULT_SIZE,
    after: str = "",
) -> Page[OpenRow]:
    """What stands open in a market, the next delivery first; without counter-bids, which one offer alone answers."""
    left = ORDERS.c.energy_wh - ORDERS.c.matched_wh
    question = rows_of(OpenRow, ORDERS, energy_wh=left).where(ORDERS.c.market == market, OPEN, _FOR_ALL)
    if from_ms is not None:
        question = question.where(ORDERS.c.from_ms == from_ms)
    keys: list[ColumnElement[Any]] = [ORDERS.c.from_ms, ORDERS.c.number]
    return await page_of(connection, OpenRow, question, keys, size=size, after=after, newest_first=False)


async def depth(connection: AsyncConnection, market: str, *, from_ms: int | None = None, levels: int = 20) -> Depth:
    """What is open at which price, of a market, or of one delivery in it; the best levels."""
    levels = min(max(levels, 1), LEVELS)

    async def side(name: str) -> tuple[Level, ...]:
        price = ORDERS.c.price_micro
        left = func.sum(ORDERS.c.energy_wh - ORDERS.c.matched_wh)
        question = select(price, left, func.count()).where(
            ORDERS.c.market == market, ORDERS.c.side == name, OPEN, _FOR_ALL
        )
        if from_ms is not None:
            question = question.where(ORDERS.c.from_ms == from_ms)
        best_first = price.desc() if name == "bid" else price.asc()
        rows = await connection.execute(question.group_by(price).order_by(best_first).limit(levels))
        return tuple(Level(row[0], int(row[1]), row[2]) for row in rows)

    return Depth(await side("bid"), await side("ask"))


async def trades(
    connection: AsyncConnection,
    *,
    market: str = "",
    point: str = "",
    places: Mapping[str, int] | None = None,
    organisation: str = "",
    size: int = DEFAULT_SIZE,
    after: str = "",
) -> Page[TradeRow]:
    """Newest first: of a market; those that a point sells or buys in, or one of several points, each matched since its
    time; those of an organisation's points.
    """
    question = rows_of(TradeRow, TRADES)
    if market:
        question = question.where(TRADES.c.market == market)
    if point:
        question = question.where(any_of(TRADES.c.trade, TRADES.c.seller_point == point, TRADES.c.buyer_point == point))
    if places is not None:
        sides = (TRADES.c.seller_point, TRADES.c.buyer_point)
        own = [and_(side == one, TRADES.c.matched_ms >= since) for one, since in places.items() for side in sides]
        question = question.where(any_of(TRADES.c.trade, *own) if own else false())
    if organisation:
        prefix = f"{organisation}:"
        question = question.where(
            or_(beginning(TRADES.c.seller_point, prefix), beginning(TRADES.c.buyer_point, prefix))
        )
    keys: list[ColumnElement[Any]] = [TRADES.c.trade]
    return await page_of(connection, TradeRow, question, keys, size=size, after=after)


async def trade(connection: AsyncConnection, number: int) -> TradeRow | None:
    return await one_of(connection, TradeRow, rows_of(TradeRow, TRADES).where(TRADES.c.trade == number))


async def prices(
    connection: AsyncConnection, market: str, span: Span, from_ms: int, until_ms: int
) -> tuple[PriceRow, ...]:
    """Oldest first; by quarter of an hour, hour or day. The average is weighed by energy, rounded half to even."""
    here = PRICES.c.market == market, PRICES.c.span == int(span), PRICES.c.from_ms >= from_ms
    columns = (PRICES.c[name] for name in ("from_ms", "trades", "energy_wh", "turnover", "low_micro", "high_micro"))
    question = select(*columns).where(*here, PRICES.c.from_ms < until_ms).order_by(PRICES.c.from_ms)
    rows = await connection.execute(question.limit(SERIES_LIMIT))
    return tuple(PriceRow(row[0], row[1], row[2], _divided(row[3], row[2]), row[4], row[5]) for row in rows)


def _divided(sum_: int, count: int) -> int:
    whole, rest = divmod(sum_, count)
    return whole + (2 * rest > count or (2 * rest == count and whole % 2 == 1))


async def clearings(
    connection: AsyncConnection, market: str, *, size: int = DEFAULT_SIZE, after: str = ""
) -> Page[ClearingRow]:
    """Auctions of a market, the latest delivery first."""
    question = rows_of(ClearingRow, CLEARINGS).where(CLEARINGS.c.market == market)
    keys: list[ColumnElement[Any]] = [CLEARINGS.c.slot]
    return await page_of(connection, ClearingRow, question, keys, size=size, after=after)


async def strategies(connection: AsyncConnection, customer: str) -> tuple[StrategyRow, ...]:
    question = rows_of(StrategyRow, STRATEGIES).where(STRATEGIES.c.customer == customer)
    return await all_of(connection, StrategyRow, question.order_by(STRATEGIES.c.strategy.desc()))


async def commands(
    connection: AsyncConnection,
    *,
    point: str = "",
    trade: int = 0,
    places: Mapping[str, int] | None = None,
    organisation: str = "",
    size: int = DEFAULT_SIZE,
    after: str = "",
) -> Page[CommandRow]:
    """What devices were told to do, newest first; at several points, each since its time; at an organisation's."""
    question = rows_of(CommandRow, COMMANDS)
    if point:
        question = question.where(COMMANDS.c.point == point)
    if places is not None:
        own = [and_(COMMANDS.c.point == one, COMMANDS.c.sent_ms >= since) for one, since in places.items()]
        question = question.where(any_of(COMMANDS.c.command, *own) if own else false())
    if organisation:
        question = question.where(beginning(COMMANDS.c.point, f"{organisation}:"))
    if trade:
        question = question.where(COMMANDS.c.trade == trade)
    keys: list[ColumnElement[Any]] = [COMMANDS.c.command]
    return await page_of(connection, CommandRow, question, keys, size=size, after=after)


async def pool(connection: AsyncConnection, area: str, *, size: int = DEFAULT_SIZE, after: str = "") -> Page[PoolRow]:
    """Members of an area's pool, and those who were."""
    keys: list[ColumnElement[Any]] = [POOLS.c.point]
    question = rows_of(PoolRow, POOLS).where(POOLS.c.area == area)
    return await page_of(connection, PoolRow, question, keys, size=size, after=after, newest_first=False)


async def settled(
    connection: AsyncConnection, area: str, *, size: int = DEFAULT_SIZE, after: str = ""
) -> Page[SettledRow]:
    """Closed intervals of an area, the latest first."""
    question = rows_of(SettledRow, SETTLED).where(SETTLED.c.area == area)
    keys: list[ColumnElement[Any]] = [SETTLED.c.interval_ms]
    return await page_of(connection, SettledRow, question, keys, size=size, after=after)


async def adjustments(
    connection: AsyncConnection, point: str, *, size: int = DEFAULT_SIZE, after: str = ""
) -> Page[AdjustmentRow]:
    """Days of a point that were settled anew, the last one first."""
    question = rows_of(AdjustmentRow, ADJUSTMENTS).where(ADJUSTMENTS.c.point == point)
    keys: list[ColumnElement[Any]] = [ADJUSTMENTS.c.at_height, ADJUSTMENTS.c.at_number]
    return await page_of(connection, AdjustmentRow, question, keys, size=size, after=after)


async def halts(connection: AsyncConnection) -> tuple[HaltRow, ...]:
    """Feeders that take no new deliveries now."""
    question = rows_of(HaltRow, HALTS).where(HALTS.c.halted == 1)
    return await all_of(connection, HaltRow, question.order_by(HALTS.c.feeder, HALTS.c.direction))
