"""A home's surroundings, brought to its agent: prices, the forecast of the next delivery, orders, trades, halts.

    ledger ─▶ terms of market and tariff ─▶ Priced          every look, when they have changed
           ─▶ the meter's intervals ─▶ foresight ─▶ Forecasted ─▶ orders, signed by the wallet, kept, sent ─▶ Answered
           ─▶ events from a stored position ─▶ Traded, Ended, Halted, Resumed

Through the ledger's client alone, as any customer of it. A delivery has its turn once: what was signed for it is on the
disk before it is sent, and is sent in the same bytes until it is known what became of it, also by the process after
this one. A ledger that is away is tried again; the home goes on by what it knows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog

from devices.history.registers import ask, measured
from devices.history.series import DAY_MS
from devices.house.agent import ledger as said
from devices.house.agent.core import Answered, Effects, Event, Forecasted, Priced
from devices.house.agent.ledger import Known, Pending, Whose
from devices.house.foresight import Foresight, behind_the_meter
from devices.house.strategy import MICRO, Terms
from devices.house.trading import Call
from devices.slot_file import SlotFile
from ledgernode.client import Ledger, LedgerClient, ReadLevel, Signed, Signer
from ledgernode.errors import CommitUnknown, HistoryInvalid, LedgerError, Pruned, Unavailable
from ledgernode.wire.types import TimeMs, TransactionId

LOOK_S: Final = 15.0
READ_DAYS: Final = 120
FORESEEN_MS: Final = 3_600_000
"""So long a forecast is good for: readings that came late are in the next one."""
SLOT_BYTES: Final = 1 << 18
RETRY_S: Final = 5.0
_PAGE: Final = 100
_OPEN: Final = ("agreed", "delivering")
_STOPS: Final = ("stop", "out")


class Place(msgspec.Struct, frozen=True):
    """Where a home is on the ledger. Prices that its owner names win over the ledger's."""

    point: str
    market: str
    generation: str = ""
    """Its generation meter's point, where it has one."""
    retail_micro: int | None = None
    feed_in_micro: int | None = None


class _Looked(msgspec.Struct, frozen=True):
    """What one look at the ledger has found."""

    feeder: str
    terms: Terms
    price_micro: int
    delivery: tuple[int, int] | None


