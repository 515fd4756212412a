"""A tie's meter: what the tie measured, signed and brought to the ledger, and what the ledger says, believed and done.

The core is a meter's (`devices.meter`), at the tie's sensors instead of samples of its own. So readings, deliveries and
their acknowledgements are those of any meter: signed by the key that the ledger knows at this point, kept on the disk
until their receipt, brought by whichever gateway serves. A command counts when validators have certified that the
ledger says it; no gateway, broker or bus can invent one.

    start, in   the trade may be delivered: acknowledged
    stop, out   its window is over, or it was curtailed or disputed: relays open here at once, the bus is told, and what
                flowed for this trade until they were open is acknowledged

A window that is over ends what it let, also where no gateway comes to say so.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import structlog

from devices.bearers import bearers
from devices.gateway_link import GatewayLink, Way
from devices.house.tie import Sensed
from devices.meter.events import Alarm, Answer, Effects, Event, Phase, RegistersRead, Ticked, Told
from devices.meter_shell import MeterShell
from ledgernode.errors import BadRequest

TICK_S: Final = 1.0


class TieMeter:
    """`home` is an identity's folder in which `meter new` was called. `looks` is called before and after the ledger's
    word on a delivery: what flowed until then is counted, and what opens opens now."""

    def __init__(self, home: Path, gateways: Sequence[str], *, clock_ms: Callable[[], int] | None = None) -> None:
        self._clock_ms = clock_ms or _clock_ms
        self.shell = MeterShell(home, self, self._clock_ms)
        if self.shell.facts.prepaid:
            self.shell.close()
            raise BadRequest("a tie's meter is a postpaid one: `ledgernode meter new --postpaid`")
        self.point = self.shell.facts.point
        self.looks: Callable[[], object] = lambda: None
        way = Way(
            self.shell.identity,
            self.shell.meter.settings.chain_id,
            bearers(gateways, home),
            self.shell.question,
        )
        self.link = GatewayLink(way, self.step, self._clock_ms, self._linked)
        self._log: Any = structlog.get_logger("tie's meter")
        self.shell.start()

    @property
    def lets(self) -> tuple[int, ...]:
        """The trades that the ledger lets this house deliver now."""
        return tuple(sorted({tie.trade for tie in self.shell.meter.state.ties if tie.lasts}))

    def look(self, sensed: Sensed, trade: int, closed: tuple[str, ...]) -> None:
        """What the tie shows, the trade that it is in, and its closed relays. On the disk when this returns."""
        gives = any(tie.relay == "tie_out" and tie.trade == trade for tie in self.shell.meter.state.ties)
        power_mw = -sensed.power_mw if gives else sensed.power_mw
        phase = Phase(sensed.voltage_mv, sensed.current_ma, power_mw, 0)
        self.shell.step(RegistersRead(self._clock_ms(), sensed.in_mwh, sensed.out_mwh, (phase,), trade, closed))

    def step(self, event: Event) -> Effects:
        """What the gateway brings."""
        if not isinstance(event, Told):
            return self.shell.step(event)
        self.looks()
        before = self.lets
        effects = self.shell.step(event)
        if self.lets != before:
            self.looks()  # what opens, opens
            self.looks()  # and is read open
        return effects

    async def run(self) -> None:
        """Until it is cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self.link.run())
                while True:
                    self.shell.step(Ticked(self._clock_ms()))
                    await asyncio.sleep(TICK_S)
        finally:
            self.shell.close()

    # ------------------------------------------------------------ what the meter reaches

    def send(self, key: str, sequence: int, envelope: bytes) -> None:
        self.link.send(key, sequence, envelope)

    def answer(self, answer: Answer) -> None:
        self._log.info("answered", kind=answer.kind, number=answer.number, code=answer.code)

    def switch(self, relay: str, closed: bool) -> None:
        """What the ledger lets; whether a relay closes now is the tie's to say, by the bus's turns."""

    def alarm(self, alarm: Alarm) -> None:
        self._log.warning("alarm", kind=alarm.kind, detail=alarm.detail)

    def ask(self, pan: str) -> None:
        """No keypad hangs here."""

    def request(self, certificate_request: str) -> None:
        """Nor has anybody a key here besides the meter."""

    def show(self, first: str, second: str) -> None:
        """Nor a display: the tie has a page."""

    def _linked(self, gateway: str, reason: str) -> None:
        self._log.info("gateway", address=gateway, reason=reason)


def _clock_ms() -> int:
    return time.time_ns() // 1_000_000
