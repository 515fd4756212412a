"""The crossing curves of a book as text: what would be bought and sold at each price."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from chaincode.book import Book, Order, by_merit

COLUMNS: Final = 60
ROWS: Final = 12
_BID, _ASK, _BOTH, _PRICE = "b", "s", "x", "-"


def curves(book: Book, price: int | None = None) -> list[str]:
    """Lines of a plot, prices upwards and energy to the right: b bids, s asks plus the fee, x both.

    The price to the buyer is drawn as a line where there is one for all. Empty for a book without orders.
    """
    bids, asks = by_merit(book)
    fee = book.fee_micro_per_kwh
    levels = [bid.price_micro_per_kwh for bid in bids] + [ask.price_micro_per_kwh + fee for ask in asks]
    if not levels:
        return []
    low, high = min(levels), max(levels)
    energy_wh = max(sum(bid.energy_wh for bid in bids), sum(ask.energy_wh for ask in asks))

    def row(level: int) -> int:
        return (high - level) * (ROWS - 1) // max(high - low, 1)

    drawn = [[" "] * COLUMNS for _ in range(ROWS)]
    if price is not None:
        drawn[row(price + fee)] = [_PRICE] * COLUMNS
    for sign, orders, extra in ((_BID, bids, 0), (_ASK, asks, fee)):
        for column, order in enumerate(_sampled(orders, energy_wh)):
            if order is not None:
                line = drawn[row(order.price_micro_per_kwh + extra)]
                line[column] = _BOTH if line[column] in (_BID, _ASK) else sign
    labels = [money(high), *[""] * (ROWS - 2), money(low)]
    width = max(len(label) for label in labels)
    plot = [f"{label:>{width}} |{''.join(line).rstrip()}" for label, line in zip(labels, drawn, strict=True)]
    scale = f"{kwh(energy_wh)} kWh"
    return [*plot, f"{'':>{width}} +{'-' * COLUMNS}", f"{'':>{width}}  0{scale:>{COLUMNS - 1}}"]


def _sampled(orders: Sequence[Order], energy_wh: int) -> list[Order | None]:
    """The order in the middle of each column; None beyond the last."""
    found: list[Order | None] = []
    place, until_wh = 0, orders[0].energy_wh if orders else 0
    for column in range(COLUMNS):
        at_wh = (2 * column + 1) * energy_wh // (2 * COLUMNS)
        while place < len(orders) and at_wh >= until_wh:
            place += 1
            until_wh += orders[place].energy_wh if place < len(orders) else 0
        found.append(orders[place] if place < len(orders) else None)
    return found


def money(micro: int) -> str:
    """Micro major units for people."""
    whole, rest = divmod(abs(micro), 1_000_000)
    return f"{'-' if micro < 0 else ''}{whole:,}.{rest:06d}"


def kwh(energy_wh: int) -> str:
    """Wh as kWh for people."""
    return f"{energy_wh // 1_000:,}.{energy_wh % 1_000:03d}"
