"""Standing: what is kept of a strategy, and its alarm.

    strategy   under `strategy`, number: what to do, and an alarm when it cannot

An alarm is raised once, until it is over; another one takes its place. Who raises one says when it is over.
"""

from chaincode.api import Context, Record, Refusal
from chaincode.orders import number_text

LEVEL = "LEVEL"
"""A battery goes further from its target."""
LASTING = (LEVEL, "PARTNER_LIMIT")
"""Alarms that another order given does not end."""


class Strategy(Record):
    """Under `strategy`, number. `alarm`: the refusal's code, or LEVEL; '' while it acts as it should."""

    number: int
    market: str
    point: str
    customer: str
    wallet: str
    rule: str
    price_micro: int
    sell_price_micro: int
    energy_wh: int
    target_wh: int
    until_ms: int
    level_wh: int = -1
    away: int = 0
    refused: int = 0
    order: int = 0
    alarm: str = ""
    running: bool = True


class StrategyUnknown(Refusal):
    """There is no strategy of this number, or it has stopped."""

    code = "STRATEGY_UNKNOWN"


def strayed(ctx: Context, strategy: Strategy, alarm: str) -> Strategy:
    """Raise an alarm, if it does not stand already."""
    if strategy.alarm != alarm:
        ctx.emit("StrategyStrayed", strategy=strategy.number, market=strategy.market, alarm=alarm)
    return strategy.replace(alarm=alarm)


def recovered(ctx: Context, strategy: Strategy) -> Strategy:
    """It acts as it should again."""
    if strategy.alarm:
        ctx.emit("StrategyRecovered", strategy=strategy.number, market=strategy.market, alarm=strategy.alarm)
    return strategy.replace(alarm="")


def kept_strategy(ctx: Context, strategy: Strategy) -> Strategy:
    ctx.put(ctx.key("strategy", number_text(strategy.number)), strategy)
    return strategy


def running_strategy(ctx: Context, number: int) -> Strategy | None:
    """None for one that has stopped, which may still have an order in a delivery that is being cleared."""
    found = ctx.get(ctx.key("strategy", number_text(number)), Strategy)
    return found if found is not None and found.running else None


def strategy_of(ctx: Context, number: int) -> Strategy:
    """A strategy that runs. Refuses any other."""
    found = running_strategy(ctx, number)
    if found is None:
        raise StrategyUnknown(f"no strategy {number} runs")
    return found
