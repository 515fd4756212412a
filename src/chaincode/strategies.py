"""Strategies: standing orders of a customer, given anew for each delivery by a timer, within a budget.

    budget   under `budget`, number, while it runs: what the escrow `strategy/N` holds

sell_above offers `energy_wh` at `price_micro` or more; buy_below bids for it at `price_micro` or less; keep_battery
bids for what a battery lacks to `target_wh` (at most `energy_wh` a delivery) at `price_micro` or less, and offers
what it has beyond at `sell_price_micro` or more, by the level that the point's meter or wallet reports.

A strategy strays when the market refuses its order, when what it would trade is cut short because too much of it
would be with one other customer, or when a battery is reported further from its target three times in a row. That
raises an alarm once, until it acts as it should again; after ten refusals in a row it stops.
"""

from chaincode.api import Context, Refusal
from chaincode.matching import placed, venue_of
from chaincode.orders import ASK, BID, CANCELLED, OPEN, OrderRefused, Wanted, closed, number_text, order_of, slot_of
from chaincode.orders import STRATEGY as BY_STRATEGY
from chaincode.standing import LASTING, LEVEL, Strategy, kept_strategy, recovered, strategy_of, strayed
from chaincode.venue import Market
from chaincode.windows import delivery_now, next_opening_ms

SELL_ABOVE = "sell_above"
BUY_BELOW = "buy_below"
KEEP_BATTERY = "keep_battery"
RULES = (SELL_ABOVE, BUY_BELOW, KEEP_BATTERY)
AWAY_LIMIT = 3
REFUSED_LIMIT = 10


class StrategyInvalid(Refusal):
    """A strategy names one of the rules, some energy, and prices at which it does not trade with itself."""

    code = "STRATEGY_INVALID"


def started(ctx: Context, strategy: Strategy, budget_minor: int) -> Strategy:
    """Keep a new strategy with its budget, of the signer's money; it acts in the next block."""
    bounded = strategy.energy_wh > 0 and ctx.time_ms < strategy.until_ms and budget_minor >= 0
    if strategy.rule not in RULES or not bounded or strategy.target_wh < 0:
        raise StrategyInvalid(f"a rule is one of {', '.join(RULES)}, for some energy, until a time ahead")
    if strategy.rule == KEEP_BATTERY and strategy.sell_price_micro < strategy.price_micro:
        raise StrategyInvalid("a battery does not sell for less than it buys")
    if budget_minor:
        ctx.call(
            "currency",
            "open_escrow",
            escrow=f"strategy/{strategy.number}",
            amount_minor=budget_minor,
            purpose=f"strategy {strategy.number} at {strategy.market}",
        )
    ctx.put("strategies", strategy.number)
    ctx.put(budget_key(ctx, strategy.number), budget_minor)
    ctx.put(ctx.key("strategies_of", strategy.wallet, number_text(strategy.number)), strategy.number)
    ctx.schedule(f"strategy/{strategy.number}", ctx.time_ms, "act", strategy=strategy.number)
    ctx.emit(
        "StrategyStarted",
        strategy=strategy.number,
        market=strategy.market,
        rule=strategy.rule,
        budget_minor=budget_minor,
        until_ms=strategy.until_ms,
    )
    return kept_strategy(ctx, strategy)


def acted(ctx: Context, strategy: Strategy, market: Market, interval_ms: int) -> Strategy:
    """Give the order for the delivery that is open now, and come again when the next one opens."""
    if ctx.time_ms >= strategy.until_ms or strategy.refused >= REFUSED_LIMIT:
        return stopped(ctx, strategy)
    delivery = delivery_now(market.windows, market.zone, interval_ms, ctx.time_ms)
    wanted = wanted_now(strategy)
    if delivery is not None and wanted is not None:
        try:
            order = placed(ctx, venue_of(ctx, market.id, delivery.from_ms), wanted, delivery)
            ctx.emit("StrategyActed", strategy=strategy.number, order=order.number, energy_wh=order.energy_wh)
            strategy = strategy_of(ctx, strategy.number).replace(order=order.number, refused=0)
            if strategy.alarm not in LASTING:
                strategy = recovered(ctx, strategy)
        except OrderRefused as refusal:
            strategy = strayed(ctx, strategy.replace(refused=strategy.refused + 1), refusal.code)
    again_ms = next_opening_ms(market.windows, market.zone, interval_ms, ctx.time_ms)
    ctx.schedule(f"strategy/{strategy.number}", min(again_ms, strategy.until_ms), "act", strategy=strategy.number)
    return kept_strategy(ctx, strategy)


def wanted_now(strategy: Strategy) -> Wanted | None:
    """The order that a strategy gives now, None where it has nothing to do."""
    side, price_micro, energy_wh = ASK, strategy.price_micro, strategy.energy_wh
    if strategy.rule == BUY_BELOW:
        side = BID
    elif strategy.rule == KEEP_BATTERY:
        if strategy.level_wh < 0 or strategy.level_wh == strategy.target_wh:
            return None
        energy_wh = min(energy_wh, abs(strategy.target_wh - strategy.level_wh))
        if strategy.level_wh < strategy.target_wh:
            side = BID
        else:
            price_micro = strategy.sell_price_micro
    return Wanted(
        side=side,
        kind=BY_STRATEGY,
        point=strategy.point,
        customer=strategy.customer,
        wallet=strategy.wallet,
        energy_wh=energy_wh,
        price_micro=price_micro,
        strategy=strategy.number,
    )


def reported(ctx: Context, strategy: Strategy, level_wh: int) -> Strategy:
    """A battery's level: whether it comes nearer to its target."""
    away_wh = abs(strategy.target_wh - level_wh)
    further = strategy.level_wh >= 0 and away_wh > abs(strategy.target_wh - strategy.level_wh)
    strategy = strategy.replace(level_wh=level_wh, away=strategy.away + 1 if further else 0)
    if strategy.away >= AWAY_LIMIT:
        strategy = strayed(ctx, strategy, LEVEL)
    elif strategy.alarm == LEVEL:
        strategy = recovered(ctx, strategy)
    return kept_strategy(ctx, strategy)


def stopped(ctx: Context, strategy: Strategy) -> Strategy:
    """End a strategy: its open order is cancelled, its budget goes back."""
    budget_minor: int = ctx.get(budget_key(ctx, strategy.number), int) or 0
    ctx.delete(budget_key(ctx, strategy.number))
    ctx.cancel(f"strategy/{strategy.number}")
    if budget_minor:
        ctx.call("currency", "refund_escrow", owner=strategy.wallet, escrow=f"strategy/{strategy.number}")
    if strategy.order:
        order = order_of(ctx, strategy.order)
        slot = slot_of(ctx, order.market, order.from_ms)
        if order.status == OPEN and slot is not None and slot.status == OPEN:
            closed(ctx, venue_of(ctx, order.market, order.from_ms), order, CANCELLED)
    ctx.emit("StrategyStopped", strategy=strategy.number, refunded_minor=budget_minor)
    return kept_strategy(ctx, strategy.replace(running=False))


def budget_key(ctx: Context, number: int) -> str:
    return ctx.key("budget", number_text(number))
