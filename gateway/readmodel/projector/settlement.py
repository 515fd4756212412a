"""Settlement: trades until they are delivered and paid, commands to devices, pools, closed intervals."""

from __future__ import annotations

from typing import Any

import msgspec

from gateway.readmodel.changes import Changes
from gateway.readmodel.decoded import Call, Event
from gateway.readmodel.tables.market import ADJUSTMENTS, COMMANDS, POOLS, SETTLED, TRADES
from gateway.readmodel.tables.registry import AREAS

_TRADE_STATUS = {"TradeDisputed": "disputed", "TradeCurtailed": "curtailed"}


def _opened(out: Changes, _call: Call, event: Event) -> None:
    told = event.payload
    out.put(AREAS, area=told["area"], operator=told["operator"], opened_ms=told["since_ms"])


def _agreed(out: Changes, _call: Call, event: Event) -> None:
    told = event.payload
    names = ("area", "seller_point", "buyer_point", "energy_wh", "from_ms", "until_ms")
    out.put(TRADES, trade=told["trade"], status="agreed", **{name: told[name] for name in names})


def _changed(out: Changes, _call: Call, event: Event) -> None:
    out.put(TRADES, trade=event.payload["trade"], status=_TRADE_STATUS[event.name])


def _resolved(out: Changes, _call: Call, event: Event) -> None:
    told = event.payload
    out.put(TRADES, trade=told["trade"], status="resolved", delivered_mwh=told["delivered_mwh"])


def _done(out: Changes, _call: Call, event: Event) -> None:
    told = event.payload
    names = ("delivered_mwh", "seller_short_mwh", "buyer_short_mwh", "curtailed_mwh")
    out.put(TRADES, trade=told["trade"], status="done", **{name: told[name] for name in names})


def _shortfall(out: Changes, _call: Call, event: Event) -> None:
    told = event.payload
    values = {name: told[name] for name in ("seller_pays_minor", "buyer_pays_minor")}
    out.put(TRADES, trade=told["trade"], **values)


def _commanded(out: Changes, call: Call, event: Event) -> None:
    told = event.payload
    names = ("trade", "point", "device", "action", "energy_wh", "text")
    values = {name: told[name] for name in names}
    out.put(COMMANDS, command=told["command"], status="sent", sent_ms=call.time_ms, **values)


def _answered(out: Changes, call: Call, event: Event) -> None:
    told = event.payload
    acknowledged = event.name == "DeliveryAcknowledged"
    values: dict[str, Any] = {"measured_mwh": told["measured_mwh"]} if acknowledged else {}
    status = "acknowledged" if acknowledged else "timed_out"
    out.put(COMMANDS, command=told["command"], status=status, answered_ms=call.time_ms, **values)


def _joined(out: Changes, _call: Call, event: Event) -> None:
    told = event.payload
    out.put(POOLS, area=told["area"], point=told["point"], since_ms=told["since_ms"], until_ms=0)


def _topped_up(out: Changes, _call: Call, event: Event) -> None:
    told = event.payload
    out.add(POOLS, area=told["area"], point=told["point"], paid_in_minor=told["amount_minor"])


def _leaving(out: Changes, _call: Call, event: Event) -> None:
    told = event.payload
    out.put(POOLS, area=told["area"], point=told["point"], until_ms=told["until_ms"])


def _unfunded(out: Changes, _call: Call, event: Event) -> None:
    told = event.payload
    for point in told["points"]:
        out.put(POOLS, area=told["area"], point=point, unfunded_ms=told["interval_ms"])


def _settled(out: Changes, _call: Call, event: Event) -> None:
    told = event.payload
    sums = msgspec.json.encode(told["sums_mwh"]).decode()
    values = {"sums_mwh": sums, "moved_minor": told["moved_minor"], "trades": told["trades"]}
    out.put(SETTLED, area=told["area"], interval_ms=told["interval_ms"], **values)


def _adjusted(out: Changes, call: Call, event: Event) -> None:
    told = event.payload
    changed = told["intervals"]
    intervals = changed if isinstance(changed, int) else len(changed)
    place = {"at_height": call.height, "at_number": event.number}
    out.append(ADJUSTMENTS, **place, area=told["area"], point=told["point"], day=told["day"], intervals=intervals)


EVENTS = {
    "settlement.AreaOpened": _opened,
    "settlement.TradeAgreed": _agreed,
    **{f"settlement.{name}": _changed for name in _TRADE_STATUS},
    "settlement.TradeResolved": _resolved,
    "settlement.TradeDone": _done,
    "settlement.ShortfallPaid": _shortfall,
    "settlement.DeliveryCommanded": _commanded,
    "settlement.DeliveryAcknowledged": _answered,
    "settlement.DeliveryTimedOut": _answered,
    "settlement.PoolJoined": _joined,
    "settlement.PoolToppedUp": _topped_up,
    "settlement.PoolLeaving": _leaving,
    "settlement.PoolUnfunded": _unfunded,
    "settlement.IntervalSettled": _settled,
    "settlement.AdjustmentPosted": _adjusted,
}
