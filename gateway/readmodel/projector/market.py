"""Markets: orders as they are placed and end, matches, clearings, strategies, prices."""

from __future__ import annotations

from typing import Any, Final

from gateway.readmodel.changes import Changes
from gateway.readmodel.decoded import Call, Event
from gateway.readmodel.projector.staff import proposal_of
from gateway.readmodel.tables.market import CLEARINGS, HALTS, MARKETS, ORDERS, PRICES, STRATEGIES, TRADES
from gateway.readmodel.zones import DAY_MS, HOUR_MS, QUARTER_MS, Span

PRICE_SPANS: Final = {Span.QUARTER: QUARTER_MS, Span.HOUR: HOUR_MS, Span.DAY: DAY_MS}
_TOLD = ("market", "side", "kind", "energy_wh", "price_micro", "from_ms", "until_ms")
_OWN = ("point", "customer", "wallet", "feeder", "expires_ms")


def _changed(out: Changes, call: Call, event: Event) -> None:
    told = event.payload
    if told["kind"] == "market":
        values = {"proposal": proposal_of(call, event), "from_ms": told["from_ms"]}
        out.put(MARKETS, market=told["market"], **values)


def _placed(out: Changes, call: Call, event: Event) -> None:
    told = event.payload
    number = told["order"]
    place = {"placed_ms": call.time_ms, "placed_height": call.height, "placed_position": call.position}
    values: dict[str, Any] = {name: told[name] for name in _TOLD} | place
    result = call.result_values()
    if call.contract == "market" and result.get("number") == number and "left_wh" in result:
        values |= {name: result[name] for name in _OWN}
    elif call.contract == "market" and call.creator:
        values |= {"wallet": call.signer, "point": call.argument_values().get("point", "")}
    out.put(ORDERS, number=number, **values)


def _ended(out: Changes, _call: Call, event: Event) -> None:
    ended = "cancelled" if event.name == "OrderCancelled" else "expired"
    out.put(ORDERS, number=event.payload["order"], ended=ended)


def _matched(out: Changes, call: Call, event: Event) -> None:
    told = event.payload
    names = ("market", "bid", "ask", "energy_wh", "price_micro", "buyer_price_micro")
    place = {"matched_ms": call.time_ms, "matched_height": call.height, "matched_position": call.position}
    out.put(TRADES, trade=told["trade"], **{name: told[name] for name in names}, **place)
    for order in (told["bid"], told["ask"]):
        out.add(ORDERS, number=order, matched_wh=told["energy_wh"])
    energy, price = told["energy_wh"], told["price_micro"]
    sums = {"trades": 1, "energy_wh": energy, "turnover": energy * price, "low_micro": price, "high_micro": price}
    for span, length_ms in PRICE_SPANS.items():
        from_ms = call.time_ms - call.time_ms % length_ms
        out.add(PRICES, market=told["market"], span=int(span), from_ms=from_ms, **sums)


def _cleared(out: Changes, _call: Call, event: Event) -> None:
    told = event.payload
    names = ("volume_wh", "price_micro", "welfare_micro", "surplus_micro", "matches")
    values = {name: told[name] for name in names}
    out.put(CLEARINGS, market=told["market"], slot=told["slot"], cleared_by=str(told["by"]), **values)


def _strategy_started(out: Changes, call: Call, event: Event) -> None:
    told = event.payload
    values = {name: told[name] for name in ("market", "rule", "budget_minor", "until_ms")}
    result = call.result_values()
    values |= {name: result.get(name, "") for name in ("point", "customer", "wallet")}
    out.put(STRATEGIES, strategy=told["strategy"], **values)


def _strategy_acted(out: Changes, _call: Call, event: Event) -> None:
    out.put(ORDERS, number=event.payload["order"], strategy=event.payload["strategy"])


def _strategy_stopped(out: Changes, _call: Call, event: Event) -> None:
    out.put(STRATEGIES, strategy=event.payload["strategy"], stopped=1)


def _strategy_alarm(out: Changes, _call: Call, event: Event) -> None:
    alarm = event.payload["alarm"] if event.name == "StrategyStrayed" else ""
    out.put(STRATEGIES, strategy=event.payload["strategy"], alarm=alarm)


def _halted(out: Changes, _call: Call, event: Event) -> None:
    told = event.payload
    key = {"feeder": told["feeder"], "direction": told["direction"]}
    halted = int(event.name == "Halted")
    out.put(HALTS, **key, until_ms=told["until_ms"] if halted else 0, halted=halted)


EVENTS = {
    "market.MarketChanged": _changed,
    "market.OrderPlaced": _placed,
    "market.OrderCancelled": _ended,
    "market.OrderExpired": _ended,
    "market.OrderMatched": _matched,
    "market.Cleared": _cleared,
    "market.StrategyStarted": _strategy_started,
    "market.StrategyActed": _strategy_acted,
    "market.StrategyStopped": _strategy_stopped,
    "market.StrategyStrayed": _strategy_alarm,
    "market.StrategyRecovered": _strategy_alarm,
    "market.Halted": _halted,
    "market.Resumed": _halted,
}
