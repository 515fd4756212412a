"""A village over real sockets: demands, trades, relays and pages, with a server that dies in the middle."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from devices.house.tie import Sensed
from devices.house.transfer import Bus, Dispute, Page, Status, Trade
from devices.house_shell.bus import BusServer
from devices.house_shell.http import BODY_BYTES, Response, call
from devices.house_shell.tie import TieController
from devices.house_shell.tie_meter import TieMeter
from devices.meter.core import new_state
from devices.meter.events import Told
from devices.meter_shell import Facts, create_home
from ledgernode.errors import BadRequest
from ledgernode.sts.keys import derive
from tests.conditions import eventually
from tests.devices.meter.sayings import Saying
from tests.devices.running import SETTING
from tests.ports import fresh_port
from tests.sts.published import VENDING_KEY

pytestmark = pytest.mark.slow
HOST = "127.0.0.1"
OPERATOR = "operator-token"
WH = 1_000
POWER_MW = 3_600_000
"""1 Wh a second, so that 2 Wh take two seconds and not two minutes."""


class House:
    """A house on the bus: registers that grow while both ends of a trade are closed."""

    def __init__(self, village: Village, name: str, meter: TieMeter | None = None) -> None:
        self.name, self.token = name, f"token of {name}"
        self.village = village
        self.closed = {"tie_in": False, "tie_out": False}
        self.out_mwh = self.in_mwh = 0.0
        self.port = fresh_port()
        self.meter = meter
        self.controller = TieController(
            name, self.token, (HOST, village.port), sense=self.sense, switch=self.switch, period_s=0.05, meter=meter
        )
        self.task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self.task = asyncio.create_task(self.controller.run(HOST, self.port))

    def switch(self, relay: str, closed: bool) -> None:
        self.village.flow()
        self.closed[relay] = closed

    def sense(self) -> Sensed:
        self.village.flow()
        power_mw = POWER_MW if any(self.closed.values()) else 0
        return Sensed(int(self.out_mwh), int(self.in_mwh), 12_400, power_mw // 12_400 * 1_000, power_mw)

    async def ask(self, method: str, path: str, document: Any = None, token: str = "") -> Response:
        body = b"" if document is None else msgspec.json.encode(document)
        return await call((HOST, self.port), method, path, body, token)

    async def page(self) -> Page:
        return msgspec.json.decode((await self.ask("GET", "/state")).body, type=Page)


class Village:
    def __init__(self, path: Path, meters: Mapping[str, TieMeter] | None = None) -> None:
        self.path, self.port = path, fresh_port()
        self.houses = {name: House(self, name, (meters or {}).get(name)) for name in ("h1", "h2", "h3")}
        self.ended: list[Trade] = []
        self.disputes: list[Dispute] = []
        self.last_s = time.monotonic()
        self.server: BusServer | None = None
        self.task: asyncio.Task[None] | None = None

    def flow(self) -> None:
        now_s = time.monotonic()
        sellers = [house for house in self.houses.values() if house.closed["tie_out"]]
        buyers = [house for house in self.houses.values() if house.closed["tie_in"]]
        if sellers and buyers:
            assert len(sellers) == len(buyers) == 1, "one seller at a time"
            energy_mwh = POWER_MW * (now_s - self.last_s) / 3_600
            buyers[0].in_mwh += energy_mwh
            sellers[0].out_mwh += 1.02 * energy_mwh
        self.last_s = now_s

    def start(self) -> None:
        tokens = {house.name: house.token for house in self.houses.values()}
        bus = Bus(slack_mwh=3 * WH)  # at a Wh a second, what a busy machine needs between two looks is much
        self.server = BusServer(
            self.path, bus, tokens, OPERATOR, ended=self.ended.append, disputed=self.disputes.append
        )
        self.task = asyncio.create_task(self.server.run(HOST, self.port))

    async def stop(self) -> None:
        if self.task is not None:
            self.task.cancel()
            with suppress(asyncio.CancelledError):
                await self.task

    async def ask(self, method: str, path: str, document: Any = None, token: str = OPERATOR) -> Response:
        body = b"" if document is None else msgspec.json.encode(document)
        return await call((HOST, self.port), method, path, body, token)

    async def trade(self, number: int, seller: str, buyer: str, energy_mwh: int) -> None:
        line = f"New Transaction #{number}: energy from {seller} → {buyer}"
        answer = await self.ask("POST", "/lines", {"line": line, "energy_mwh": energy_mwh})
        assert answer.status == 200, answer


@pytest_asyncio.fixture
async def village(tmp_path: Path) -> AsyncIterator[Village]:
    async with ended(Village(tmp_path / "bus.state")) as made:
        yield made


@asynccontextmanager
async def ended(made: Village) -> AsyncIterator[Village]:
    yield made
    tasks = [house.task for house in made.houses.values() if house.task is not None]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await made.stop()


async def begun(village: Village) -> None:
    village.start()
    for house in village.houses.values():
        house.start()
    await eventually(lambda: all(house.controller.state.online for house in village.houses.values()))


async def test_a_demand_becomes_a_trade_and_is_delivered(village: Village) -> None:
    """Asked for at the house's own page, seen by all, agreed, measured, and the relays are open again."""
    await begun(village)
    buyer, seller = village.houses["h2"], village.houses["h1"]
    assert (await buyer.ask("POST", "/demand", {"energy_mwh": 2 * WH}, buyer.token)).status == 200

    async def demands() -> dict[str, int]:
        found: dict[str, int] = msgspec.json.decode((await village.ask("GET", "/demands")).body)
        return found

    await eventually(lambda: village.server is not None and village.server.demands)
    assert await demands() == {"h2": 2 * WH}
    await village.trade(1, "h1", "h2", 2 * WH)
    await village.trade(1, "h1", "h2", 2 * WH)
    await eventually(lambda: buyer.closed["tie_in"] and seller.closed["tie_out"])
    await eventually(lambda: buyer.controller.page.energy_mwh > 200)
    live = await buyer.page()
    assert (live.relay_in, live.demand_mwh, live.voltage_mv, live.power_mw) == (True, 2 * WH, 12_400, POWER_MW)
    shown = (await buyer.ask("GET", "/")).body.decode()
    assert "12.40 V" in shown
    assert "closed" in shown
    assert "#1 running: h1 → h2" in (await village.ask("GET", "/houses/h2")).body.decode()
    await eventually(lambda: village.ended)
    [trade] = village.ended
    assert trade.status is Status.DONE
    assert trade.delivered_mwh == int(buyer.in_mwh)
    assert 2 * WH <= trade.delivered_mwh < 6 * WH
    assert not any(any(house.closed.values()) for house in village.houses.values())
    assert await demands() == {}
    assert village.disputes == []


