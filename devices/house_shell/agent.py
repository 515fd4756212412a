"""A home's agent at work: it hears machines over MQTT, tells them what to do, and is asked over HTTP.

    home/<house>/<source>/state      in: {"power_mw": …}, whole numbers under names that end with their unit
    tele/<plug>/SENSOR               in: a smart plug as it is sold (Tasmota), kW and kWh made mW and mWh
    home/<house>/<machine>/set       out, retained: {"on": true}; battery and vehicle {"power_mw": n}, null: as it likes
    home/<house>/generation/set      out, retained: {"export_mw": n}: so much may leave the house; null: all of it
    cmnd/<plug>/POWER                out, retained: ON, OFF
    home/<house>/alarm               out: what rang
    home/<house>/response/call, …/opt-out      in;  …/response/state  out: calls for less, and what they brought

    GET  /state      all values, what is wanted, open alarms      GET /log.csv   time, source, name, value
    POST /response   {"id", "from_ms", "duration_ms", "less_w"}   POST /opt-out  {"id"}           with the owner's token

Orders go to `orders`, which signs and submits them. A broker that is away is tried again every 5 s; machines keep what
they were told, and appliances see to what cannot wait.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, Final

import msgspec
import structlog

from devices.house.agent.core import Agent, Asked, Effects, Event, Observed, OptedOut, Ticked
from devices.house.agent.export import happening_lines, sample_lines
from devices.house.agent.response import Call
from devices.house.standing import Wanted
from devices.house.trading import Call as MarketCall
from devices.house_shell.http import Request, Response, holds, serve
from devices.house_shell.sink import Sink
from gateway.mqtt.connection import Access, Connection, Message
from ledgernode.errors import BadRequest, LedgerError
from ledgernode.wire.unreadable import UNREADABLE

RETRY_S: Final = 5.0
TICK_S: Final = 1.0
PAYLOAD_BYTES: Final = 4_096
WAITING: Final = 1_000
"""Messages heard and not looked at yet; more are dropped, and the last of each source comes again soon."""
_MILLI: Final = Decimal(1_000)
_MILLI_KWH: Final = Decimal(1_000_000)
_LARGEST: Final = Decimal(1_000_000)
"""W, V, A and kWh: a plug has less of each."""


class Plug(msgspec.Struct, frozen=True):
    """What a plug's `ENERGY` says, of which more may be there."""

    Power: Decimal
    Total: Decimal
    Voltage: Decimal = Decimal(0)
    Current: Decimal = Decimal(0)


class Tele(msgspec.Struct, frozen=True):
    ENERGY: Plug


