"""Markets: books and prices for whoever is signed in, without names; orders, trades and deliveries for their own.

Who moves in sees no trade of who lived there before.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import msgspec
from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from gateway.api.answering import LARGEST, SIZE, TEXT, After, Filter, FromMs, Name, Size, gives
from gateway.api.asking import Asking, Look, Viewer
from gateway.api.places import UntilMs, block_ms, own_places, place_of
from gateway.http.app import PREFIX
from gateway.readmodel.bounds import SERIES_LIMIT
from gateway.readmodel.queries import market
from gateway.readmodel.queries.market import (
    LEVELS,
    ClearingRow,
    CommandRow,
    Depth,
    MarketRow,
    OpenRow,
    OrderRow,
    PriceRow,
    StrategyRow,
    TradeRow,
)
from gateway.readmodel.queries.pages import Page
from gateway.readmodel.zones import DAY_MS, HOUR_MS, QUARTER_MS, Span
from ledgernode.errors import BadRequest

By = Annotated[Literal["quarter", "hour", "day"], Query(description="of UTC")]
Slot = Annotated[int | None, Query(ge=0, le=LARGEST, description="one delivery of the market, by its start")]
Levels = Annotated[int, Query(ge=1, le=LEVELS)]
MarketNamed = Annotated[str, Query(alias="market", max_length=200, pattern=TEXT)]
TradeNumber = Annotated[int, Query(ge=0, le=LARGEST)]
_SPANS: Final = {"quarter": (Span.QUARTER, QUARTER_MS), "hour": (Span.HOUR, HOUR_MS), "day": (Span.DAY, DAY_MS)}


class Markets(msgspec.Struct, frozen=True):
    items: tuple[MarketRow, ...]


class Prices(msgspec.Struct, frozen=True):
    by: str
    from_ms: int
    until_ms: int
    items: tuple[PriceRow, ...]


class Strategies(msgspec.Struct, frozen=True):
    items: tuple[StrategyRow, ...]


def router(asking: Asking) -> APIRouter:
    routes, here = APIRouter(tags=["market"]), Depends(asking.viewer)

    @routes.get(f"{PREFIX}/markets", responses=gives(Markets, "by id"))
    async def markets(viewer: Viewer = here) -> Response:
        """Markets, and by what rules they are held."""

        async def found(look: Look) -> Markets:
            return Markets(await market.markets(look.connection))

        return await viewer.answer(found)

    @routes.get(f"{PREFIX}/markets/{{which}}", responses=gives(MarketRow, "a market"))
    async def one(which: Name, viewer: Viewer = here) -> Response:
        """A market, as it is held now."""
        return await viewer.answer(lambda look: market.market(look.connection, which))

    @routes.get(f"{PREFIX}/markets/{{which}}/depth", responses=gives(Depth, "the best prices first"))
    async def depth(which: Name, viewer: Viewer = here, from_ms: Slot = None, levels: Levels = 20) -> Response:
        """What is open at which price, of all deliveries or one."""

        async def found(look: Look) -> Depth | None:
            if await market.market(look.connection, which) is None:
                return None
            return await market.depth(look.connection, which, from_ms=from_ms, levels=levels)

        return await viewer.answer(found)

    @routes.get(f"{PREFIX}/markets/{{which}}/open", responses=gives(Page[OpenRow], "the next delivery first"))
    async def open_orders(
        which: Name, viewer: Viewer = here, from_ms: Slot = None, size: Size = SIZE, after: After = ""
    ) -> Response:
        """What stands open, one by one and without names: a board's offers and requests."""

        async def found(look: Look) -> Page[OpenRow] | None:
            if await market.market(look.connection, which) is None:
                return None
            return await market.open_orders(look.connection, which, from_ms=from_ms, size=size, after=after)

        return await viewer.answer(found)

    @routes.get(f"{PREFIX}/markets/{{which}}/prices", responses=gives(Prices, "oldest first"))
    async def prices(
        which: Name, viewer: Viewer = here, from_ms: FromMs = 0, until_ms: UntilMs = 0, by: By = "hour"
    ) -> Response:
        """What was traded at which price over time; the last week where no time is named."""

        async def found(look: Look) -> Prices | None:
            if await market.market(look.connection, which) is None:
                return None
            span, length_ms = _SPANS[by]
            until = until_ms or await block_ms(look) + 1
            begin = min(from_ms or max(until - 7 * DAY_MS, 0), until)
            if (until - begin) // length_ms > SERIES_LIMIT:
                raise BadRequest(f"a series has {SERIES_LIMIT:,} points at most: ask for longer spans, or less time")
            return Prices(by, begin, until, await market.prices(look.connection, which, span, begin, until))

        return await viewer.answer(found)

    @routes.get(f"{PREFIX}/markets/{{which}}/clearings", responses=gives(Page[ClearingRow], "the latest first"))
    async def clearings(which: Name, viewer: Viewer = here, size: Size = SIZE, after: After = "") -> Response:
        """Auctions: how much at which price, and what it was worth."""

        async def found(look: Look) -> Page[ClearingRow] | None:
            if await market.market(look.connection, which) is None:
                return None
            return await market.clearings(look.connection, which, size=size, after=after)

        return await viewer.answer(found)

    @routes.get(f"{PREFIX}/orders", responses=gives(Page[OrderRow], "newest first"))
    async def orders(
        *,
        viewer: Viewer = here,
        market_: MarketNamed = "",
        customer: Filter = "",
        is_open: Annotated[bool, Query(alias="open")] = False,
        size: Size = SIZE,
        after: After = "",
    ) -> Response:
        """Orders: one's own, or those of the utility's customers."""

        async def found(look: Look) -> Page[OrderRow]:
            whose = _whose(look, customer)
            if whose is None:
                return Page(())
            asked = {**whose, "market": market_, "open_only": is_open}
            return await market.orders(look.connection, **asked, size=size, after=after)

        return await viewer.answer(found)

    @routes.get(f"{PREFIX}/trades", responses=gives(Page[TradeRow], "newest first"))
    async def trades(
        *,
        viewer: Viewer = here,
        market_: MarketNamed = "",
        point: Filter = "",
        size: Size = SIZE,
        after: After = "",
    ) -> Response:
        """Trades: of a point, of one's own points, or of those of the utility."""

        async def found(look: Look) -> Page[TradeRow] | None:
            where = await _where(look, point)
            if where is None:
                return None
            return await market.trades(look.connection, market=market_, **where, size=size, after=after)

        return await viewer.answer(found)

    @routes.get(f"{PREFIX}/deliveries", responses=gives(Page[CommandRow], "newest first"))
    async def deliveries(
        *, viewer: Viewer = here, point: Filter = "", trade: TradeNumber = 0, size: Size = SIZE, after: After = ""
    ) -> Response:
        """What devices were told to deliver for trades, and what they answered."""

        async def found(look: Look) -> Page[CommandRow] | None:
            where = await _where(look, point)
            if where is None:
                return None
            return await market.commands(look.connection, trade=trade, **where, size=size, after=after)

        return await viewer.answer(found)

    @routes.get(f"{PREFIX}/strategies", responses=gives(Strategies, "newest first"))
    async def strategies(viewer: Viewer = here, customer: Filter = "") -> Response:
        """Standing orders of a customer."""

        async def found(look: Look) -> Strategies:
            whose = customer or look.scope.customer
            sees = look.scope.sees_customer(whose)
            return Strategies(await market.strategies(look.connection, whose) if sees else ())

        return await viewer.answer(found)

    return routes


def _whose(look: Look, customer: str) -> dict[str, Any] | None:
    """Whose orders the person asks for; None where they are not its to see."""
    scope = look.scope
    if customer:
        return {"customer": customer} if scope.sees_customer(customer) else None
    if scope.customer:
        return {"customer": scope.customer}
    if scope.staff_of:
        return {"organisation": scope.staff_of}
    return {} if scope.sees_all else None


async def _where(look: Look, point: str) -> dict[str, Any] | None:
    """At which points, each since when; None where the point asked for is not the person's to see."""
    scope = look.scope
    if point:
        place = await place_of(look, point, "trades")
        return None if place is None else {"places": {point: place.since_ms}}
    if scope.sees_all:
        return {}
    if scope.staff_of:
        return {"organisation": scope.staff_of}
    return {"places": {place.row.point: place.since_ms for place in await own_places(look)}}
