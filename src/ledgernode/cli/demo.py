"""A living feeder to look at: ten houses with meters, sun and batteries on a ledger of four organisations.

Four validators and a gateway run as processes of this machine; meters sign every reading, people buy tokens, trade and
share, somebody steals. An hour passes in a minute. In a terminal it is one screen; elsewhere it is told line by line.
The first start founds everything in a folder; later ones go on from where it stood. What it does, anyone can do with
the commands that it prints at its end.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import shlex
import shutil
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from ledgernode.cli.community import ENGINES, found, needed
from ledgernode.cli.output import console
from ledgernode.errors import LedgerError

if TYPE_CHECKING:
    from devices.living.play import Play

SCENARIO: Final = "ten-houses"
ENGINE: Final = "pbft"
DRAWN_EVERY_S: Final = 0.25
ASKED_EVERY_S: Final = 2.0
TOLD_EVERY_S: Final = 15.0


@click.command()
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path), default=Path("demo"))
@click.option("--engine", type=click.Choice(ENGINES), help=f"How a new ledger orders blocks.  [default: {ENGINE}]")
@click.option("--seconds", type=click.FloatRange(0), help="End by itself after this time (default: at Ctrl-C).")
@click.option("--scenario", default=SCENARIO, show_default=True, help="Another community to look at.")
@click.option(
    "--observe",
    default="",
    metavar="HOST:PORT",
    help="Serve health and metrics: of the nodes from this port on, last the gateway's.",
)
def demo(directory: Path, engine: str | None, seconds: float | None, scenario: str, observe: str) -> None:
    """Start a community of ten houses on a ledger in DIRECTORY and show it living, until Ctrl-C. Start it again: it
    goes on.

    \b
    ledgernode demo
    ledgernode demo /tmp/demo --engine pow --seconds 60
    """
    needed()
    import msgspec

    from devices.living import report
    from devices.living.folder import read_founded
    from devices.living.play import Play
    from ledgernode.cli.living.running import audited
    from ledgernode.cli.living.tables import parts

    wanted = found(scenario)
    known = read_founded(directory)
    engine = engine or (known.scenario.engine if known is not None else ENGINE)
    wanted = msgspec.structs.replace(wanted, engine=engine)
    began = time.monotonic()
    click.echo(click.style(f"{wanted.title}, ordered by {engine}", bold=True))
    play = Play(directory, wanted, say=lambda text: click.echo(f"  {time.monotonic() - began:5.1f} s  {text}"))
    play.closing = report.closing
    play.has_console = True
    play.observe = observe
    asyncio.run(_shown(play, seconds))
    if not play.living.is_set():
        click.echo("Stopped before anything was shown.")
        return
    click.echo("  the chain is audited")
    found_out = report.document(play, play.closed, audited(play))
    out = console()
    for part in parts(found_out):
        out.print(part, highlight=False, markup=False) if isinstance(part, str) else out.print(part)
    _steps_afterwards(play)
    click.echo(f"Stopped. The ledger is in {directory}; start it again with the same command.")


async def _shown(play: Play, seconds: float | None) -> None:
    from ledgernode.cli.living.running import until_told

    watching = asyncio.create_task(_look(play))
    try:
        await until_told(play, play.run(until_minute=math.inf, seconds=seconds))
    finally:
        play.over.set()
        await watching


async def _look(play: Play) -> None:
    """On one screen in a terminal, line by line elsewhere; until the play is over."""
    await _either(play.living, play.over)
    if not play.living.is_set():
        return
    _doors(play)
    _steps_meanwhile(play)
    if sys.stdout.isatty():
        await _screen(play)
    else:
        await _lines(play)


async def _screen(play: Play) -> None:
    from rich.live import Live

    from ledgernode.cli.living.screen import drawn

    out = console()
    engine: list[str] = [""]
    asking = asyncio.create_task(_ask_engine(play, engine))
    try:
        with Live(console=out, screen=True, auto_refresh=False, transient=True) as live:
            while not play.over.is_set():
                live.update(drawn(play, engine[0], out.width, out.height), refresh=True)
                await _either(play.over, limit_s=DRAWN_EVERY_S)
    finally:
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)


async def _lines(play: Play) -> None:
    """Each thing that happens, and now and then how everything stands."""
    from ledgernode.cli.living.screen import plain, standing_line

    told: list[Any] = []
    stands_at = time.monotonic() + TOLD_EVERY_S / 3
    while True:
        lines = list(play.figures.lines)
        start = lines.index(told[-1]) + 1 if told and told[-1] in lines else 0
        for line in lines[start:]:
            click.echo(plain(line))
        told = lines or told
        if time.monotonic() >= stands_at or play.over.is_set():
            click.echo(standing_line(play))
            stands_at = time.monotonic() + TOLD_EVERY_S
        if play.over.is_set():
            return
        await _either(play.over, limit_s=DRAWN_EVERY_S)


async def _ask_engine(play: Play, engine: list[str]) -> None:
    """Who leads, or what is mined, as the first node says."""
    from ledgernode.cli.documents import status_document
    from ledgernode.cli.standing import of_engine
    from ledgernode.client import NodeClient
    from ledgernode.identity.tls import channel_credentials, load_tls

    credentials = channel_credentials(load_tls(play.place.admin.directory))
    async with NodeClient([play.nodes.network.nodes[0].endpoint], credentials) as node:
        while True:
            with suppress(LedgerError):
                (ledger,) = status_document(await node.status())["ledgers"]
                engine[0] = of_engine(ledger)
            await asyncio.sleep(ASKED_EVERY_S)


async def _either(*events: asyncio.Event, limit_s: float | None = None) -> None:
    """Until one of them is set, or the time is over."""
    waiting = [asyncio.create_task(event.wait()) for event in events]
    await asyncio.wait(waiting, timeout=limit_s, return_when=asyncio.FIRST_COMPLETED)
    for task in waiting:
        task.cancel()


def _doors(play: Play) -> None:
    """Where people enter, and the words that open: of wallets that stand for nothing elsewhere."""
    from devices.living.visitors import house_of
    from gateway.http.pages import BUILT, INDEX, NOT_BUILT

    assert play.visitors is not None, "it has a console"
    click.echo(f"\n{click.style('Open in a browser', bold=True)}  {play.visitors.origin}")
    if not (BUILT / INDEX).exists():
        click.echo(f"  {NOT_BUILT}")
    for visitor in play.visitors.everybody:
        of = house_of(play.place) if visitor.role == "customer" else visitor.organisation
        click.echo(f"  {f'{visitor.role} ({of})':<18} {visitor.phrase}")


def _steps_meanwhile(play: Play) -> None:
    """For a second terminal, while it lives."""
    folder, house = shlex.quote(str(play.directory)), next(iter(play.houses.values())).name
    account = shlex.quote(json.dumps({"account": play.place.wallet(house).id}))
    steps = {
        "how the nodes stand": f"node status --network {folder}",
        "the newest block": f"block show latest --network {folder}",
        f"the money of {house}": f"query currency balance {account} --as west/{house} --network {folder}",
        "what happens, event by event": f"events --follow --network {folder}",
    }
    _steps("Try in another terminal, while it lives", steps)


def _steps_afterwards(play: Play) -> None:
    """For this one, when it has ended."""
    home = shlex.quote(str(play.directory / play.nodes.network.nodes[0].home))
    steps = {
        "check the whole chain again, from genesis": f"verify {home}",
        "check that money and energy are conserved": f"audit {home}",
        "look at other communities": "community list",
    }
    _steps("Try now", steps)


def _steps(title: str, steps: dict[str, str]) -> None:
    click.echo(f"\n{click.style(title, bold=True)}")
    for what, command in steps.items():
        click.echo(f"  {click.style(f'# {what}', dim=True)}\n  {_program()} {command}")
    click.echo()


def _program() -> str:
    """How the reader starts this same program from the folder they are in."""
    if shutil.which("ledgernode") and "VIRTUAL_ENV" in os.environ:
        return "ledgernode"
    beside = Path(sys.executable).with_name("ledgernode")
    if not beside.exists():
        return f"{shlex.quote(sys.executable)} -m ledgernode.cli"
    return shlex.quote(str(beside.relative_to(Path.cwd()) if beside.is_relative_to(Path.cwd()) else beside))
