"""What surrounds a home, asked of a ledger that this test plays: its answers and events are what the contracts give.

The same on a running ledger is `tests/acceptance/test_houses.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest

from devices.house.agent.core import (
    Agent,
    Answered,
    Effects,
    Ended,
    Event,
    Forecasted,
    Halted,
    Priced,
    Settings,
    Traded,
)
from devices.house.catalogue import family
from devices.house.strategy import FixedPrice, Terms
from devices.house_shell.surroundings import Place, Surroundings
from ledgernode.client import Signer
from ledgernode.errors import DatabaseInUse, NodeUnreachable, Pruned, TransactionExpired
from ledgernode.identity.keys import PrivateKey
from ledgernode.wire.answers import Answer, NumberedEvent, Outcome, Stage
from ledgernode.wire.transaction import parse_transaction
from ledgernode.wire.types import ChainId, Height, TimeMs, TransactionId
from tests.conditions import eventually

NOW_MS = 20_000 * 86_400_000 + 8 * 3_600_000
QUARTER_MS = 900_000
PLACE = Place("north:h1", "north:board")
SETTINGS = Settings(PLACE.point, PLACE.market, family("h1", peak_w=4_000), FixedPrice(ask_micro=200_000), board=True)


class Played:
    """A ledger: what contracts answer, what was submitted, and events."""

    def __init__(self) -> None:
        self.signer = Signer(PrivateKey.generate(), chain_id=ChainId(bytes(32)), clock_ms=lambda: NOW_MS)
        self.from_ms = NOW_MS + QUARTER_MS
        self.exported_mwh = 500_000
        self.orders: list[dict[str, Any]] = []
        self.trades: list[dict[str, Any]] = []
        self.commands: list[dict[str, Any]] = []
        self.events: list[NumberedEvent] = []
        self.height = 10
        self.submitted: list[bytes] = []
        self.refuses: Exception | None = None
        self.pruned_below = 0

    # ------------------------------------------------------------ as a client

    def evaluate(self, contract: str, function: str, arguments: dict[str, Any], **_: Any) -> Answer:
        found: Any = getattr(self, f"{contract}_{function}")(**arguments)
        return Answer(msgspec.json.encode(found), Height(self.height))

    def submit_signed(self, signed: Any, *, raise_refused: bool) -> Outcome:
        assert not raise_refused
        self.submitted.append(signed.envelope)
        if self.refuses is not None:
            raise self.refuses
        return Outcome(signed.id, Stage.COMMITTED, "OK")

    def facts(self) -> Any:
        return SimpleNamespace(height=self.height, time_ms=NOW_MS)

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Any]:
        async def facts() -> Any:
            return self.facts()

        async def evaluate(*arguments: Any, **more: Any) -> Answer:
            return self.evaluate(*arguments, **more)

        async def events(from_height: int, *, names: Any) -> AsyncIterator[NumberedEvent]:
            if from_height < self.pruned_below:
                raise Pruned("gone")
            sent = 0
            while True:
                for event in self.events[sent:]:
                    sent += 1
                    if event.height >= from_height and event.name in names:
                        yield event
                await asyncio.sleep(0.01)

        yield SimpleNamespace(facts=facts, evaluate=evaluate, events=events)

    def say(self, contract: str, name: str, **payload: Any) -> None:
        self.height += 1
        content = msgspec.json.encode(payload)
        place = (Height(self.height), 1, TimeMs(NOW_MS), TransactionId(bytes(32)))
        self.events.append(NumberedEvent(*place, contract, name, content))

    # ------------------------------------------------------------ as contracts

    def registry_span(self, point: str, time_ms: int) -> Any:
        return {"feeder": "north:f1", "tariff": "north:flat"}

    def tariff_tariff(self, id: str, at_ms: int) -> Any:
        levies = [{"name": "green", "price_micro": 10_000}]
        return {"tax_micro": 190_000, "feed_in": [{"price_micro": 70_000}, {"price_micro": 80_000}], "levies": levies}

    def tariff_price(self, id: str, at_ms: int) -> int:
        return 300_000

    def tariff_peer_charges(self, utility: str, at_ms: int) -> Any:
        return {"levies": [{"name": "green", "price_micro": 10_000}], "tax_micro": 190_000}

    def market_market(self, market: str) -> Any:
        limits = {
            "floor_micro": 0,
            "cap_micro": 1_000_000,
            "tick_micro": 1_000,
            "order_limit_wh": 0,
            "fee_micro": 5_000,
        }
        return {"market": {"retail_micro": None, "feed_in_micro": None, **limits}}

    def market_window(self, market: str) -> Any:
        return {"from_ms": self.from_ms, "until_ms": self.from_ms + QUARTER_MS}

    def market_orders(self, wallet: str, after: int) -> Any:
        return self.orders

    def settlement_trades(self, point: str, after: int) -> Any:
        return self.trades

    def settlement_commands(self, point: str, after: int) -> Any:
        return self.commands

    def metering_days(self, point: str, first_day: int, last_day: int) -> Any:
        day = NOW_MS // 86_400_000
        if not first_day <= day <= last_day:
            return []
        nothing = [0] * 96
        exported = [0] * 31 + [self.exported_mwh] + [0] * 64
        return [{"day": day, "state": "-" * 31 + "m" + "-" * 64, "import_mwh": nothing, "export_mwh": exported}]


class Home:
    """An agent among its surroundings, begun as often as a test likes."""

    def __init__(self, ledger: Played, directory: Path) -> None:
        self.ledger, self.path = ledger, directory / "ledger.slots"
        self.heard: list[Event] = []
        self.agent = Agent(SETTINGS)
        self.is_ready = True
        self.task: asyncio.Task[None] | None = None

    def do(self, event: Event) -> Effects:
        self.heard.append(event)
        return self.agent.step(event)

    async def __aenter__(self) -> Home:
        self.heard, self.agent = [], Agent(SETTINGS)
        ledger: Any = self.ledger
        self.surroundings = Surroundings(
            self.path, PLACE, ledger, cast("Any", ledger.connect), ledger.signer, do=self.do, clock_ms=lambda: NOW_MS,
            ready=lambda: self.is_ready, look_s=0.02,
        )  # fmt: skip
        self.task = asyncio.create_task(self.surroundings.run())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self.task is not None
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)

    def of(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.heard if isinstance(event, kind)]

    async def until(self, kind: type[Any], count: int = 1) -> Any:
        await eventually(lambda: len(self.of(kind)) >= count)
        return self.of(kind)[-1]


@pytest.fixture
def ledger() -> Played:
    return Played()


async def test_prices_and_forecast_become_an_order_that_the_wallet_signs(ledger: Played, tmp_path: Path) -> None:
    """Terms are the market's, the tariff's and the utility's; what the meter gave last is believed of the next."""
    async with Home(ledger, tmp_path) as home:
        answered = await home.until(Answered)
    assert answered.code == "OK"
    [priced], [forecasted] = home.of(Priced), home.of(Forecasted)
    assert (priced.terms, priced.price_micro) == (
        Terms(368_900, 80_000, 5_000, 10_000, 190_000, cap_micro=1_000_000, tick_micro=1_000),
        368_900,
    )
    assert msgspec.structs.astuple(forecasted)[1] == (ledger.from_ms, ledger.from_ms + QUARTER_MS, 0, 500)
    [envelope] = ledger.submitted
    body = parse_transaction(envelope).body
    assert (body.contract, body.function, body.creator) == ("market", "offer", ledger.signer.identity)
    assert msgspec.json.decode(body.arguments) == {
        "market": PLACE.market,
        "point": PLACE.point,
        "energy_wh": 500,
        "price_micro": 200_000,
        "from_ms": ledger.from_ms,
        "until_ms": ledger.from_ms + QUARTER_MS,
    }


