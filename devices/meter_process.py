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
from typing import Any, Final

import msgspec

from devices.bearers import bearers
from devices.gateway_link import RETURN_MS, GatewayLink, Way
from devices.meter.energy import TAMPER_FLAGS
from devices.meter.events import Alarm, Answer, KeyPressed, PowerLost, PowerRestored, Tampered, Ticked
from devices.meter_shell import MeterShell
from devices.sampling import Source, Steady
from ledgernode.identity.secret_file import create_secret

TICK_MS: Final = 1_000
KEYS: Final = "0123456789*#"
REQUEST: Final = "customer-request.pem"
_LINE_BYTES: Final = 4_096

Say = Callable[[dict[str, Any]], None]


class MeterProcess:
    """One meter with its source of energy and its gateways, by their addresses (`bearers`).

    `load` is what a line on standard input may set.
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
    ) -> None:
        self._home = home
        self._source = source
        self._load = load
        self._clock_ms = clock_ms or _clock_ms
        self._say = say or _print
        self._mains = True
        reached = bearers(gateways, home)
        self.shell = MeterShell(home, self, self._clock_ms)
        self.link: GatewayLink | None = None
        if reached:
            way = Way(
                self.shell.identity,
                self.shell.meter.settings.chain_id,
                reached,
                self.shell.question,
                return_ms,
            )
            self.link = GatewayLink(way, self.shell.step, self._clock_ms, self._linked)

    async def run(self) -> None:
        """Until SIGTERM or SIGINT."""
        stopping = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopping.set)
        self.shell.start()
        self._say({"event": "started", "meter": self.shell.identity.hex(), "pan": self.shell.facts.pan})
        tasks = [asyncio.create_task(self._sample()), asyncio.create_task(self._tick())]
        if self.link is not None:
            tasks.append(asyncio.create_task(self.link.run()))
        tasks.append(asyncio.create_task(stopping.wait()))  # type: ignore[arg-type]
        self._listen(loop)
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
            self.shell.close()
            self._source.close()
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
        self._say({"event": "alarm", "kind": alarm.kind, "detail": alarm.detail})

    def _linked(self, gateway: str, reason: str) -> None:
        self._say({"event": "link", "gateway": gateway, "reason": reason})


def _is_number(text: str) -> bool:
    return text.removeprefix("-").isdecimal()


def _clock_ms() -> int:
    return time.time_ns() // 1_000_000


def _print(said: dict[str, Any]) -> None:
    sys.stdout.write(msgspec.json.encode({"time_ms": _clock_ms(), **said}).decode() + "\n")
    sys.stdout.flush()
