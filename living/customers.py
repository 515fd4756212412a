"""What people do on the ledger, each by their own wallet: buy tokens, share units, give orders, look at their money."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, Final

from devices.community.trading import Delivery, orders
from ledgernode.errors import LedgerError
from living.figures import Trade
from living.homes import Home
from living.kiosk import Kiosk
from living.people import Call
from living.place import Place
from living.units import INTERVAL_MS, MINOR_PER_CENT

_ASKED_EVERY_S: Final = 1.0
_LOOKED_EVERY_S: Final = 0.05
_WIRE_S: Final = 2.0
"""Who has bought waits so long for the wire, and then types."""


class Customers:
    """Of one place. What they are refused for is a problem; an order's refusal is counted where blocks are read."""

    def __init__(self, place: Place, houses: Mapping[str, Home], kiosk: Kiosk, problems: list[str]) -> None:
        self._place = place
        self._people = place.people
        self._houses = houses
        self._kiosk = kiosk
        self._problems = problems

    async def buy(self, home: Home, cents: int) -> None:
        """Pay at the kiosk. The token comes to the meter by wire; where it does not, its digits are typed."""
        home.purchases += 1
        try:
            sold = await self._kiosk.sell(
                self._place.wallet(home.name), self._place.pans[home.name], cents * MINOR_PER_CENT
            )
        except LedgerError as refusal:
            self._problems.append(f"{home.name} buys a token: {refusal.facts.get('code', refusal.code)}")
        else:
            ends = time.monotonic() + _WIRE_S
            while not home.meter.has_had(sold.tid):
                if home.meter.line.silent or time.monotonic() > ends:
                    home.meter.typed(sold.digits)
                    break
                await asyncio.sleep(_LOOKED_EVERY_S)
        finally:
            home.purchases -= 1

    @property
    def are_buying(self) -> bool:
        return any(home.purchases for home in self._houses.values())

    async def share(self, home: Home, to: str, energy_wh: int) -> None:
        """Units for another house; the meter answers for them."""
        arguments = {
            "point": self._place.point(home.name),
            "recipient_pan": self._place.pans[to],
            "energy_mwh": energy_wh * 1_000,
            "request": f"share {int(self._people.clock_ms())}",
        }
        outcome = await self._people.attempt(Call(self._place.wallet(home.name), "prepaid", "request_share", arguments))
        if not outcome.succeeded:
            self._problems.append(f"{home.name} shares with {to}: {outcome.code}")

    def orders(self, from_ms: int, trades: Mapping[int, Trade]) -> Iterator[Call]:
        """Of every house for the quarter that begins then, from what the last one was like."""
        scenario = self._place.scenario
        if scenario.market.mechanism == "none":
            return
        last = next(reversed(list(trades.values())), None)
        delivery = Delivery(from_ms, from_ms + INTERVAL_MS, last.price_micro if last is not None else None)
        for home in self._houses.values():
            if home.past is None or not home.meter.is_supplied:
                continue
            for bid in orders(home.house, home.past, scenario, delivery):
                arguments = {
                    "market": self._place.market,
                    "point": self._place.point(home.name),
                    "energy_wh": bid.energy_wh,
                    "price_micro": bid.price_micro,
                }
                yield Call(self._place.wallet(home.name), "market", bid.side, arguments)

    async def look_at_money(self) -> None:
        """The balances of wallets, as the ledger has them; for ever."""
        while True:
            for home in list(self._houses.values()):
                wallet = self._place.wallet(home.name)
                with suppress(LedgerError):
                    found: dict[str, Any] = await self._people.ask(wallet, "currency", "balance", account=wallet.id)
                    home.money_minor = (found["available_minor"], found["escrow_minor"])
            await asyncio.sleep(_ASKED_EVERY_S)
