"""A house's controller as a process: a message a second to the bus, and a page of its own.

POST /demand   {"energy_mwh": n}   what somebody in the house wants; the house's token
GET  /         the page: voltage, current, power, energy, demand, relays
GET  /state    the same as data
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

import msgspec

from devices.house import tie
from devices.house.tie import Effects, Sensed, State, Word
from devices.house.transfer import Page
from devices.house_shell.http import Request, Response, call, holds, serve
from devices.house_shell.page import html
from devices.house_shell.tie_meter import TieMeter
from ledgernode.errors import BadRequest
from ledgernode.wire.unreadable import UNREADABLE

PERIOD_S: Final = 1.0


class Demand(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    energy_mwh: int


class TieController:
    """`sense` reads the sensors; `switch` moves a relay (`tie_in`, `tie_out`); `meter` hears the ledger, where there is
    one."""

    def __init__(
        self,
        house: str,
        token: str,
        bus: tuple[str, int],
        *,
        sense: Callable[[], Sensed],
        switch: Callable[[str, bool], None],
        period_s: float = PERIOD_S,
        clock_ms: Callable[[], int] = lambda: time.monotonic_ns() // 1_000_000,
        meter: TieMeter | None = None,
    ) -> None:
        self._house, self._token, self._bus = house, token, bus
        self._sense, self._switch = sense, switch
        self._period_s, self._clock_ms = period_s, clock_ms
        self._meter = meter
        self.state = State()
        if meter is not None:
            meter.looks = self._look

    async def run(self, host: str, port: int, *, ready: Callable[[int], None] = lambda port: None) -> None:  # noqa: ARG005
        """Talk to the bus and serve the page until it is cancelled; the relays are open then."""
        for relay in ("tie_out", "tie_in"):
            self._switch(relay, False)
        server = await serve(host, port, self.answer)
        ready(server.sockets[0].getsockname()[1])
        try:
            async with server, asyncio.TaskGroup() as tasks:
                if self._meter is not None:
                    tasks.create_task(self._meter.run())
                while True:
                    await self.once()
                    await asyncio.sleep(self._period_s)
        finally:
            for relay in ("tie_out", "tie_in"):
                self._switch(relay, False)

    async def once(self) -> None:
        """Look, tell the bus if it is time to, and do what it says."""
        message = self._look()
        if message is None:
            return
        try:
            path = f"/ties/{self._house}"
            answer = await call(self._bus, "POST", path, msgspec.json.encode(message), self._token)
            if answer.status != 200:
                raise ConnectionError(f"the bus answers {answer.status}")
            word = msgspec.json.decode(answer.body, type=Word)
        except (OSError, TimeoutError, *UNREADABLE):
            self._do(tie.Failed(self._clock_ms()))
        else:
            self._do(tie.Told(self._clock_ms(), word))

    def _look(self) -> tie.Message | None:
        """At the sensors and at what the ledger lets; what opens, opens now. What is to be told to the bus, if it is
        time to."""
        sensed, lets = self._sense(), None
        if self._meter is not None:
            relays = (("tie_in", self.state.tie_in), ("tie_out", self.state.tie_out))
            closed = tuple(name for name, is_closed in relays if is_closed)
            self._meter.look(sensed, self.state.word.trade, closed)
            lets = self._meter.lets
        return self._do(tie.Ticked(self._clock_ms(), sensed, lets)).send

    async def answer(self, request: Request) -> Response:
        match request.method, request.path:
            case "POST", "/demand":
                if not holds(request, self._token):
                    return Response(401, b"{}")
                try:
                    demand = msgspec.json.decode(request.body, type=Demand)
                except UNREADABLE as error:
                    raise BadRequest(f"not a demand: {error}") from error
                if not 0 <= demand.energy_mwh <= tie.LARGEST_MWH:
                    raise BadRequest(f"a demand is 0 to {tie.LARGEST_MWH} mWh")
                self._do(tie.Demanded(self._clock_ms(), demand.energy_mwh))
                return Response(200, b"{}")
            case "GET", "/":
                return Response(200, html(self.page), "text/html; charset=utf-8")
            case "GET", "/state":
                return Response(200, msgspec.json.encode(self.page))
        return Response(404, b"{}")

    @property
    def page(self) -> Page:
        state = self.state
        return Page(
            point=self._house,
            linked=state.online,
            relay_in=state.tie_in,
            relay_out=state.tie_out,
            voltage_mv=state.sensed.voltage_mv,
            current_ma=state.sensed.current_ma,
            power_mw=state.sensed.power_mw,
            energy_mwh=state.word.energy_mwh,
            demand_mwh=state.wanted_mwh or state.word.demand_mwh,
            trade=state.word.trade,
            text=state.text,
        )

    def _do(self, event: tie.Event) -> Effects:
        effects = tie.step(self.state, event)
        self.state = effects.state
        for relay, closed in effects.relays:
            self._switch(relay, closed)
        return effects