class Surroundings:
    """`do` is the agent's: it hears an event, and answers what follows. It is asked for orders when it is `ready`: a
    house whose battery was not heard yet would sell what belongs into it. One process at a time has `path`."""

    def __init__(
        self,
        path: Path,
        place: Place,
        ledger: Ledger,
        connect: Callable[[], LedgerClient],
        signer: Signer,
        *,
        do: Callable[[Event], Effects],
        clock_ms: Callable[[], int],
        ready: Callable[[], bool] = lambda: True,
        look_s: float = LOOK_S,
    ) -> None:
        fresh = not path.exists()
        if fresh:
            SlotFile.create(path, msgspec.msgpack.encode(Known()), slot_bytes=SLOT_BYTES)
        self._file = SlotFile.open(path, slot_bytes=SLOT_BYTES)
        self.known = msgspec.msgpack.decode(self._file.payload, type=Known)
        self._place, self._ledger, self._connect, self._signer = place, ledger, connect, signer
        self._do, self._ready, self._clock_ms, self._look_s = do, ready, clock_ms, look_s
        self._feeder: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._terms: tuple[Terms, int] | None = None
        self._foresight: tuple[int, Foresight] | None = None
        self._log: Any = structlog.get_logger("surroundings")

    async def run(self) -> None:
        """Until it is cancelled."""
        try:
            for event in said.again(self.known, self._clock_ms()):
                self._do(event)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._follow())
                while True:
                    try:
                        await self._look()
                    except LedgerError as error:
                        self._log.warning("the ledger does not say", code=error.code, why=str(error))
                    await asyncio.sleep(self._look_s)
        finally:
            self._file.close()

    # ------------------------------------------------------------ looking

    async def _look(self) -> None:
        await self._settle_orders()
        now_ms = self._clock_ms()
        looked = await asyncio.to_thread(self._looked, now_ms)
        if not self._feeder.done():
            self._feeder.set_result(looked.feeder)
        if (looked.terms, looked.price_micro) != self._terms:
            self._terms = looked.terms, looked.price_micro
            self._do(Priced(now_ms, looked.terms, looked.price_micro))
        if looked.delivery is None or looked.delivery[0] <= self.known.ordered_ms or not self._ready():
            return
        from_ms, until_ms = looked.delivery
        if not self.known.ordered_ms and await asyncio.to_thread(self._has_ordered, from_ms):
            self._keep(ordered_ms=from_ms)  # by a process whose disk is not this one
            return
        foresight = await self._foreseen(from_ms // DAY_MS, now_ms)
        effects = self._do(Forecasted(self._clock_ms(), foresight.of(from_ms, until_ms)))
        signed = [self._signed(call) for call in effects.calls]
        self._keep(ordered_ms=from_ms, pending=(*self.known.pending, *signed))
        await self._settle_orders()

    def _looked(self, now_ms: int) -> _Looked:
        """Refuses where nobody says what energy costs or earns."""
        place, ask = self._place, self._ask
        span = ask("registry", "span", point=place.point, time_ms=now_ms)
        if span is None:
            raise HistoryInvalid(f"nothing holds of {place.point} on this ledger")
        tariff = ask("tariff", "tariff", id=span["tariff"], at_ms=now_ms)
        charges = ask("tariff", "peer_charges", utility=place.point.partition(":")[0], at_ms=now_ms)
        market = ask("market", "market", market=place.market)["market"]
        delivery = ask("market", "window", market=place.market)
        net_micro = ask("tariff", "price", id=span["tariff"], at_ms=now_ms)
        levies_micro = sum(levy["price_micro"] for levy in tariff["levies"])
        price_micro = (net_micro + levies_micro) * (MICRO + tariff["tax_micro"]) // MICRO
        feed_in_micro = max((band["price_micro"] for band in tariff["feed_in"]), default=0)
        terms = Terms(
            _first(place.retail_micro, market["retail_micro"], price_micro),
            _first(place.feed_in_micro, market["feed_in_micro"], feed_in_micro),
            market["fee_micro"],
            sum(levy["price_micro"] for levy in charges["levies"]),
            charges["tax_micro"],
            floor_micro=market["floor_micro"],
            cap_micro=market["cap_micro"],
            tick_micro=market["tick_micro"],
            order_limit_wh=market["order_limit_wh"],
        )
        window = (delivery["from_ms"], delivery["until_ms"]) if delivery is not None else None
        return _Looked(span["feeder"], terms, _first(place.retail_micro, price_micro), window)

    async def _foreseen(self, day: int, now_ms: int) -> Foresight:
        """By what the meter has shown until now."""
        if self._foresight is not None:
            said_ms, foresight = self._foresight
            if foresight.day == day and now_ms - said_ms < FORESEEN_MS:
                return foresight
        foresight = await asyncio.to_thread(self._read_meters, day)
        self._foresight = now_ms, foresight
        return foresight

    def _read_meters(self, day: int) -> Foresight:
        read = partial(measured, self._ledger, self._signer, days=READ_DAYS, until_ms=day * DAY_MS)
        try:
            connection = read(self._place.point)
            generation = read(self._place.generation) if self._place.generation else None
        except HistoryInvalid:
            return Foresight(None, day)
        return Foresight(behind_the_meter(connection, generation), day)

    # ------------------------------------------------------------ orders

    def _signed(self, call: Call) -> Pending:
        signed = self._signer.transaction(call.contract, call.function, call.arguments, budget=call.budget)
        return Pending(signed.id, signed.envelope, signed.valid_until_ms)

    async def _settle_orders(self) -> None:
        """Send what is signed until it is known what became of it."""
        for pending in self.known.pending:
            signed = Signed(TransactionId(pending.transaction_id), pending.envelope, TimeMs(pending.valid_until_ms))
            try:
                send = partial(self._ledger.submit_signed, raise_refused=False)
                code = (await asyncio.to_thread(send, signed)).code
            except (CommitUnknown, Unavailable):
                raise
            except LedgerError as refusal:
                code = refusal.code
            self._keep(pending=tuple(each for each in self.known.pending if each != pending))
            self._do(Answered(self._clock_ms(), code))

    def _has_ordered(self, from_ms: int) -> bool:
        """Whether this wallet has an order for a delivery here."""
        after = 0
        while True:
            page = self._ask("market", "orders", wallet=self._signer.identity.hex(), after=after)
            mine = (self._place.market, self._place.point, from_ms)
            if any((order["market"], order["point"], order["from_ms"]) == mine for order in page):
                return True
            if len(page) < _PAGE:
                return False
            after = page[-1]["number"]

    # ------------------------------------------------------------ following

    async def _follow(self) -> None:
        """Events from the position on; from the head, and what is open there, where nothing is known or left."""
        whose = Whose(self._place.point, await asyncio.shield(self._feeder))
        lost = not self.known.height
        while True:
            try:
                async with self._connect() as client:
                    if lost:
                        await self._begin(client)
                        lost = False
                    async for event in client.events(self.known.height, names=said.NAMES):
                        taken = said.heard(self.known, whose, event, self._clock_ms())
                        if taken.event is None:
                            self.known = taken.known  # its place goes to the disk with the next one that is ours
                            continue
                        self._put(taken.known)
                        self._do(taken.event)
            except Pruned:
                self._log.error("earlier events are pruned: trades are read anew, halts when they are renewed")
                lost = True
                continue
            except LedgerError as error:
                self._log.warning("the ledger's events do not come", code=error.code, why=str(error))
            await asyncio.sleep(RETRY_S)

    async def _begin(self, client: LedgerClient) -> None:
        """At the head: the trades that are not over there, nor told to stop."""
        height = int((await client.facts()).height)
        now_ms, point = self._clock_ms(), self._place.point
        told = await self._every(client, "commands", "number", height)
        stopped = {command["trade"] for command in told if command["action"] in _STOPS}
        for found in await self._every(client, "trades", "trade", height):
            trade = said.traded(point, found, now_ms)
            if found["status"] in _OPEN and trade.until_ms > now_ms and trade.number not in stopped:
                self._keep(trades=(*(each for each in self.known.trades if each.number != trade.number), trade))
                self._do(trade)
        self._keep(height=height, number=said.LAST)

    async def _every(self, client: LedgerClient, function: str, number: str, height: int) -> list[dict[str, Any]]:
        """What settlement lists of this point page by page, each after the last one's number."""
        found: list[dict[str, Any]] = []
        while True:
            query = {"point": self._place.point, "after": found[-1][number] if found else 0}
            answer = await client.evaluate(
                "settlement", function, query, signer=self._signer, level=ReadLevel.AT_LEAST, height=height
            )
            page = msgspec.json.decode(answer.result)
            found += page
            if len(page) < _PAGE:
                return found

    # ------------------------------------------------------------ parts

    def _keep(self, **fields: Any) -> None:
        self._put(msgspec.structs.replace(self.known, **fields))

    def _put(self, known: Known) -> None:
        self._file.write(msgspec.msgpack.encode(known))
        self.known = known

    def _ask(self, contract: str, function: str, **arguments: Any) -> Any:
        return ask(self._ledger, self._signer, contract, function, **arguments)


def _first(*values: int | None) -> int:
    """What is named first; nothing is worth nothing."""
    return next((value for value in values if value is not None), 0)