async def test_nothing_is_ordered_before_the_house_knows_what_its_battery_holds(ledger: Played, tmp_path: Path) -> None:
    """And the delivery still has its turn then."""
    home = Home(ledger, tmp_path)
    home.is_ready = False
    async with home:
        await home.until(Priced)
        await asyncio.sleep(0.2)
        assert home.of(Forecasted) == []
        home.is_ready = True
        assert (await home.until(Answered)).code == "OK"


async def test_a_delivery_has_its_turn_once(ledger: Played, tmp_path: Path) -> None:
    """Over looks, restarts, and a disk that was lost; the next delivery has its own."""
    home = Home(ledger, tmp_path)
    for _ in range(2):
        async with home:
            await home.until(Priced)
            await asyncio.sleep(0.2)
    assert len(ledger.submitted) == 1
    ledger.orders = [{"market": PLACE.market, "point": PLACE.point, "from_ms": ledger.from_ms, "number": 5}]
    home.path.unlink()
    async with home:
        await home.until(Priced)
        await asyncio.sleep(0.2)
        assert len(ledger.submitted) == 1
        ledger.from_ms += QUARTER_MS
        await eventually(lambda: len(ledger.submitted) == 2)


async def test_an_order_whose_answer_was_lost_is_sent_again_in_the_same_bytes(ledger: Played, tmp_path: Path) -> None:
    """Also by the process after this one; it takes effect once, whatever arrived."""
    ledger.refuses = NodeUnreachable("no answer")
    home = Home(ledger, tmp_path)
    async with home:
        await eventually(lambda: len(ledger.submitted) >= 2)
        assert home.of(Answered) == []
    ledger.refuses = None
    async with home:
        assert (await home.until(Answered)).code == "OK"
        assert home.surroundings.known.pending == ()
    assert len(set(ledger.submitted)) == 1


