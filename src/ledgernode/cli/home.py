"""A home on a ledger: its folder, and its agent as a process between machines, people, market and time-series store."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from ledgernode.cli.connection import Connection, network_options
from ledgernode.cli.measured import micro
from ledgernode.cli.output import facts, json_option, show
from ledgernode.cli.serving import broker_access, here, ready, serve
from ledgernode.cli.strategies import strategy_named
from ledgernode.errors import BadRequest
from ledgernode.identity.secret_file import read_secret

if TYPE_CHECKING:
    from devices.house_shell.sink import Sink

_HOME: Final = click.Path(file_okay=False, path_type=Path)
_FILE: Final = click.Path(dir_okay=False, exists=True, path_type=Path)


@click.command()
@click.argument("directory", type=_HOME)
@click.option("--name", required=True, help="As its devices call it at the broker: home/NAME/...")
@click.option("--point", required=True, help="Its connection point, <utility>:<name>.")
@click.option("--market", required=True, help="Where it trades, <operator>:<name>.")
@click.option("--board", is_flag=True, help="That market is a board: customers choose.")
@click.option("--generation-point", default="", help="Of its generation meter, where it has one.")
@click.option("--peak-w", type=click.FloatRange(0), default=0.0, help="Of its panels.")
@click.option("--battery-wh", type=click.IntRange(0), default=0, help="What it holds.")
@click.option("--battery-w", type=click.FloatRange(0), default=0.0, help="In and out.")
@click.option("--car", is_flag=True, help="One that charges at home.")
@click.option("--boiler", is_flag=True, help="Warm water by electricity.")
@click.option("--phases", type=click.Choice(["1", "3"]), default="1", show_default=True, help="Of its connection.")
@click.option("--plug", "plugs", multiple=True, help="A smart plug, as it is called at the broker; repeatable.")
@click.option("--sheds", multiple=True, help="One of them that may be switched off when less is asked for; repeatable.")
@click.option("--retail", help="What the grid's kWh costs (default: what market or tariff say).")
@click.option("--feed-in", help="What the grid pays for one (default: what market or tariff say).")
@click.option("--cheap", default="0", show_default=True, help="A price at which nothing needs to wait.")
@click.option("--dearest-bid", help="The owner's bound: no bid above this price.")
@click.option("--cheapest-ask", help="The owner's bound: no ask below this price.")
@json_option
def new(
    *,
    directory: Path,
    name: str,
    point: str,
    market: str,
    board: bool,
    generation_point: str,
    peak_w: float,
    battery_wh: int,
    battery_w: float,
    car: bool,
    boiler: bool,
    phases: str,
    plugs: tuple[str, ...],
    sheds: tuple[str, ...],
    cheap: str,
    as_json: bool,
    **prices: str | None,
) -> None:
    """Write down what stands in a home and how it trades (home.json, to be edited), and its owner's token.

    \b
    ledgernode house new my-home --name h1 --point north:h1 --market north:day --peak-w 4000 --battery-wh 5000
      --battery-w 2500 --cheapest-ask 0.10
    """
    from devices.house.agent.core import Bounds
    from devices.house_shell.home import Home, create_home

    known = {key: micro(f"--{key.replace('_', '-')}", text) for key, text in prices.items() if text is not None}
    bounds = {"most_bid_micro": known.get("dearest_bid"), "least_ask_micro": known.get("cheapest_ask")}
    home = Home(
        name=name,
        point=point,
        market=market,
        board=board,
        generation=generation_point,
        peak_w=peak_w,
        battery_wh=battery_wh,
        battery_w=battery_w,
        car=car,
        boiler=boiler,
        phases=int(phases),
        plugs=plugs,
        sheds=sheds,
        cheap_micro=micro("--cheap", cheap),
        retail_micro=known.get("retail"),
        feed_in_micro=known.get("feed_in"),
        bounds=Bounds(**{key: value for key, value in bounds.items() if value is not None}),
    )
    create_home(directory, home)
    document = {"directory": str(directory), "name": name, "point": point, "market": market}
    show(document, as_json, facts(document.items()))


@click.command()
@click.argument("directory", type=_HOME)
@click.option("--listen", required=True, metavar="HOST:PORT", help="Of this machine; there is no TLS.")
@click.option("--broker", required=True, metavar="HOST:PORT", help="Where the home's machines are, over MQTT 5.")
@click.option("--broker-user", required=True, help="As whom.")
@click.option("--broker-password-file", required=True, type=_FILE, help="Nobody else may read it.")
@click.option("--broker-roots", type=_FILE, help="Under which the broker's certificate stands (PEM).")
@click.option(
    "--strategy", "named", default="fixed-price", show_default=True, metavar="NAME[:FIELD=VALUE,...]",
    help="As in `ledgernode backtest`.",
)  # fmt: skip
@click.option("--seed", type=int, default=1, show_default=True, help="Of strategies that draw.")
@click.option("--every", "every_s", type=click.FloatRange(0.05, 3_600), default=15.0, show_default=True,
              help="Seconds between two looks at the ledger.")  # fmt: skip
@click.option("--sink", metavar="URL", help="A time-series store that takes InfluxDB's line protocol: where to write.")
@click.option("--sink-user", default="", help="As whom there, with --sink-password-file.")
@click.option("--sink-password-file", type=_FILE, help="Nobody else may read it.")
@click.option("--sink-token-file", type=_FILE, help="Rather by this token.")
@click.option("--sink-roots", type=_FILE, help="Under which its certificate stands (default: the system's).")
@network_options
def run(
    *,
    directory: Path,
    listen: str,
    broker: str,
    broker_user: str,
    broker_password_file: Path,
    broker_roots: Path | None,
    named: str,
    seed: int,
    every_s: float,
    at: Connection,
    **sink: Any,
) -> None:
    """Run a home's agent until it is told to stop: it hears machines, trades as the home's wallet (--as), and logs.

    Prices, tariff and what the meter has shown come from the ledger; orders are signed by the wallet and placed;
    trades, curtailments and halts of the feeder reach battery, panels and plugs.

    \b
    ledgernode house run my-home --as west/h1-wallet --listen 127.0.0.1:8800
      --broker localhost:8883 --broker-user agent --broker-password-file agent.password --broker-roots roots.pem
      --sink "http://127.0.0.1:8086/write?db=home" --sink-user home --sink-password-file store.password
    """
    from devices.house.agent.core import Agent
    from devices.house_shell.agent import HomeAgent
    from devices.house_shell.home import LEDGER, read_home
    from devices.house_shell.surroundings import Surroundings
    from ledgernode.client import LedgerClient

    home, token = read_home(directory)
    place, access = here(listen), broker_access(broker, broker_user, broker_password_file, broker_roots)
    settings, clock_ms = home.settings(strategy_named(named, seed)), at.clock()

    async def running() -> None:
        with at.open() as ledger:
            agent = HomeAgent(
                Agent(settings), home.name, access, token=token, plugs=home.plugs, clock_ms=clock_ms,
                sink=_sink(directory, **sink),
            )  # fmt: skip
            surroundings = Surroundings(
                directory / LEDGER,
                home.place,
                ledger,
                lambda: LedgerClient(at.endpoints, at.ledger, at.credentials()),
                at.signer(),
                do=agent.do,
                clock_ms=clock_ms,
                ready=lambda: agent.agent.is_ready,
                look_s=every_s,
            )
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(agent.run(*place, ready=ready))
                tasks.create_task(surroundings.run())

    serve(running())


def _sink(
    directory: Path,
    *,
    sink: str | None,
    sink_user: str,
    sink_password_file: Path | None,
    sink_token_file: Path | None,
    sink_roots: Path | None,
) -> Sink | None:
    if bool(sink_user) != bool(sink_password_file) or (sink_user and sink_token_file):
        raise BadRequest("a store knows a user by --sink-user and --sink-password-file, or by --sink-token-file")
    if sink is None:
        return None
    import ssl

    from devices.house_shell.home import SINK
    from devices.house_shell.sink import Sink, read_address

    address = read_address(
        sink,
        None if sink_roots is None else ssl.create_default_context(cafile=str(sink_roots)),
        token=_secret(sink_token_file),
        user=sink_user,
        password=_secret(sink_password_file),
    )
    return Sink(directory / SINK, address)


def _secret(path: Path | None) -> str:
    return "" if path is None else read_secret(path).decode().strip()
