"""A house's orders as calls of the market's contract: ready to be signed and submitted.

    for call in calls("north", outlook, strategy.decide(outlook)):
        await ledger.submit(call.contract, call.function, call.arguments, signer=wallet)

An auction takes `bid` and `ask`, a board `request` and `offer`. Times are the outlook's delivery, so that a call that
comes late is refused and never lands in the next one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from devices.house.agent.collect import Collected
from devices.house.standing import House
from devices.house.strategy import BID, MICRO, Order, Outlook, Terms
from devices.physics.battery import Battery
from devices.physics.energy import NWH_PER_WH, energy_nwh

CONTRACT: Final = "market"
BUDGET: Final = 200_000
"""Of execution: an order that meets twenty others takes less."""


class Call(NamedTuple):
    """What the ledger's client takes."""

    contract: str
    function: str
    arguments: Mapping[str, Any]
    budget: int = BUDGET


class Forecast(NamedTuple):
    """Of one delivery, wherever it comes from."""

    from_ms: int
    until_ms: int
    load_wh: int
    generation_wh: int


def calls(market: str, outlook: Outlook, orders: Sequence[Order], *, board: bool = False) -> tuple[Call, ...]:
    """One call an order."""
    names = ("request", "offer") if board else ("bid", "ask")
    return tuple(
        Call(
            CONTRACT,
            names[order.side != BID],
            {
                "market": market,
                "point": outlook.point,
                "energy_wh": order.energy_wh,
                "price_micro": order.price_micro,
                "from_ms": outlook.from_ms,
                "until_ms": outlook.until_ms,
            },
        )
        for order in orders
    )


def outlook(
    point: str,
    forecast: Forecast,
    terms: Terms,
    battery: Battery | None = None,
    stored_nwh: int = 0,
    *,
    last_price_micro: int | None = None,
    last_filled_micro: int | None = None,
) -> Outlook:
    """What a house knows before a delivery: its forecast, and what its battery could do by then."""
    chargeable_wh = dischargeable_wh = 0
    round_trip_micro = MICRO
    if battery is not None:
        duration_ms = forecast.until_ms - forecast.from_ms
        room_nwh = max(0, battery.ceiling_nwh - stored_nwh) * MICRO // battery.charge_efficiency_micro
        there_nwh = max(0, stored_nwh - battery.reserve_nwh) * battery.discharge_efficiency_micro // MICRO
        chargeable_wh = min(room_nwh, energy_nwh(battery.charge_w, duration_ms)) // NWH_PER_WH
        dischargeable_wh = min(there_nwh, energy_nwh(battery.discharge_w, duration_ms)) // NWH_PER_WH
        round_trip_micro = battery.charge_efficiency_micro * battery.discharge_efficiency_micro // MICRO
    return Outlook(
        point=point,
        from_ms=forecast.from_ms,
        until_ms=forecast.until_ms,
        terms=terms,
        load_wh=forecast.load_wh,
        generation_wh=forecast.generation_wh,
        chargeable_wh=chargeable_wh,
        dischargeable_wh=dischargeable_wh,
        round_trip_micro=round_trip_micro,
        last_price_micro=last_price_micro,
        last_filled_micro=last_filled_micro,
    )


def stored_nwh(house: House, collected: Collected) -> int:
    """What the battery holds, by what was heard of it."""
    return 0 if house.battery is None else house.battery.at(collected.value("battery", "level_micro"))