async def test_a_house_waits_for_the_bus_and_tries_again(village: Village) -> None:
    """It says so on its page; once there is a bus it connects by itself."""
    house = village.houses["h1"]
    house.start()
    await eventually(lambda: house.controller.state.tries == 1)
    assert (await house.page()).text == "connection failed, again in 5 s"
    assert not (await house.page()).linked
    village.start()
    await eventually(lambda: house.controller.state.online)
    assert msgspec.json.decode((await village.ask("GET", "/houses/h1.json")).body)["linked"] is True


async def test_a_server_that_dies_goes_on_from_the_registers(village: Village) -> None:
    """Killed in the middle of a delivery and started again: what was bought arrives, once."""
    await begun(village)
    buyer = village.houses["h2"]
    await village.trade(4, "h1", "h2", 3 * WH)
    await village.trade(5, "h3", "h2", WH)
    await eventually(lambda: buyer.in_mwh > WH)
    await village.stop()
    village.start()
    await eventually(lambda: len(village.ended) == 2, 40)
    assert [(trade.number, trade.status) for trade in village.ended] == [(4, Status.DONE), (5, Status.DONE)]
    assert sum(trade.delivered_mwh for trade in village.ended) == pytest.approx(buyer.in_mwh, abs=3)
    assert 4 * WH <= buyer.in_mwh < 12 * WH
    assert village.disputes == []


