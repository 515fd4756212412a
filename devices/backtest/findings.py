"""A run as figures. Energy in Wh, money in minor units, ratios in millionths; None where something is not defined.

self-sufficiency   of what the houses consumed, the part that came from their own panels and batteries or from each
                   other by trade
self-consumption   of what they generated, the part that was not given to the grid
saving             a house's bill under feed-in less its bill here
Jain               fairness of the savings: (sum)^2 / (n * sum of squares), 1 where all save the same, 1/n where one
                   saves all. Each house's saving is taken for each kWh that passes its meter, so that a large house
                   may save more. None where a house saves less than nothing, or all save nothing
Gini               inequality of the same: 0 where all save the same. None as above
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from devices.backtest.money import in_minor

MILLION: Final = 1_000_000


class HouseFound(msgspec.Struct, frozen=True):
    """One house under one mechanism."""

    name: str
    bill_minor: int
    saving_minor: int
    saving_micro: int | None
    """Of its bill under feed-in; None where that is not above zero."""
    bought_wh: int
    sold_wh: int
    grid_import_wh: int
    grid_export_wh: int
    short_wh: int


class Found(msgspec.Struct, frozen=True):
    """A community under one mechanism, or by one yardstick (which have no trades, prices, fees)."""

    mechanism: str
    is_market: bool
    bill_minor: int
    saving_minor: int
    saving_micro: int | None
    volume_wh: int
    trades: int
    price_micro: int | None
    """What a traded kWh brought its seller on average."""
    buyer_price_micro: int | None
    fee_minor: int
    tax_and_levy_minor: int
    surplus_minor: int
    """Left over by the mechanism, for an account that the market names."""
    short_wh: int
    consumed_wh: int
    generated_wh: int
    grid_import_wh: int
    grid_export_wh: int
    self_sufficiency_micro: int | None
    self_consumption_micro: int | None
    jain_micro: int | None
    gini_micro: int | None
    conserved: bool
    savings_per_kwh_micro: tuple[int, ...]
    """Of each house through whose meter anything passes."""
    houses: tuple[HouseFound, ...]


class Sums(msgspec.Struct, frozen=True):
    """What findings are made of, by house."""

    names: Sequence[str]
    bills_nano: Sequence[int]
    feed_in_bills_nano: Sequence[int]
    passed_wh: Sequence[int]
    """Through the meter with no market, either way."""
    bought_wh: Sequence[int]
    sold_wh: Sequence[int]
    grid_import_wh: Sequence[int]
    grid_export_wh: Sequence[int]
    short_wh: Sequence[int]


def ratio_micro(part: int, whole: int) -> int | None:
    """A part of a whole in millionths, rounded down; None of nothing, and of less than nothing."""
    return part * MILLION // whole if whole > 0 else None


def jain_micro(shares: Sequence[int]) -> int | None:
    if not shares or min(shares) < 0 or not any(shares):
        return None
    return sum(shares) ** 2 * MILLION // (len(shares) * sum(share * share for share in shares))


def gini_micro(shares: Sequence[int]) -> int | None:
    if not shares or min(shares) < 0 or not any(shares):
        return None
    count = len(shares)
    weighted = sum(place * share for place, share in enumerate(sorted(shares), 1))
    return (2 * weighted - (count + 1) * sum(shares)) * MILLION // (count * sum(shares))


def houses_found(sums: Sums, digits: int) -> tuple[HouseFound, ...]:
    """Each house's line. Bills are rounded once; savings are differences of what is shown."""
    found = []
    for number, name in enumerate(sums.names):
        bill, usual = in_minor(sums.bills_nano[number], digits), in_minor(sums.feed_in_bills_nano[number], digits)
        found.append(
            HouseFound(
                name=name,
                bill_minor=bill,
                saving_minor=usual - bill,
                saving_micro=ratio_micro(usual - bill, usual),
                bought_wh=sums.bought_wh[number],
                sold_wh=sums.sold_wh[number],
                grid_import_wh=sums.grid_import_wh[number],
                grid_export_wh=sums.grid_export_wh[number],
                short_wh=sums.short_wh[number],
            )
        )
    return tuple(found)


def savings_per_kwh(sums: Sums) -> list[int]:
    """Micro a kWh that passes the meter, of the houses through whose meter anything passes."""
    rows = zip(sums.feed_in_bills_nano, sums.bills_nano, sums.passed_wh, strict=True)
    return [(usual - bill) // passed for usual, bill, passed in rows if passed]