class OptOut(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    id: str


class HomeAgent:
    """`plugs`: names of smart plugs, as the house has them and as they are called at the broker. What is logged goes to
    `sink`."""

    def __init__(
        self,
        agent: Agent,
        house: str,
        access: Access,
        *,
        token: str,
        plugs: Sequence[str] = (),
        orders: Callable[[MarketCall], None] = lambda call: None,  # noqa: ARG005
        clock_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        retry_s: float = RETRY_S,
        sink: Sink | None = None,
    ) -> None:
        self.agent = agent
        self.wanted: Wanted | None = None
        self._house, self._access, self._token = house, access, token
        self._plugs = tuple(plugs)
        self._orders, self._clock_ms, self._retry_s = orders, clock_ms, retry_s
        self._connection: Connection | None = None
        self._heard: asyncio.Queue[Message] = asyncio.Queue(WAITING)
        self._told: dict[str, bytes] = {}
        self._sink = sink
        self._exported = (0, 0)
        self._happened_ns: dict[str, int] = {}
        self._log: Any = structlog.get_logger("home agent")

    async def run(self, host: str, port: int, *, ready: Callable[[int], None] = lambda port: None) -> None:  # noqa: ARG005
        """Until it is cancelled."""
        server = await serve(host, port, self.answer)
        ready(server.sockets[0].getsockname()[1])
        async with server, asyncio.TaskGroup() as tasks:
            tasks.create_task(self._stay_connected())
            tasks.create_task(self._listen())
            if self._sink is not None:
                tasks.create_task(self._sink.run())
            while True:
                self.do(Ticked(self._clock_ms()))
                await asyncio.sleep(TICK_S)

    # ------------------------------------------------------------ the broker

    async def _stay_connected(self) -> None:
        base = f"home/{self._house}"
        while True:
            connection = Connection(self._access, self._took)
            try:
                await connection.open()
                await connection.subscribe(
                    [f"{base}/+/state", f"{base}/response/call", f"{base}/response/opt-out"]
                    + [f"tele/{plug}/SENSOR" for plug in self._plugs]
                )
                self._connection, self._told = connection, {}
                self.do(Ticked(self._clock_ms()))
                self._log.warning("the broker is gone", why=await connection.ended)
            except LedgerError as error:
                self._log.warning("no broker", code=error.code, why=str(error))
            finally:
                self._connection = None
                await connection.close()
            await asyncio.sleep(self._retry_s)

    def _took(self, message: Message) -> None:
        if self._connection is not None:
            self._connection.acknowledge(message.number)  # a value that is lost is said again
        if not self._heard.full():
            self._heard.put_nowait(message)

    async def _listen(self) -> None:
        while True:
            message = await self._heard.get()
            try:
                event = self._event(message)
                if event is not None:
                    self.do(event)
            except BadRequest as error:
                self._log.warning("not taken", topic=message.topic[:200], why=str(error))

    def _event(self, message: Message) -> Event | None:
        """What a message is; retained values are old ones."""
        if len(message.payload) > PAYLOAD_BYTES:
            raise BadRequest(f"more than {PAYLOAD_BYTES} bytes")
        now_ms = self._clock_ms()
        match message.topic.split("/"):
            case ["home", self._house, "response", "call"]:
                return Asked(now_ms, _read(message.payload, Call))
            case ["home", self._house, "response", "opt-out"]:
                return OptedOut(now_ms, _read(message.payload, OptOut).id)
            case ["home", self._house, source, "state"] if not message.retained:
                return Observed(now_ms, source, _read(message.payload, dict[str, int]))
            case ["tele", plug, "SENSOR"] if plug in self._plugs:
                return Observed(now_ms, plug, plug_values(message.payload))
        return None

    # ------------------------------------------------------------ what is done

    def do(self, event: Event) -> Effects:
        effects = self.agent.step(event)
        if effects.wanted != self.wanted or not self._told:
            self.wanted = effects.wanted
            self._tell(effects.wanted)
        for rung in effects.rung:
            self._publish(f"home/{self._house}/alarm", msgspec.json.encode(rung._asdict()))
        for call in effects.responses:
            self._publish(f"home/{self._house}/response/state", msgspec.json.encode(call))
        self._export()
        for order in effects.calls:
            self._orders(order)
        return effects

    def _export(self) -> None:
        """What was logged since this was last asked waits on the disk for the sink. What a disk does not take is tried
        again at the next event: control goes on."""
        log, before = self.agent.log, self._exported
        now = (log.sampled, log.counted)
        if self._sink is None or before == now:
            return
        house = self.agent.settings.point
        lines, happened_ns = happening_lines(house, log.happenings_after(before[1]), self._happened_ns)
        try:
            self._sink.keep(sample_lines(house, log.samples_after(before[0])))
            self._sink.keep(lines)
        except OSError as error:
            self._log.error("what was logged does not get onto the disk", why=str(error))
        else:
            self._exported, self._happened_ns = now, happened_ns

    def _tell(self, wanted: Wanted) -> None:
        """What changed since it was last told; everything on a new connection."""
        house, base = self.agent.settings.house, f"home/{self._house}"
        found: dict[str, bytes] = {}
        if house.battery is not None:
            found[f"{base}/battery/set"] = _power(wanted.battery_w)
        if house.panels is not None or house.wind is not None or house.hydro is not None:
            found[f"{base}/generation/set"] = msgspec.json.encode({"export_mw": _milli(wanted.export_limit_w)})
        if house.vehicle is not None:
            found[f"{base}/vehicle/set"] = _power(wanted.vehicle_w)
        for machine in [each.name for each in house.thermostats] + [each.name for each in house.machines]:
            found[f"{base}/{machine}/set"] = msgspec.json.encode({"on": machine not in wanted.held})
        for plug in self._plugs:
            found[f"cmnd/{plug}/POWER"] = b"OFF" if plug in wanted.held else b"ON"
        for topic, payload in found.items():
            if self._told.get(topic) != payload and self._publish(topic, payload, retain=True):
                self._told[topic] = payload

    def _publish(self, topic: str, payload: bytes, *, retain: bool = False) -> bool:
        return self._connection is not None and self._connection.publish(topic, payload, retain=retain) is not None

    # ------------------------------------------------------------ asked over HTTP

    async def answer(self, request: Request) -> Response:
        match request.method, request.path:
            case "GET", "/state":
                return Response(200, msgspec.json.encode(self._state()))
            case "GET", "/log.csv":
                rows = ("{},{},{},{}".format(*row) for row in self.agent.log.rows())
                return Response(200, "\n".join(("time_ms,source,name,value", *rows, "")).encode(), "text/csv")
            case "POST", "/response" | "/opt-out":
                if not holds(request, self._token):
                    return Response(401, b"{}")
                now_ms = self._clock_ms()
                if request.path == "/response":
                    self.do(Asked(now_ms, _read(request.body, Call)))
                else:
                    self.do(OptedOut(now_ms, _read(request.body, OptOut).id))
                return Response(200, b"{}")
        return Response(404, b"{}")

    def _state(self) -> dict[str, Any]:
        agent = self.agent
        return {
            "sources": {name: dict(heard.values) for name, heard in sorted(agent.collected.sources.items())},
            "wanted": self.wanted,
            "alarms": [f"{key.kind} {key.what}".strip() for key in agent.alarms.open],
            "responses": agent.responses.calls,
            "terms": agent.terms,
            "trades": agent.trades,
            "halts": agent.halts,
            "broker": self._connection is not None,
            "sink": None if self._sink is None else self._sink.counts,
        }


def plug_values(payload: bytes) -> dict[str, int]:
    """A plug's message in our units. Refuses what is no number, or below zero."""
    energy = _read(payload, Tele).ENERGY
    values = (energy.Power, energy.Total, energy.Voltage, energy.Current)
    if not all(value.is_finite() and 0 <= value <= _LARGEST for value in values):
        raise BadRequest("a plug's values are numbers, not below zero, and not beyond what a house has")
    return {
        "power_mw": int(energy.Power * _MILLI),
        "energy_mwh": int(energy.Total * _MILLI_KWH),
        "voltage_mv": int(energy.Voltage * _MILLI),
        "current_ma": int(energy.Current * _MILLI),
    }


def _power(watts: float | None) -> bytes:
    return msgspec.json.encode({"power_mw": _milli(watts)})


def _milli(watts: float | None) -> int | None:
    return None if watts is None else round(watts * 1_000)


def _read(content: bytes, form: Any) -> Any:
    try:
        return msgspec.json.decode(content, type=form)
    except UNREADABLE as error:
        raise BadRequest(f"not what belongs here: {error}") from error
