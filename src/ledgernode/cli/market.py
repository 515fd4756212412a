"""Markets without a ledger: the same pure clearing that contracts import, over a book from a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from ledgernode.cli.output import facts, json_option, show, table
from ledgernode.errors import BadBook, BadRequest

if TYPE_CHECKING:
    from chaincode.book import Book, Cleared

_MECHANISMS: Final = ("uniform", "pay-as-bid", "truthful", "central", "mid-market", "bill-share")
_TWO_PRICES: Final = ("truthful", "bill-share")
_SHOWN: Final = 40
"""Matches that a person is shown."""


@click.group()
def market() -> None:
    """Try a market's mechanisms on a book of bids and asks. No ledger and no network are needed."""


@market.command()
@click.argument("book", type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path))
@click.option("--mechanism", type=click.Choice(_MECHANISMS), required=True, help="How prices and pairs are found.")
@click.option("--retail", type=int, help="mid-market: what a kWh costs outside, in micro (default: the highest bid).")
@click.option("--feed-in", type=int, help="mid-market: what a kWh earns outside, in micro (default: the lowest ask).")
@json_option
def clear(book: Path, mechanism: str, retail: int | None, feed_in: int | None, as_json: bool) -> None:
    """Clear BOOK: JSON with bids and asks (id, owner, energy_wh, price_micro_per_kwh), or - for standard input.

    \b
    ledgernode market clear --mechanism uniform BOOK.json
    ledgernode market clear --mechanism central --json - < BOOK.json
    """
    from chaincode.api import Refusal
    from chaincode.clearing import MID_MARKET, mid_market
    from chaincode.clearing import clear as cleared_by
    from ledgernode.cli.market_book import read_book

    if mechanism != MID_MARKET and (retail is not None or feed_in is not None):
        raise BadRequest("--retail and --feed-in are the outside prices of --mechanism mid-market")
    found = read_book(book)
    try:
        outcome = mid_market(found, retail, feed_in) if mechanism == MID_MARKET else cleared_by(mechanism, found)
    except Refusal as refusal:
        raise BadBook(refusal.message, rule=refusal.code) from refusal
    show(_document(outcome, mechanism), as_json, *_parts(found, outcome, mechanism))


def _document(outcome: Cleared, mechanism: str) -> dict[str, Any]:
    """The answer; where buyers may pay another price than sellers get, that price and what is left over too."""
    two_prices = mechanism in _TWO_PRICES
    return {
        "volume_wh": outcome.volume_wh,
        "price_micro_per_kwh": outcome.price_micro_per_kwh,
        "welfare_micro": outcome.welfare_micro,
        **({"surplus_micro": outcome.surplus_micro} if two_prices else {}),
        "matches": [
            {
                "bid": match.bid,
                "ask": match.ask,
                "energy_wh": match.energy_wh,
                "price_micro_per_kwh": match.price_micro_per_kwh,
                **({"buyer_price_micro_per_kwh": match.buyer_price_micro_per_kwh} if two_prices else {}),
            }
            for match in outcome.matches
        ],
    }


def _parts(book: Book, outcome: Cleared, mechanism: str) -> list[Any]:
    from ledgernode.cli.curves import curves, kwh, money

    price = outcome.price_micro_per_kwh
    sums = [
        ("mechanism", mechanism),
        ("price", "none for all" if price is None else f"{money(price)} a kWh"),
        ("volume", f"{kwh(outcome.volume_wh)} kWh"),
        ("welfare", money(outcome.welfare_micro)),
    ]
    if mechanism in _TWO_PRICES:
        sums.append(("left over", money(outcome.surplus_micro)))
    owners = {order.id: order.owner for order in (*book.bids, *book.asks)}
    columns = ("bid", "buyer", "ask", "seller", "kWh", "seller gets", "buyer pays")
    rows = (
        (
            match.bid,
            owners[match.bid],
            match.ask,
            owners[match.ask],
            kwh(match.energy_wh),
            money(match.price_micro_per_kwh),
            money(match.buyer_price_micro_per_kwh),
        )
        for match in outcome.matches[:_SHOWN]
    )
    plot = curves(book, price)
    parts: list[Any] = [facts(sums), ""]
    if outcome.matches:
        parts += [table(columns, rows, numbers=("kWh", "seller gets", "buyer pays"))]
        if len(outcome.matches) > _SHOWN:
            parts += [f"and {len(outcome.matches) - _SHOWN:,} more matches: --json has all"]
        parts += ["prices a kWh, before the grid fee", ""]
    else:
        parts += ["no bid meets an ask", ""]
    return [*parts, *plot, *(["b bids, s asks with the fee, x both, - the price"] if plot else [])]
