"""`ledgernode trade`: a strategy on a running market, within its owner's limits, or as a dry run."""

from __future__ import annotations

import time
from typing import Any, Final

import click
import msgspec

from ledgernode.cli.connection import Connection, network_options
from ledgernode.cli.measured import micro, thousandths
from ledgernode.cli.output import json_option, line, moment
from ledgernode.cli.strategies import strategy_named
from ledgernode.errors import Unavailable

_PRICES: Final = ("retail", "feed_in", "dearest_bid", "cheapest_ask")


@click.group()
def trade() -> None:
    """Let a strategy trade for a house: the same strategies as in a back test."""


@trade.command()
@click.option("--market", required=True, help="The market, <operator>:<name>.")
@click.option("--point", required=True, help="The connection point that buys or sells, <utility>:<name>.")
@click.option(
    "--strategy",
    "named",
    default="fixed-price",
    show_default=True,
    metavar="NAME[:FIELD=VALUE,...]",
    help="As in `ledgernode backtest`.",
)
@click.option("--retail", help="What the grid's kWh costs (default: what the market says).")
@click.option("--feed-in", help="What the grid pays for one (default: what the market says).")
@click.option("--levy", default="0", show_default=True, help="On traded energy, a kWh.")
@click.option("--tax", default="0", show_default=True, metavar="RATE", help="On traded energy and levy; 0.19 is 19 %.")
@click.option("--order-kwh", default="0", show_default=True, help="Limit: the largest order; 0 is none.")
@click.option("--day-kwh", default="0", show_default=True, help="Limit: bought, and sold, in a UTC day; 0 is none.")
@click.option("--dearest-bid", help="Limit: no bid above this price.")
@click.option("--cheapest-ask", help="Limit: no ask below this price.")
@click.option("--day-budget", default="0", show_default=True, help="Limit: what a UTC day's bids may cost; 0 is none.")
@click.option("--seed", type=int, default=1, show_default=True, help="Of strategies that draw.")
@click.option("--dry-run", is_flag=True, help="Read and decide, and send nothing.")
@click.option("--deliveries", type=click.IntRange(min=1), help="End after so many (default: when interrupted).")
@click.option(
    "--every",
    "every_s",
    type=click.FloatRange(0.05, 3_600),
    default=5.0,
    show_default=True,
    help="Seconds between two looks.",
)
@network_options
@json_option
def run(
    *,
    market: str,
    point: str,
    named: str,
    levy: str,
    tax: str,
    order_kwh: str,
    day_kwh: str,
    day_budget: str,
    seed: int,
    dry_run: bool,
    deliveries: int | None,
    every_s: float,
    at: Connection,
    as_json: bool,
    **prices: str | None,
) -> None:
    """Follow the market's deliveries; for each, read the meter from the ledger, decide, and place the orders.

    \b
    ledgernode trade run --market north:day --point north:house-1 --as west/house-1-wallet --dry-run
    ledgernode trade run --market north:day --point north:house-1 --as west/house-1-wallet
      --strategy cost-plus --order-kwh 2 --dearest-bid 0.28 --day-budget 3
    """
    from devices.backtest.live import Limits
    from devices.backtest.trader import Setting, Trader

    named_prices = {name: None if prices[name] is None else micro(f"--{name}", str(prices[name])) for name in _PRICES}
    setting = Setting(
        market=market,
        point=point,
        strategy=strategy_named(named, seed),
        limits=Limits(
            order_wh=thousandths("--order-kwh", order_kwh),
            day_wh=thousandths("--day-kwh", day_kwh),
            dearest_bid_micro=named_prices["dearest_bid"],
            cheapest_ask_micro=named_prices["cheapest_ask"],
            day_budget_micro=micro("--day-budget", day_budget),
        ),
        retail_micro=named_prices["retail"],
        feed_in_micro=named_prices["feed_in"],
        levy_micro=micro("--levy", levy),
        tax_micro=micro("--tax", tax),
        dry_run=dry_run,
    )
    with at.open() as ledger:
        follow(Trader(ledger, at.signer(), setting), deliveries, every_s, as_json=as_json)


def follow(trader: Any, deliveries: int | None, every_s: float, *, as_json: bool) -> None:
    """Turn after turn; a ledger that cannot be reached is asked again."""
    done = 0
    while deliveries is None or done < deliveries:
        try:
            turn = trader.turn()
        except Unavailable as error:
            click.echo(f"the ledger does not answer ({error}); trying again", err=True)
            turn = None
        if turn is None:
            time.sleep(every_s)
            continue
        done += 1
        told(turn, as_json)


def told(turn: Any, as_json: bool) -> None:
    """One delivery's turn: a line and its orders, or one document."""
    if as_json:
        line(msgspec.to_builtins(turn))
        return
    dry = "  (dry run)" if turn.dry_run else ""
    click.echo(
        f"{moment(turn.from_ms)}  expects {turn.load_wh / 1e3:.3f} kWh in, {turn.generation_wh / 1e3:.3f} kWh out{dry}"
    )
    for order in turn.orders:
        became = order.refused or ("not sent" if order.number is None else f"order {order.number}")
        click.echo(f"  {order.side}  {order.energy_wh / 1e3:8.3f} kWh at {order.price_micro / 1e6:.6f}   {became}")
    for held in turn.held:
        click.echo(f"  held back: {held}")