async def test_an_order_that_came_too_late_is_given_up(ledger: Played, tmp_path: Path) -> None:
    """The agent hears why."""
    ledger.refuses = TransactionExpired("too late")
    async with Home(ledger, tmp_path) as home:
        assert (await home.until(Answered)).code == TransactionExpired.code
        await asyncio.sleep(0.2)
    assert len(ledger.submitted) == 1


def a_trade(number: int, **changes: Any) -> dict[str, Any]:
    found = {"trade": number, "seller_point": PLACE.point, "buyer_point": "north:h2", "energy_wh": 500}
    window = {"from_ms": NOW_MS, "until_ms": NOW_MS + QUARTER_MS}
    return {**found, **window, "price_micro": 200_000, "status": "agreed"} | changes


async def test_trades_and_stops_are_heard_once_from_a_position(ledger: Played, tmp_path: Path) -> None:
    """What is open at the beginning, then events; what happened while the process was away comes when it is back."""
    ledger.trades = [
        a_trade(1, status="delivering"),
        a_trade(2, status="done"),
        a_trade(3, until_ms=NOW_MS),
        a_trade(4, status="delivering"),
    ]
    ledger.commands = [{"number": 9, "trade": 4, "action": "out"}, {"number": 8, "trade": 1, "action": "start"}]
    home = Home(ledger, tmp_path)
    async with home:
        await home.until(Traded)
        ledger.say("settlement", "TradeAgreed", area="a", **a_trade(5))
        await home.until(Traded, 2)
        assert [trade.number for trade in home.of(Traded)] == [1, 5]
    ledger.say("settlement", "TradeCurtailed", trade=1, feeder="north:f1", direction="reverse")
    ledger.say("market", "Halted", feeder="north:f1", direction="reverse", until_ms=0)
    async with home:
        assert (await home.until(Ended)).number == 1
        await home.until(Halted)
        assert [trade.number for trade in home.agent.trades] == [5]
        assert home.agent.delivery_w(NOW_MS) == -2_000
    async with home:
        await home.until(Priced)
        await asyncio.sleep(0.2)
        assert home.of(Ended) == []
        assert home.agent.halts == {"reverse": 0}


async def test_where_events_are_pruned_it_begins_at_the_head(ledger: Played, tmp_path: Path) -> None:
    home = Home(ledger, tmp_path)
    async with home:
        await home.until(Priced)
        await eventually(lambda: home.surroundings.known.height == ledger.height)
    ledger.height += 1_000
    ledger.pruned_below = ledger.height
    ledger.trades = [a_trade(6)]
    async with home:
        await eventually(lambda: [trade.number for trade in home.agent.trades] == [6])


async def test_one_process_at_a_time_has_a_home(ledger: Played, tmp_path: Path) -> None:
    async with Home(ledger, tmp_path):
        with pytest.raises(DatabaseInUse):
            await Home(ledger, tmp_path).__aenter__()
