"""A meter as a process: it samples, counts, switches, shows, and reports through a gateway; SIGKILL does not hurt it.

What happens is printed, one JSON object a line (`started`, `relay`, `display`, `alarm`, `answer`, `link`, `request`).
What comes in on standard input, a line at a time, is what somebody does at the meter:

    59386323472137426967#      keys
    load 2000                  the house draws so many watts (where its load is a number)
    mains off, mains on        the supply fails, and comes back: the unit goes on by its battery
    tamper cover               somebody opens it

Everything that is on the disk was written before anybody heard of it, so the process may end at any point.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from devices.bearers import bearers
from devices.gateway_link import RETURN_MS, GatewayLink, Way
from devices.meter.energy import TAMPER_FLAGS
from devices.meter.events import (
    Alarm,
    Answer,
    Effects,
    Event,
    KeyPressed,
    PowerLost,
    PowerRestored,
    Receipted,
    Tampered,
    Ticked,
)
from devices.meter_shell import MeterShell
from devices.sampling import Source, Steady
from ledgernode.config import TRACE_ONE_IN
from ledgernode.identity.secret_file import create_secret
from ledgernode.observe.tracing import Tracing, tracing

if TYPE_CHECKING:
    from devices.meter_observed import ObservedMeter
    from devices.traced import TracedMeter
    from ledgernode.observe.listener import Listener

TICK_MS: Final = 1_000
KEYS: Final = "0123456789*#"
REQUEST: Final = "customer-request.pem"
_LINE_BYTES: Final = 4_096

Say = Callable[[dict[str, Any]], None]


class MeterProcess:
    """One meter with its source of energy and its gateways, by their addresses (`bearers`).

    `load` is what a line on standard input may set; `observe` is where its operator
    asks for health and figures, `trace` the collector of its traces.
    """

    def __init__(
        self,
        home: Path,
        gateways: Sequence[str],
        source: Source,
        *,
        load: Steady | None = None,
        return_ms: int = RETURN_MS,
        clock_ms: Callable[[], int] | None = None,
        say: Say | None = None,
        observe: str = "",
        trace: str = "",
        trace_one_in: int = TRACE_ONE_IN,
    ) -> None:
        self._home = home
        self._source = source
        self._load = load
        self._clock_ms = clock_ms or _clock_ms
        self._say = say or _print
        self._mains = True
        reached = bearers(gateways, home)
        self.shell = MeterShell(home, self, self._clock_ms)
        who = self.shell.identity.hex()
        self._traces = tracing(trace, trace_one_in, service="ledgernode-meter", who=who)
        self.shell.traces = traced = None if self._traces is None else _traced(self._traces)
        self.link: GatewayLink | None = None
        self._gateway = ""
        self.observed: ObservedMeter | None = None
        self.listener: Listener | None = None
        if observe:
            self._observe(observe)
        if reached:
            way = Way(
                self.shell.identity,
                self.shell.meter.settings.chain_id,
                reached,
                self.shell.question,
                return_ms,
            )
            self.link = GatewayLink(way, self._step, self._clock_ms, self._linked, traces=traced)

    def _observe(self, address: str) -> None:
        from devices.meter_observed import ObservedMeter  # a meter that nobody looks at needs none of it
        from ledgernode.observe.listener import Listener

        self.observed = ObservedMeter(
            self.shell, lambda: None if self.link is None else bool(self._gateway), self._traces
        )
        self.listener = Listener(address, self.observed.addresses())

    def _step(self, event: Event) -> Effects:
        """What the link brings; the ledger's words are counted."""
        effects = self.shell.step(event)
        if self.observed is not None and isinstance(event, Receipted):
            self.observed.settled.note(event.code)
        return effects

    async def run(self) -> None:
        """Until SIGTERM or SIGINT."""
        stopping = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopping.set)
        self.shell.start()
        started: dict[str, Any] = {"event": "started", "meter": self.shell.identity.hex(), "pan": self.shell.facts.pan}
        if self.listener is not None:
            await self.listener.start()
            started["observe_port"] = self.listener.port
        self._say(started)
        tasks = [asyncio.create_task(self._sample()), asyncio.create_task(self._tick())]
        if self.link is not None:
            tasks.append(asyncio.create_task(self.link.run()))
        if self.observed is not None:
            tasks.append(asyncio.create_task(self.observed.turning.run()))
        tasks.append(asyncio.create_task(stopping.wait()))  # type: ignore[arg-type]
        self._listen(loop)
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
            if self.listener is not None:
                await self.listener.stop()
            self.shell.close()
            self._source.close()
            if self._traces is not None:
                self._traces.close()
        for failure in results:
            if isinstance(failure, Exception):
                raise failure

    # ------------------------------------------------------------ time passes

    async def _sample(self) -> None:
        """What flowed is counted as long as there are mains."""
        while True:
            await asyncio.sleep(self.shell.facts.sample_ms / 1_000)
            supplied = self._mains and self.shell.meter.state.supply.closed
            self.shell.step(self._source.look(self._clock_ms(), supplied=supplied))

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_MS / 1_000)
            self.shell.step(Ticked(self._clock_ms()))

    # ------------------------------------------------------------ somebody at the meter

    def _listen(self, loop: asyncio.AbstractEventLoop) -> None:
        """Lines of standard input, where there is one that can be waited for."""
        typed = bytearray()

        def readable() -> None:
            try:
                found = os.read(0, _LINE_BYTES)
            except OSError:
                found = b""
            if not found:
                loop.remove_reader(0)
            typed.extend(found)
            while b"\n" in typed:
                line, _, rest = bytes(typed).partition(b"\n")
                typed[:] = rest
                self.do(line.decode("ascii", "replace").strip())
            del typed[_LINE_BYTES:]

        try:
            loop.add_reader(0, readable)
        except (OSError, ValueError):
            return

    def do(self, line: str) -> None:
        """One line: keys, or something that happens to the meter. Anything else is said to be unknown."""
        now_ms = self._clock_ms()
        match line.split():
            case ["load", watts] if self._load is not None and _is_number(watts):
                self._load.power_w = float(watts)
            case ["mains", "off"]:
                self._mains = False
                self.shell.step(PowerLost(now_ms))
            case ["mains", "on"]:
                self._mains = True
                self.shell.step(PowerRestored(now_ms))
            case ["tamper", kind] if kind in TAMPER_FLAGS:
                self.shell.step(Tampered(now_ms, kind))
            case [keys] if set(keys) <= set(KEYS):
                for key in keys:
                    self.shell.step(KeyPressed(now_ms, key))
            case []:
                self.shell.step(Ticked(now_ms))
            case _:
                self._say({"event": "unknown", "line": line})

    # ------------------------------------------------------------ what the meter reaches

    def send(self, key: str, sequence: int, envelope: bytes) -> None:
        if self.link is not None:
            self.link.send(key, sequence, envelope)

    def answer(self, answer: Answer) -> None:
        if self.observed is not None:
            self.observed.commands.note(answer.code)
        self._say({"event": "answer", "kind": answer.kind, "number": answer.number, "code": answer.code})

    def ask(self, pan: str) -> None:
        """Where nobody can be asked the keypad says UNVERIFIED, after a while."""
        if self.link is not None:
            self.link.ask(pan)

    def request(self, certificate_request: str) -> None:
        """A customer key waits for its certificate: the request lies beside the journal."""
        path = self._home / REQUEST
        if not path.exists() or path.read_text() != certificate_request:
            path.unlink(missing_ok=True)
            create_secret(path, certificate_request.encode())
        self._say({"event": "request", "file": str(path)})

    def switch(self, relay: str, closed: bool) -> None:
        self._say({"event": "relay", "relay": relay, "closed": closed})

    def show(self, first: str, second: str) -> None:
        self._say({"event": "display", "lines": [first, second]})

    def alarm(self, alarm: Alarm) -> None:
        if self.observed is not None:
            self.observed.alarms.note(alarm.kind)
        self._say({"event": "alarm", "kind": alarm.kind, "detail": alarm.detail})

    def _linked(self, gateway: str, reason: str) -> None:
        self._gateway = gateway
        if self.observed is not None and not gateway:
            self.observed.links_ended.note(reason)
        self._say({"event": "link", "gateway": gateway, "reason": reason})


def _traced(traces: Tracing) -> TracedMeter:
    from devices.traced import TracedMeter  # loaded where traces are written, and nowhere else

    return TracedMeter(traces.tracer)


def _is_number(text: str) -> bool:
    return text.removeprefix("-").isdecimal()


def _clock_ms() -> int:
    return time.time_ns() // 1_000_000


def _print(said: dict[str, Any]) -> None:
    sys.stdout.write(msgspec.json.encode({"time_ms": _clock_ms(), **said}).decode() + "\n")
    sys.stdout.flush()
