"""Meters to try by hand: two lines and twelve keys in the terminal, on a disk of their own; how true they measure."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any, Final

import click

from ledgernode.cli.meter_accuracy import accuracy
from ledgernode.cli.output import facts, json_option, show
from ledgernode.cli.sts import Meter, meter_options

_HOME: Final = click.Path(file_okay=False, path_type=Path)
_KEYS: Final = "0123456789*#"
_HOUR_MS: Final = 3_600_000


@click.group()
def meter() -> None:
    """A prepaid meter: make one, and use its display and keypad; see how true meters measure."""


meter.add_command(accuracy)


@meter.command()
@click.argument("home", type=_HOME)
@click.option("--point", default="utility:home-1", show_default=True, help="The connection point, <utility>:<name>.")
@click.option("--chain-id", default="00" * 32, metavar="HEX", help="The ledger it reports to; zeros to try it alone.")
@click.option("--phases", type=click.IntRange(1, 3), default=1, show_default=True, help="1, or 3.")
@meter_options
@json_option
def new(*, home: Path, point: str, chain_id: str, phases: int, meter: Meter, as_json: bool) -> None:
    """Make a meter: its keys, and a disk that knows nothing yet but its decoder key.

    \b
    ledgernode meter new my-meter --vending-key-file vending.key --supply-group 123457 --key-type 2
      --key-revision 1 --tariff-index 01 --pan 600727000000000009 --base 2014
    """
    from devices.meter.core import new_state
    from devices.meter_shell import Facts, create_home

    setting = meter.parameters
    state = new_state(
        meter.key,
        setting.base,
        key_revision=setting.key_revision,
        tariff_index=int(setting.tariff_index),
        key_expiry=meter.key_expiry,
    )
    public_key = create_home(home, Facts(setting.pan, point, chain_id, phases), state)
    document = {"pan": setting.pan, "point": point, "public_key": public_key.hex()}
    show(document, as_json, facts(document.items()))


@meter.command()
@click.argument("home", type=_HOME)
@click.option("--load", "load_w", type=click.IntRange(0, 100_000), default=0, help="W that the house draws.")
@click.option("--speed", type=click.IntRange(1, 100_000), default=1, help="So many times faster than the clock.")
def ciu(*, home: Path, load_w: int, speed: int) -> None:
    """Use a meter's display and keypad: 0-9, * back, # on; q ends.

    In a terminal the unit is drawn, with keys to click; through a pipe keys come line by line, and an empty line lets
    time pass. There is no link: what the meter signs waits on its disk. `docs/customer-unit.md` has every page and
    code.
    """
    if sys.stdin.isatty() and sys.stdout.isatty():
        try:
            from devices.terminal.app import run
        except ModuleNotFoundError:
            click.echo("install ledgernode[community] to see the unit; line by line instead", err=True)
        else:
            run(home, load_w=load_w, speed=speed)
            return
    from devices.meter.events import KeyPressed, Measured, Phase, Ticked
    from devices.meter_shell import MeterShell

    began_s = time.monotonic()
    began_ms = time.time_ns() // 1_000_000

    def clock_ms() -> int:
        return began_ms + int((time.monotonic() - began_s) * 1_000 * speed)

    terminal = Terminal()
    shell = MeterShell(home, terminal, clock_ms)
    shell.start()
    last_ms, used_mw_ms = clock_ms(), 0
    try:
        while (line := terminal.read()) != "q":
            now_ms = clock_ms()
            drawn_w = load_w if shell.meter.state.supply.closed else 0
            used_mw_ms += drawn_w * 1_000 * (now_ms - last_ms)
            energy_mwh, used_mw_ms = divmod(used_mw_ms, _HOUR_MS)
            last_ms = now_ms
            phase = Phase(230_000, drawn_w * 1_000 // 230, drawn_w * 1_000, 0)
            shell.step(Measured(now_ms, energy_mwh, 0, (phase,)))
            shell.step(Ticked(now_ms))
            for key in line:
                if key in _KEYS:
                    shell.step(KeyPressed(now_ms, key))
    finally:
        shell.close()


class Terminal:
    """Sixteen columns in a frame; relays and alarms beside it."""

    def __init__(self) -> None:
        self._lines = ("", "")

    def read(self) -> str:
        """What was typed; `q` at the end of the input."""
        first, second = self._lines
        frame = "─" * 16
        print(f"┌{frame}┐\n│{first:<16}│\n│{second:<16}│\n└{frame}┘")
        try:
            return input("keys> ").strip()
        except EOFError:
            return "q"

    def show(self, first: str, second: str) -> None:
        self._lines = (first, second)

    def switch(self, relay: str, closed: bool) -> None:
        print(f"relay {relay}: {'closed' if closed else 'open'}")

    def alarm(self, alarm: Any) -> None:
        print(f"alarm {alarm.kind} {alarm.detail}".rstrip())

    def request(self, certificate_request: str) -> None:
        print(certificate_request.strip())

    def ask(self, pan: str) -> None: ...

    def answer(self, answer: Any) -> None: ...

    def send(self, key: str, sequence: int, envelope: bytes) -> None: ...
