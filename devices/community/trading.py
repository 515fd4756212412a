"""What a house bids: from what it lately took and gave, what its battery holds, and what the grid would ask.

Nobody here knows the future: the next quarter of an hour is taken to be like the last one. A house sells what it then
has over, and of its battery what it can spare; it asks more the emptier that is. It buys what it then lacks, and never
pays more, with levies and tax, than the grid would cost. `devices.house.strategy` has others.
"""

from __future__ import annotations

from typing import Final

import msgspec

from devices.community.scenario import House, Prices, Scenario
from devices.house.strategy import CostPlus, FixedPrice, Outlook, PriceFollower, Strategy, Terms, ZeroIntelligence

MICRO_PER_CENT: Final = 10_000
_LEAST_WH: Final = 5
_SPARE_MICRO: Final = 600_000
"""A battery fuller than this may be sold from."""
_ROUND_TRIP_MICRO: Final = 921_600
"""Of a battery that loses four percent each way."""


class Past(msgspec.Struct, frozen=True):
    """A house's last interval, by its own meters."""

    load_wh: float
    generation_wh: float
    level_micro: int
    """-1: no battery."""


class Delivery(msgspec.Struct, frozen=True):
    """What an order is for, and what a kWh last brought its seller; None where nobody has traded."""

    from_ms: int
    until_ms: int
    last_price_micro: int | None = None


class Bid(msgspec.Struct, frozen=True):
    """An order to give. The price of a purchase includes the grid's fee, not levies and tax."""

    side: str
    """bid or ask."""
    energy_wh: int
    price_micro: int


def orders(house: House, past: Past, scenario: Scenario, delivery: Delivery) -> list[Bid]:
    """What the house would trade in a delivery, by its own strategy."""
    if not house.trades:
        return []
    if house.strategy == "by-charge":
        bid = wanted(house, past, scenario.prices, on_grid=scenario.on_grid)
        return [bid] if bid is not None else []
    strategy = _strategy(house.strategy, scenario.seed)
    return [
        Bid(order.side, order.energy_wh, order.price_micro)
        for order in strategy.decide(_outlook(house, past, scenario.prices, delivery))
        if order.energy_wh >= _LEAST_WH
    ]


def _strategy(name: str, seed: int) -> Strategy:
    match name:
        case "cost-plus":
            return CostPlus(degradation_micro=2 * MICRO_PER_CENT, margin_micro=MICRO_PER_CENT)
        case "zero-intelligence":
            return ZeroIntelligence(seed)
        case "price-follower":
            return PriceFollower(MICRO_PER_CENT // 2)
    return FixedPrice()


def _outlook(house: House, past: Past, prices: Prices, delivery: Delivery) -> Outlook:
    """The next quarter as the last one was; what the battery could take and give in it."""
    chargeable_wh = dischargeable_wh = 0
    if house.battery is not None:
        held_wh = house.battery.capacity_wh * past.level_micro // 1_000_000
        kept_wh = house.battery.capacity_wh * house.battery.reserve_percent // 100
        chargeable_wh = min(house.battery.power_w // 4, max(0, house.battery.capacity_wh - held_wh))
        dischargeable_wh = min(house.battery.power_w // 4, max(0, held_wh - kept_wh))
    return Outlook(
        point=house.name,
        from_ms=delivery.from_ms,
        until_ms=delivery.until_ms,
        terms=terms_of(prices),
        load_wh=int(past.load_wh),
        generation_wh=int(past.generation_wh),
        chargeable_wh=chargeable_wh,
        dischargeable_wh=dischargeable_wh,
        round_trip_micro=_ROUND_TRIP_MICRO,
        last_price_micro=delivery.last_price_micro,
    )


def terms_of(prices: Prices) -> Terms:
    """What a kWh costs and brings outside of the market, and what comes on top inside it."""
    return Terms(
        retail_micro=(prices.retail_cents + prices.levy_cents) * (100 + prices.tax_percent) * MICRO_PER_CENT // 100,
        feed_in_micro=prices.feed_in_cents * MICRO_PER_CENT,
        fee_micro=prices.fee_cents * MICRO_PER_CENT,
        levy_micro=prices.levy_cents * MICRO_PER_CENT,
        tax_micro=prices.tax_percent * 10_000,
    )


def wanted(house: House, past: Past, prices: Prices, *, on_grid: bool) -> Bid | None:
    """What the house would trade in the next interval, if anything."""
    if not house.trades:
        return None
    over_wh = past.generation_wh - past.load_wh
    spare_wh = _spare_wh(house, past)
    if house.battery is not None and over_wh > 0 and past.level_micro < _SPARE_MICRO:
        over_wh *= past.level_micro / _SPARE_MICRO  # an empty battery takes the sun first
    if over_wh + spare_wh >= _LEAST_WH and over_wh > -_LEAST_WH:
        return Bid("ask", int(max(over_wh, 0) + spare_wh), _ask_micro(past, prices))
    missing_wh = -over_wh
    if house.battery is not None:
        missing_wh = max(0.0, missing_wh - _own_wh(house, past)) if on_grid else _room_wh(house, past)
    if missing_wh < _LEAST_WH:
        return None
    return Bid("bid", int(missing_wh), _bid_micro(past, prices))


def _spare_wh(house: House, past: Past) -> float:
    """What a full battery can give in a quarter of an hour and not miss."""
    if house.battery is None or past.level_micro <= _SPARE_MICRO:
        return 0.0
    above_wh = house.battery.capacity_wh * (past.level_micro - _SPARE_MICRO) / 1_000_000
    return float(min(above_wh / 2, house.battery.power_w / 8))


def _own_wh(house: House, past: Past) -> float:
    """What its own battery gives in a quarter of an hour."""
    assert house.battery is not None
    reserve = house.battery.reserve_percent * 10_000
    there_wh = house.battery.capacity_wh * max(0, past.level_micro - reserve) / 1_000_000
    return float(min(there_wh / 2, house.battery.power_w / 4))


def _room_wh(house: House, past: Past) -> float:
    """Without a grid: below half, fill up a part of what is missing."""
    assert house.battery is not None
    missing = max(0, 500_000 - past.level_micro)
    return float(min(house.battery.capacity_wh * missing / 1_000_000 / 2, 20.0))


def _ask_micro(past: Past, prices: Prices) -> int:
    """Between what feeding in earns and what the grid costs: near the first with a full battery."""
    level = past.level_micro / 1_000_000 if past.level_micro >= 0 else 0.8
    room = _worth_cents(prices) - prices.feed_in_cents
    return round((prices.feed_in_cents + room * (0.2 + 0.5 * (1.0 - level))) * MICRO_PER_CENT)


def _bid_micro(past: Past, prices: Prices) -> int:
    """Less the fuller its own battery is; never dearer than the grid."""
    level = max(past.level_micro, 0) / 1_000_000
    room = _worth_cents(prices) - prices.feed_in_cents
    return round((prices.feed_in_cents + room * (0.95 - 0.4 * level)) * MICRO_PER_CENT)


def _worth_cents(prices: Prices) -> float:
    """What a neighbour's kWh may cost, fee included: levies and tax come on top of it as on top of the grid's."""
    return float(prices.retail_cents)
