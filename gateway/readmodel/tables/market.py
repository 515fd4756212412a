"""Markets: orders, trades and their delivery; settlement's intervals."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Index, and_, literal_column

from gateway.readmodel.tables.columns import key_number, key_text, least, maybe, most, number, table, text

MARKETS: Final = table("markets", key_text("market"), text("proposal"), number("from_ms"))
"""What a market is stands in its proposal's arguments."""

ORDERS: Final = table(
    "orders",
    key_number("number"),
    text("market"),
    text("side"),
    text("kind"),
    text("point"),
    text("customer"),
    text("wallet"),
    text("feeder"),
    number("strategy"),
    number("energy_wh"),
    number("matched_wh"),
    number("price_micro"),
    number("from_ms"),
    number("until_ms"),
    number("expires_ms"),
    number("placed_ms"),
    text("ended"),
    number("placed_height"),
    number("placed_position"),
)
"""Open while it has not ended and more is ordered than matched."""
OPEN: Final = and_(ORDERS.c.ended == literal_column("''"), ORDERS.c.matched_wh < ORDERS.c.energy_wh)
Index(
    "orders_open",
    ORDERS.c.market,
    ORDERS.c.side,
    ORDERS.c.price_micro,
    ORDERS.c.number,
    sqlite_where=OPEN,
    postgresql_where=OPEN,
)
Index("orders_by_market", ORDERS.c.market, ORDERS.c.number)
Index("orders_by_customer", ORDERS.c.customer, ORDERS.c.number)
Index("orders_by_wallet", ORDERS.c.wallet, ORDERS.c.number)
Index("orders_by_strategy", ORDERS.c.strategy, ORDERS.c.number)

TRADES: Final = table(
    "trades",
    key_number("trade"),
    text("market"),
    text("area"),
    number("bid"),
    number("ask"),
    text("seller_point"),
    text("buyer_point"),
    number("energy_wh"),
    number("price_micro"),
    number("buyer_price_micro"),
    number("from_ms"),
    number("until_ms"),
    number("matched_ms"),
    text("status"),
    maybe("delivered_mwh"),
    maybe("seller_short_mwh"),
    maybe("buyer_short_mwh"),
    maybe("curtailed_mwh"),
    number("seller_pays_minor"),
    number("buyer_pays_minor"),
    number("matched_height"),
    number("matched_position"),
)
Index("trades_by_market", TRADES.c.market, TRADES.c.trade)
Index("trades_by_market_time", TRADES.c.market, TRADES.c.matched_ms)
Index("trades_by_seller", TRADES.c.seller_point, TRADES.c.trade)
Index("trades_by_buyer", TRADES.c.buyer_point, TRADES.c.trade)

PRICES: Final = table(
    "prices",
    key_text("market"),
    key_number("span"),
    key_number("from_ms"),
    number("trades"),
    number("energy_wh"),
    number("turnover"),
    least("low_micro"),
    most("high_micro"),
)
"""Trades by quarter of an hour (2), hour (3) and day (4) in UTC; `turnover` is the sum of Wh times micro per kWh."""

CLEARINGS: Final = table(
    "clearings",
    key_text("market"),
    key_number("slot"),
    text("cleared_by"),
    number("volume_wh"),
    maybe("price_micro"),
    number("welfare_micro"),
    number("surplus_micro"),
    number("matches"),
)

STRATEGIES: Final = table(
    "strategies",
    key_number("strategy"),
    text("market"),
    text("point"),
    text("customer"),
    text("wallet"),
    text("rule"),
    number("budget_minor"),
    number("until_ms"),
    text("alarm"),
    number("stopped"),
)
Index("strategies_by_customer", STRATEGIES.c.customer, STRATEGIES.c.strategy)

HALTS: Final = table("halts", key_text("feeder"), key_text("direction"), number("until_ms"), number("halted"))

SETTLED: Final = table(
    "settled",
    key_text("area"),
    key_number("interval_ms"),
    text("sums_mwh"),
    number("moved_minor"),
    number("trades"),
)

ADJUSTMENTS: Final = table(
    "adjustments",
    key_number("at_height"),
    key_number("at_number"),
    text("area"),
    text("point"),
    number("day"),
    number("intervals"),
)
Index("adjustments_by_point", ADJUSTMENTS.c.point, ADJUSTMENTS.c.at_height, ADJUSTMENTS.c.at_number)

COMMANDS: Final = table(
    "commands",
    key_number("command"),
    number("trade"),
    text("point"),
    text("device"),
    text("action"),
    number("energy_wh"),
    text("text"),
    text("status"),
    maybe("measured_mwh"),
    number("sent_ms"),
    number("answered_ms"),
)
Index("commands_by_point", COMMANDS.c.point, COMMANDS.c.command)
Index("commands_by_trade", COMMANDS.c.trade, COMMANDS.c.command)

POOLS: Final = table(
    "pools",
    key_text("area"),
    key_text("point"),
    number("since_ms"),
    number("until_ms"),
    number("unfunded_ms"),
    number("paid_in_minor"),
)