async def test_who_is_not_known_says_nothing(village: Village) -> None:
    """Another's token, none at all, trades of strangers, garbage, too much: refused, and nothing moves."""
    await begun(village)
    message = {"out_mwh": 0, "in_mwh": 0}
    assert (await village.ask("POST", "/ties/h1", message, "token of h2")).status == 401
    assert (await village.ask("POST", "/ties/nobody", message, "")).status == 401
    line = {"line": "New Transaction #1: energy from h1 → h2", "energy_mwh": WH}
    assert (await village.ask("POST", "/lines", line, "token of h1")).status == 401
    strangers = [
        {"line": "New Transaction #1: energy from h1 → h9", "energy_mwh": WH},
        {"line": "New Transaction #1: energy from h1 → h1", "energy_mwh": WH},
        {"line": "give me energy", "energy_mwh": WH},
        {"line": "New Transaction #1: energy from h1 → h2", "energy_mwh": -1},
        {"line": "New Transaction #1: energy from h1 → h2", "energy_mwh": 1.5},
    ]
    for wrong in strangers:
        assert (await village.ask("POST", "/lines", wrong)).status == 400, wrong
    h1 = village.houses["h1"]
    assert (await village.ask("POST", "/ties/h1", {"out_mwh": -1, "in_mwh": 0}, h1.token)).status == 400
    assert (await h1.ask("POST", "/demand", {"energy_mwh": 1}, "wrong")).status == 401
    assert (await h1.ask("POST", "/demand", {"energy_mwh": -1}, h1.token)).status == 400
    assert (await village.ask("GET", "/../etc/passwd")).status == 404
    assert (await call((HOST, village.port), "POST", "/lines", b"x" * (BODY_BYTES + 1), OPERATOR)).status == 400
    assert village.server is not None
    assert village.server.state.trades == {}


async def test_a_peer_that_stalls_is_dropped(village: Village) -> None:
    """Half a request holds nothing up, and ends."""
    await begun(village)
    reader, writer = await asyncio.open_connection(HOST, village.port)
    writer.write(b"POST /lines HTTP/1.1\r\nContent-Le")
    await writer.drain()
    assert (await village.ask("GET", "/demands")).status == 200
    async with asyncio.timeout(20):
        assert await reader.read() == b""
    writer.close()


# ---------------------------------------------------------------- what the ledger says


def metered(ledger: Saying, home: Path, point: str, **changes: Any) -> TieMeter:
    """A tie's meter of this ledger; its gateway is away, and what one would bring is told by the test."""
    state = new_state(derive(VENDING_KEY, SETTING), SETTING.base, validators=ledger.founders)
    facts = {"pan": SETTING.pan, "point": point, "chain_id": ledger.chain_id.hex(), "direct": True, "prepaid": False}
    create_home(home, Facts(**facts | changes), state)
    head_ms = ledger.chain.store.head.time_ms
    begun_s = time.monotonic()
    return TieMeter(home, ["127.0.0.1:1"], clock_ms=lambda: head_ms + int(1_000 * (time.monotonic() - begun_s)))


def commanded(ledger: Saying, meter: TieMeter, number: int, trade: int, action: str, until_ms: int = 0) -> None:
    """As a gateway brings it."""
    fields: dict[str, Any] = {"command": number, "trade": trade, "action": action, "text": "", "until_ms": until_ms}
    fields |= {"device": meter.shell.identity.hex()}
    evidence, _ = ledger.say("DeliveryCommanded", "settlement", **fields)
    meter.step(Told(meter.shell.now_ms(), "delivery", number, b"", evidence))


def acknowledged(meter: TieMeter) -> list[tuple[int, int]]:
    """Command and what was measured, as the meter has signed it for the ledger."""
    waiting = [msgspec.json.decode(each.arguments) for each in meter.shell.meter.state.outbox]
    return [(each["command"], each["measured_mwh"]) for each in waiting if "measured_mwh" in each]


