"""Meters: made, run through gateways, tried by hand in the terminal; how true they measure."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from ledgernode.cli.meter_accuracy import accuracy
from ledgernode.cli.observe_option import observe_option, trace_options
from ledgernode.cli.output import facts, json_option, show
from ledgernode.cli.sts import Meter, meter_options

if TYPE_CHECKING:
    from ledgernode.wire.validators import ValidatorSet

_HOME: Final = click.Path(file_okay=False, path_type=Path)
_KEYS: Final = "0123456789*#"
_HOUR_MS: Final = 3_600_000


_gateways = click.option(
    "--gateway",
    "gateways",
    multiple=True,
    metavar="ADDRESS",
    help="HOST:PORT of a gateway, or mqtts://HOST:PORT/LEDGER of a broker; in order of preference, repeatable.",
)


@click.group()
def meter() -> None:
    """A prepaid meter: make one, run it through gateways, use its display and keypad; see how true meters measure."""


meter.add_command(accuracy)


@meter.command()
@click.argument("home", type=_HOME)
@click.option("--point", default="utility:home-1", show_default=True, help="The connection point, <utility>:<name>.")
@click.option(
    "--genesis",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The ledger it reports to, whose validators it believes. Without it a meter takes tokens, and no commands.",
)
@click.option(
    "--chain-id", default="", metavar="HEX", help="The ledger it reports to, where the genesis file is not here."
)
@click.option("--phases", type=click.Choice(["1", "3"]), default="1", show_default=True, help="Of alternating current.")
@click.option("--direct", is_flag=True, help="It hangs on a bus of 12 V instead.")
@click.option("--postpaid", is_flag=True, help="What it counts is billed: it takes no tokens and keeps no balance.")
@click.option("--reading-ms", type=click.IntRange(1_000), default=60_000, show_default=True, help="Between readings.")
@click.option(
    "--send-ms", type=click.IntRange(0), default=300_000, show_default=True, help="Readings wait so long at most."
)
@click.option(
    "--sample-ms", type=click.IntRange(100), default=5_000, show_default=True, help="Between looks at the wire."
)
@click.option(
    "--ask-ms",
    type=click.IntRange(0),
    default=600_000,
    show_default=True,
    help="It asks for its prices within this of its first link; 0: not, on a ledger without the contract `commands`.",
)
@meter_options
@json_option
def new(
    *,
    home: Path,
    point: str,
    genesis: Path | None,
    chain_id: str,
    phases: str,
    direct: bool,
    postpaid: bool,
    reading_ms: int,
    send_ms: int,
    sample_ms: int,
    ask_ms: int,
    meter: Meter,
    as_json: bool,
) -> None:
    """Make a meter: its keys, and a disk that knows nothing yet but its decoder key.

    HOME may be the folder of an identity with the role meter (`identity new`): its keys are the meter's then.

    \b
    ledgernode meter new my-meter --vending-key-file vending.key --supply-group 123457 --key-type 2
      --key-revision 1 --tariff-index 01 --pan 600727000000000009 --base 2014 --genesis genesis.json
    """
    from devices.meter.core import new_state
    from devices.meter_shell import Facts, create_home

    setting = meter.parameters
    chain, validators = _commissioned(genesis)
    state = new_state(
        meter.key,
        setting.base,
        key_revision=setting.key_revision,
        tariff_index=int(setting.tariff_index),
        key_expiry=meter.key_expiry,
        validators=validators,
    )
    facts_of_meter = Facts(
        pan=setting.pan,
        point=point,
        chain_id=chain_id or chain,
        phases=int(phases),
        direct=direct,
        prepaid=not postpaid,
        reading_ms=reading_ms,
        send_ms=send_ms,
        sample_ms=sample_ms,
        ask_ms=ask_ms,
    )
    public_key = create_home(home, facts_of_meter, state)
    document = {"pan": setting.pan, "point": point, "public_key": public_key.hex()}
    show(document, as_json, facts(document.items()))


@meter.command()
@click.argument("home", type=_HOME)
@_gateways
@click.option(
    "--return-s",
    type=click.IntRange(1),
    default=3_600,
    show_default=True,
    help="After so long at another gateway the first is tried again.",
)
@click.option("--load", "load_w", type=float, default=0.0, help="W that the house draws; below zero it feeds in.")
@click.option(
    "--load-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="CSV rows `seconds,watts` (three phases: three columns; or watts and vars of each), played again and again.",
)
@observe_option
@trace_options
def run(
    *,
    home: Path,
    gateways: tuple[str, ...],
    return_s: int,
    load_w: float,
    load_file: Path | None,
    observe: str | None,
    trace: str | None,
    trace_one_in: int | None,
) -> None:
    """Run a meter until it is told to stop: it samples, counts, switches and reports through the first gateway that
    serves it. HOME is an identity's folder in which `meter new` was called.

    Behind a broker (MQTT) gateways know it by the name in its certificate; the password is in HOME/broker-password,
    and without one it shows its certificate. ?version=3.1.1 is for brokers that know no 5, ?roots=FILE for one whose
    certificate is not of the ledger's organisations.

    Events are printed, one JSON object a line. Lines on standard input are what somebody does at the meter: keys, or
    `load 2000`, `mains off`, `mains on`, `tamper cover`.

    \b
    ledgernode meter run my-meter --gateway near.example:7060 --gateway far.example:7060 --load 500
    ledgernode meter run my-meter --gateway mqtts://broker.example:8883/market --gateway far.example:7060
    """
    import asyncio

    from devices.meter_process import MeterProcess
    from devices.meter_shell import read_facts
    from devices.sampling import Recorded, Sampler, Steady
    from ledgernode import logs
    from ledgernode.config import TRACE_ONE_IN

    logs.set_up(as_json=False)  # standard output is the meter's events' alone
    set_to = read_facts(home)
    steady = Steady(load_w, set_to.phases) if load_file is None else None
    load = steady or Recorded(load_file or home, set_to.phases)
    source = Sampler(home, load, phases=set_to.phases, direct=set_to.direct, seed=int(set_to.pan))
    running = MeterProcess(
        home,
        gateways,
        source,
        load=steady,
        return_ms=return_s * 1_000,
        observe=observe or "",
        trace=trace or "",
        trace_one_in=trace_one_in or TRACE_ONE_IN,
    )
    asyncio.run(running.run())


@meter.command()
@click.argument("home", type=_HOME)
@click.option("--load", "load_w", type=click.IntRange(0, 100_000), default=0, help="W that the house draws.")
@click.option("--speed", type=click.IntRange(1, 100_000), default=1, help="So many times faster than the clock.")
@_gateways
def ciu(*, home: Path, load_w: int, speed: int, gateways: tuple[str, ...]) -> None:
    """Use a meter's display and keypad: 0-9, * back, # on; q ends.

    In a terminal the unit is drawn, with keys to click; through a pipe keys come line by line, and an empty line lets
    time pass. With gateways the drawn unit is linked to its ledger, as in `meter run`; without, what the meter signs
    waits on its disk. `docs/customer-unit.md` has every page and code.

    \b
    ledgernode meter ciu my-meter --load 2000 --speed 600
    ledgernode meter ciu my-meter --gateway near.example:7060
    """
    if gateways and speed > 1:
        raise click.UsageError("a ledger's time is not faster than the clock: leave out --speed or --gateway")
    if sys.stdin.isatty() and sys.stdout.isatty():
        try:
            from devices.terminal.app import run
        except ModuleNotFoundError:
            click.echo("install ledgernode[community] to see the unit; line by line instead", err=True)
        else:
            run(home, load_w=load_w, speed=speed, gateways=gateways)
            return
    if gateways:
        raise click.UsageError("line by line there is no link: `ledgernode meter run` takes keys through a pipe, too")
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


def _commissioned(genesis: Path | None) -> tuple[str, ValidatorSet | None]:
    """The chain id and the first validators of a ledger; zeros and nobody where there is none."""
    if genesis is None:
        return "00" * 32, None
    from ledgernode.identity.founding_set import founding_set
    from ledgernode.wire.genesis import chain_id, parse_genesis

    raw = genesis.read_bytes()
    return chain_id(raw).hex(), founding_set(parse_genesis(raw))


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
