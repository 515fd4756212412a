"""What the ledger says has happened: every block is read, counted, and told in words.

Sums go to `figures`. `Heard` is what somebody here has to act on: a trade to be delivered.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgspec

from ledgernode.client import LedgerClient
from ledgernode.wire.block import parse_header
from ledgernode.wire.receipt import OK, Origin, parse_receipt
from ledgernode.wire.transaction import parse_transaction
from ledgernode.wire.types import Height
from living.figures import COLUMNS, Figures, Interval, Line, Report, Trade
from living.units import cents, clock, kwh, money

Heard = Callable[[str, str, dict[str, Any], int], None]
"""Told of every event: contract, name, payload, block time."""


class Watcher:
    """Reads blocks from a height on, for ever."""

    def __init__(self, ledger: LedgerClient, figures: Figures, heard: Heard, *, names: dict[str, str]) -> None:
        self._ledger = ledger
        self._figures = figures
        self._heard = heard
        self._names = names

    async def run(self, from_height: int) -> None:
        following = from_height
        while True:
            async for block in self._ledger.blocks(Height(following)):
                self._take(block)
                following = self._figures.height + 1

    def _take(self, block: Any) -> None:
        header = parse_header(block.header)
        figures = self._figures
        figures.height, figures.time_ms = int(header.height), int(header.time_ms)
        figures.blocks += 1
        figures.transactions += header.transactions
        figures.arrived(header.transactions)
        called = {}
        for raw in block.envelopes:
            transaction = parse_transaction(raw)
            called[transaction.id] = transaction.body
        for raw in block.receipts:
            receipt = parse_receipt(raw)
            if receipt.origin is Origin.TIMER:
                figures.timers += 1
            body = called.get(receipt.id)
            if receipt.code != OK:
                what = f"{body.contract}.{body.function}" if body is not None else "a timer"
                figures.refused[f"{what}: {receipt.code}"] = figures.refused.get(f"{what}: {receipt.code}", 0) + 1
                continue
            if body is not None and (body.contract, body.function) == ("metering", "record"):
                figures.readings += receipt.items or len(json.loads(body.arguments)["rows"])
            if body is not None and (body.contract, body.function) == ("feeder", "observe"):
                figures.samples += 1
            for event in receipt.events:
                payload = json.loads(event.payload)
                self._event(event.contract, event.name, payload)
                self._heard(event.contract, event.name, payload, figures.time_ms)

    def _say(self, kind: str, text: str) -> None:
        self._figures.lines.append(Line(self._figures.time_ms, kind, text))

    def _name(self, point: str) -> str:
        return point.partition(":")[2] or self._names.get(point, point[:8])

    def _event(self, contract: str, name: str, said: dict[str, Any]) -> None:
        figures = self._figures
        match contract, name:
            case "market", "OrderPlaced":
                figures.orders += 1
            case "market", "Cleared":
                if said.get("volume_wh"):
                    price = f" at {cents(said['price_micro'])}" if said.get("price_micro") else ""
                    matches = said.get("matches")
                    number = len(matches) if isinstance(matches, list) else matches
                    self._say("market", f"the market clears: {said['volume_wh']:,} Wh{price}, {number} matches")
            case "settlement", "TradeAgreed":
                trade = Trade(
                    said["trade"],
                    self._name(said["seller_point"]),
                    self._name(said["buyer_point"]),
                    said["energy_wh"],
                    said["price_micro"],
                    said["from_ms"],
                    said["until_ms"],
                )
                figures.trades[trade.number] = trade
                text = f"{trade.seller} sells {trade.energy_wh:,} Wh to {trade.buyer} at {cents(trade.price_micro)}"
                self._say("trade", text)
            case "settlement", "TradeDone":
                known = figures.trades.get(said["trade"])
                if known is not None:
                    known.delivered_mwh = said["delivered_mwh"]
            case "settlement", "DeliveryCommanded":
                figures.commands += 1
            case "settlement", "DeliveryAcknowledged":
                figures.acknowledged += 1
            case "settlement", "DeliveryTimedOut":
                figures.timed_out += 1
            case "settlement", "IntervalSettled":
                sums = dict(zip(COLUMNS, said["sums_mwh"], strict=True))
                closed = Interval(
                    start_ms=said["interval_ms"], moved_minor=said["moved_minor"], trades=said["trades"], **sums
                )
                figures.intervals.append(closed)
                self._say(
                    "settled",
                    f"{clock(closed.start_ms)} is settled: {kwh(closed.trade_in_mwh)} bought, "
                    f"{kwh(closed.pool_in_mwh)} shared, {kwh(closed.grid_in_mwh)} of the grid; "
                    f"{money(closed.moved_minor)}",
                )
            case "feeder", "FeederReported":
                report = msgspec.convert(
                    {**said, "start_ms": said["interval_ms"], "feeder": self._name(said["feeder"])}, Report
                )
                figures.reports.append(report)
                if report.loss_mwh is not None:
                    self._say("feeder", f"feeder {report.feeder}: {kwh(report.loss_mwh)} lost on the way")
            case "feeder", "AlertOpened" | "AlertCleared":
                opened = name == "AlertOpened"
                figures.alerts[self._name(said["feeder"]), said["kind"]] = opened
                figures.alerts_opened += opened
                what = f"ALERT {said['kind']}" if opened else f"alert {said['kind']} clears"
                self._say("alert", f"{what} on feeder {self._name(said['feeder'])}")
            case _:
                self._prepaid(contract, name, said)

    def _prepaid(self, contract: str, name: str, said: dict[str, Any]) -> None:
        figures = self._figures
        house = self._name(said["point"]) if isinstance(said.get("point"), str) else ""
        match contract, name:
            case "prepaid", "CreditMinted":
                figures.units_bought_mwh += said["units"] * 100_000
            case "prepaid", "CreditReserved":
                units = said["units"] / 10
                figures.open_credits.add(said["credit"])
                if said["kind"] == "vend":
                    figures.tokens_bought += 1
                    self._say("token", f"{house} buys a token of {units:.1f} kWh")
                elif said["kind"] == "return":
                    figures.tokens_returned += 1
                    self._say("token", f"{units:.1f} kWh that neighbours sold come back to {house} as a token")
            case "prepaid", "CreditBurned":
                figures.open_credits.discard(said["credit"])
            case "prepaid", "CreditRedeemed":
                figures.open_credits.discard(said["credit"])
                figures.tokens_redeemed += 1
                figures.units_redeemed_mwh += said["energy_mwh"]
                self._say("token", f"the meter of {house} takes a token: {kwh(said['energy_mwh'])}")
            case "prepaid", "ShareDebited":
                figures.shares += 1
                figures.shared_mwh += said["energy_mwh"]
                self._say("share", f"{self._name(said['sender'])} shares {kwh(said['energy_mwh'])} with a neighbour")
            case "prepaid", "ShareCredited":
                self._say("share", f"{self._name(said['recipient'])} is given {said['units'] / 10:.1f} kWh")
            case "prepaid", "LowCredit":
                self._say("credit", f"{house} is low: {kwh(said['balance_mwh'])} left")
            case "settlement", "PoolUnfunded":
                self._say("pool", f"{len(said['points'])} houses have no money left for the pool")