async def test_the_ledgers_stop_opens_both_ends_and_what_they_measured_is_signed(tmp_path: Path) -> None:
    """Nothing flows before both meters were shown that the ledger lets it; then it stops the first trade in the middle,
    and no gateway's word of its own opens or closes anything."""
    ledger = Saying()
    meters = {name: metered(ledger, tmp_path / name, f"north:{name}") for name in ("h1", "h2")}
    async with ended(Village(tmp_path / "bus.state", meters)) as village:
        await begun(village)
        seller, buyer = village.houses["h1"], village.houses["h2"]
        await village.trade(1, "h1", "h2", 500 * WH)
        await village.trade(2, "h1", "h2", WH)
        commanded(ledger, meters["h1"], 1, 1, "start")
        invented = b'{"command":2,"trade":1,"device":"","action":"in"}'
        meters["h2"].step(Told(meters["h2"].shell.now_ms(), "delivery", 2, invented, b""))
        await asyncio.sleep(1)
        assert (seller.out_mwh, buyer.in_mwh) == (0, 0)
        commanded(ledger, meters["h2"], 2, 1, "in")
        await eventually(lambda: buyer.in_mwh > WH)
        commanded(ledger, meters["h1"], 3, 2, "start")
        commanded(ledger, meters["h2"], 4, 2, "in")
        commanded(ledger, meters["h1"], 5, 1, "out")
        assert not seller.closed["tie_out"], "not when the bus has heard of it: now"
        stopped_mwh = int(buyer.in_mwh)
        await eventually(lambda: len(village.ended) == 2)
        assert [(trade.number, trade.status) for trade in village.ended] == [(1, Status.STOPPED), (2, Status.DONE)]
        commanded(ledger, meters["h2"], 6, 1, "out")
        commanded(ledger, meters["h1"], 7, 2, "stop")
        commanded(ledger, meters["h2"], 8, 2, "out")
        given, taken = dict(acknowledged(meters["h1"])), dict(acknowledged(meters["h2"]))
        assert (given[1], given[3], taken[2], taken[4]) == (0, 0, 0, 0)
        assert taken[6] == pytest.approx(stopped_mwh, abs=5)
        assert given[5] == pytest.approx(1.02 * taken[6], abs=5), "to what flows until the relay is open"
        assert taken[6] + taken[8] == pytest.approx(buyer.in_mwh, abs=2)
        assert WH <= taken[8] < 4 * WH
        assert village.disputes == []


async def test_a_window_that_is_over_opens_both_ends_though_no_gateway_comes(tmp_path: Path) -> None:
    """The bus hears of it from the ties; what flowed is said when the ledger's word arrives after all."""
    ledger = Saying()
    meters = {name: metered(ledger, tmp_path / name, f"north:{name}") for name in ("h1", "h2")}
    async with ended(Village(tmp_path / "bus.state", meters)) as village:
        await begun(village)
        seller, buyer = village.houses["h1"], village.houses["h2"]
        await village.trade(1, "h1", "h2", 500 * WH)
        until_ms = max(meter.shell.now_ms() for meter in meters.values()) + 4_000
        commanded(ledger, meters["h1"], 1, 1, "start", until_ms)
        commanded(ledger, meters["h2"], 2, 1, "in", until_ms)
        await eventually(lambda: buyer.in_mwh > 100)
        await eventually(lambda: not seller.closed["tie_out"] and not buyer.closed["tie_in"])
        assert all(meter.shell.now_ms() >= until_ms for meter in meters.values())
        await eventually(lambda: village.ended)
        assert [(trade.number, trade.status) for trade in village.ended] == [(1, Status.STOPPED)]
        commanded(ledger, meters["h1"], 3, 1, "stop", until_ms)
        commanded(ledger, meters["h2"], 4, 1, "out", until_ms)
        await eventually(lambda: len(acknowledged(meters["h2"])) == len(acknowledged(meters["h1"])) == 2)
        given, taken = dict(acknowledged(meters["h1"])), dict(acknowledged(meters["h2"]))
        assert taken[4] == pytest.approx(buyer.in_mwh, abs=2)
        assert given[3] == pytest.approx(1.02 * taken[4], abs=5)
        assert village.disputes == []


def test_a_prepaid_meter_is_no_ties(tmp_path: Path) -> None:
    """Its balance would fall by what a neighbour was paid for already."""
    with pytest.raises(BadRequest):
        metered(Saying(), tmp_path / "h1", "north:h1", prepaid=True)
