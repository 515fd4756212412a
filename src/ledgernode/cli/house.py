"""A village that trades over a shared bus, as processes to try: the bus's controller, a controller in each house."""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
import msgspec

from ledgernode.cli.home import new, run
from ledgernode.cli.output import facts, json_option, show
from ledgernode.cli.serving import address_of, broker_access, here, ready, serve
from ledgernode.errors import BadRequest, NodeUnreachable
from ledgernode.identity.secret_file import create_secret, read_secret

if TYPE_CHECKING:
    from devices.house.tie import Sensed
    from devices.house.transfer import Dispute, Trade

_VILLAGE: Final = click.Path(file_okay=False, path_type=Path)
_FOLDER: Final = click.Path(file_okay=False, exists=True, path_type=Path)
_FILE: Final = click.Path(dir_okay=False, exists=True, path_type=Path)
_OPERATOR: Final = "operator"
_MOST_HOUSES: Final = 50
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9:._-]{0,99}")


@click.group()
def house() -> None:
    """Houses on a shared bus of 12 V: what is bought is measured, and relays open when it is there.

    \b
    ledgernode house village my-village --houses 3
    ledgernode house bus my-village --listen 127.0.0.1:8700 &
    ledgernode house tie my-village h1 --bus 127.0.0.1:8700 --listen 127.0.0.1:8701 &
    ledgernode house tie my-village h2 --bus 127.0.0.1:8700 --listen 127.0.0.1:8702 &
    ledgernode house trade my-village 1 h1 h2 --wh 2 --bus 127.0.0.1:8700


    \b
    A home with an agent, on a ledger's market:
    ledgernode house new my-home --name h1 --point north:h1 --market north:day --peak-w 4000
    ledgernode house run my-home --as west/h1-wallet --listen 127.0.0.1:8800 --broker localhost:1883 ...
    """


house.add_command(new)
house.add_command(run)

_address_option = click.option("--bus", required=True, metavar="HOST:PORT", help="Where the bus listens.")
_listen_option = click.option("--listen", required=True, metavar="HOST:PORT", help="Of this machine; there is no TLS.")


@house.command()
@click.argument("directory", type=_VILLAGE)
@click.option("--houses", type=click.IntRange(2, _MOST_HOUSES), default=2, show_default=True, help="h1, h2, …")
@click.option("--name", "named", multiple=True, help="Rather these houses: their points' names on a ledger.")
@json_option
def village(*, directory: Path, houses: int, named: tuple[str, ...], as_json: bool) -> None:
    """Make a village: a token for each house, and one for who announces trades."""
    names = list(named) or [f"h{number}" for number in range(1, houses + 1)]
    if not all(_NAME.fullmatch(name) for name in names) or len({*names, _OPERATOR}) <= len(names):
        raise BadRequest("houses have names of their own, of small letters, digits and : . _ -")
    if not 1 < len(names) <= _MOST_HOUSES:
        raise BadRequest(f"a village has 2 to {_MOST_HOUSES} houses")
    for name in (*names, _OPERATOR):
        create_secret(directory / f"{name}.token", secrets.token_urlsafe(32).encode())
    show({"directory": str(directory), "houses": names}, as_json, facts([("houses", ", ".join(names))]))


@house.command()
@click.argument("directory", type=_VILLAGE)
@_listen_option
@click.option(
    "--at-once", type=click.IntRange(1, 100), default=1, show_default=True, help="Trades the bus keeps apart."
)
@click.option("--broker", metavar="HOST:PORT", help="Where a gateway says the trades of a ledger, over MQTT 5.")
@click.option("--broker-user", default="", help="As whom: one of the broker's controllers.")
@click.option("--broker-password-file", type=_FILE, help="With the password there; nobody else may read it.")
@click.option("--broker-roots", type=_FILE, help="Under which the broker's certificate stands (PEM).")
@click.option("--ledger", default="", help="Whose trades, with --broker.")
@click.option("--feeder", default="", help="On which feeder, with --broker.")
def bus(
    *,
    directory: Path,
    listen: str,
    at_once: int,
    broker: str | None,
    broker_user: str,
    broker_password_file: Path | None,
    broker_roots: Path | None,
    ledger: str,
    feeder: str,
) -> None:
    """Control the bus until it is ended: turns, relays, disputes. What was counted is on disk; `GET /houses/h1`.

    With --broker it delivers what is traded on a ledger: houses are then named as their points.
    """
    from devices.house.transfer import Bus
    from devices.house_shell.bus import BusServer

    place = here(listen)
    access = None
    if broker is not None:
        if not (broker_user and broker_password_file and ledger and feeder):
            raise BadRequest("with --broker go --broker-user, --broker-password-file, --ledger and --feeder")
        access = broker_access(broker, broker_user, broker_password_file, broker_roots)
    tokens = {path.stem: _token(directory, path.stem) for path in sorted(directory.glob("*.token"))}
    operator = tokens.pop(_OPERATOR, "")
    if not operator or not tokens:
        raise BadRequest(f"{directory} is no village: `ledgernode house village` makes one")

    def ended(trade: Trade) -> None:
        click.echo(f"trade {trade.number} {trade.status}: {trade.delivered_mwh} mWh, lost {trade.loss_mwh}")

    def disputed(dispute: Dispute) -> None:
        click.echo(f"trade {dispute.number} disputed: {dispute.out_mwh} mWh out, {dispute.in_mwh} in")

    server = BusServer(directory / "bus.state", Bus(at_once=at_once), tokens, operator, ended=ended, disputed=disputed)
    beside = None
    if access is not None:
        from devices.house_shell.trade_line import TradeLine
        from gateway.mqtt.topics import Topics, level

        own = msgspec.structs.replace(access, client=f"bus-{broker_user}-{level(feeder)}")
        beside = TradeLine(own, Topics(ledger).trades(feeder), server.agree).run
    serve(server.run(*place, ready=ready, beside=beside))


@house.command()
@click.argument("directory", type=_VILLAGE)
@click.argument("name")
@_address_option
@_listen_option
@click.option("--watts", type=click.FloatRange(0, 10_000), default=60.0, show_default=True, help="Over a closed tie.")
@click.option(
    "--speed", type=click.IntRange(1, 10_000), default=1, show_default=True, help="Energy so many times faster."
)
@click.option("--loss", type=click.FloatRange(0, 1), default=0.02, show_default=True, help="More at a seller's end.")
@click.option("--meter", "home", type=_FOLDER, help="Its meter's identity, in which `ledgernode meter new` was called.")
@click.option(
    "--gateway", "gateways", multiple=True, metavar="ADDRESS", help="Of the meter, as of `meter run`; repeatable."
)
def tie(
    *,
    directory: Path,
    name: str,
    bus: str,
    listen: str,
    watts: float,
    speed: int,
    loss: float,
    home: Path | None,
    gateways: tuple[str, ...],
) -> None:
    """A house's controller with simulated sensors: it tries the bus every 5 s; its page is at /.

    With --meter the ledger says what may flow, and hears what did: the meter signs readings and deliveries.
    """
    from devices.house_shell.tie import TieController
    from devices.house_shell.tie_meter import TieMeter

    if bool(home) != bool(gateways):
        raise BadRequest("a meter has its gateways, and a gateway its meter: --meter and --gateway go together")
    token = _token(directory, name)
    place, sensors = here(listen), _Sensors(directory / "wire", name, watts * speed, loss)

    async def run() -> None:
        meter = None if home is None else TieMeter(home, gateways)
        if meter is not None and meter.point != name:
            raise BadRequest(f"the meter in {home} hangs at {meter.point}, not at {name}")
        controller = TieController(
            name, token, address_of(bus), sense=sensors.sense, switch=sensors.switch, period_s=0.2, meter=meter
        )
        await controller.run(*place, ready=ready)

    serve(run())


@house.command()
@click.argument("directory", type=_VILLAGE)
@click.argument("number", type=click.IntRange(1))
@click.argument("seller")
@click.argument("buyer")
@click.option("--wh", type=click.FloatRange(0, 1_000_000, min_open=True), required=True, help="How much is bought.")
@_address_option
def trade(*, directory: Path, number: int, seller: str, buyer: str, wh: float, bus: str) -> None:
    """Announce a numbered trade, as the ledger's line does; the same number again changes nothing."""
    line = {"line": f"New Transaction #{number}: energy from {seller} → {buyer}", "energy_mwh": round(wh * 1_000)}
    _post(address_of(bus), "/lines", line, _token(directory, _OPERATOR))


@house.command()
@click.argument("directory", type=_VILLAGE)
@click.argument("name")
@click.option("--wh", type=click.FloatRange(0, 1_000_000), required=True, help="0 takes it back.")
@click.option("--at", required=True, metavar="HOST:PORT", help="Where the house's controller listens.")
def demand(*, directory: Path, name: str, wh: float, at: str) -> None:
    """Want so much in a house; all see it at the bus, at /demands."""
    _post(address_of(at), "/demand", {"energy_mwh": round(wh * 1_000)}, _token(directory, name))


class _Sensors:
    """A tie whose registers grow while its relay is closed, and another house's at the other end of the wire.

    Who switches what, and when, stands in the folder `wire`, in a file that all houses of a village write to and read:
    so both ends count the same flow, however seldom they look. What registers show stands there as well.
    """

    def __init__(self, wire: Path, name: str, watts: float, loss: float) -> None:
        self._name, self._watts, self._loss = name, watts, loss
        wire.mkdir(exist_ok=True)
        self._switched, self._registers = wire / "switched", wire / f"{name}.registers"
        self._switched.touch()
        self._closed: set[tuple[str, str]] = set()
        self._read_bytes = 0
        self._out_mwh, self._in_mwh = self._kept()
        self._last_ns = time.time_ns()
        self._flow()

    def switch(self, relay: str, closed: bool) -> None:
        if ((self._name, relay) in self._closed) != closed:
            click.echo(f"{relay} {'closed' if closed else 'open'}")
        with self._switched.open("ab", buffering=0) as file:
            file.write(f"{time.time_ns()} {self._name} {relay} {closed:d}\n".encode())
        self._flow()

    def sense(self) -> Sensed:
        from devices.house.tie import Sensed

        power_mw = round(self._watts * 1_000) if self._flow() else 0
        return Sensed(int(self._out_mwh), int(self._in_mwh), 12_400, power_mw * 10 // 124, power_mw)

    def _flow(self) -> bool:
        """Count what flowed since this was last asked; whether anything does now."""
        before, now_ns = (self._out_mwh, self._in_mwh), time.time_ns()
        with self._switched.open("rb") as file:
            file.seek(self._read_bytes)
            whole = file.read().rpartition(b"\n")[0]
        self._read_bytes += len(whole) + bool(whole)
        for line in whole.decode().splitlines():
            at_ns, house, relay, closed = line.split()
            self._count(min(int(at_ns), now_ns))
            (self._closed.add if closed == "1" else self._closed.discard)((house, relay))
        self._count(now_ns)
        if (self._out_mwh, self._in_mwh) != before:
            draft = self._registers.with_suffix(".new")
            draft.write_text(f"{self._out_mwh} {self._in_mwh}")
            draft.rename(self._registers)
        return self._gives or self._takes

    def _count(self, until_ns: int) -> None:
        energy_mwh = self._watts * max(0, until_ns - self._last_ns) / 3.6e9
        self._last_ns = max(until_ns, self._last_ns)
        self._in_mwh += energy_mwh * self._takes
        self._out_mwh += energy_mwh * (1 + self._loss) * self._gives

    @property
    def _takes(self) -> bool:
        return (self._name, "tie_in") in self._closed and self._another("tie_out")

    @property
    def _gives(self) -> bool:
        return (self._name, "tie_out") in self._closed and self._another("tie_in")

    def _another(self, relay: str) -> bool:
        return any(house != self._name and switched == relay for house, switched in self._closed)

    def _kept(self) -> tuple[float, float]:
        """Registers only grow, whoever looks at them."""
        if not self._registers.exists():
            return 0.0, 0.0
        out, into = map(float, self._registers.read_text().split())
        return out, into


def _token(directory: Path, name: str) -> str:
    return read_secret(directory / f"{name}.token").decode()


def _post(address: tuple[str, int], path: str, document: dict[str, Any], token: str) -> None:
    from devices.house_shell.http import call

    try:
        answer = asyncio.run(call(address, "POST", path, msgspec.json.encode(document), token))
    except (OSError, TimeoutError) as error:
        raise NodeUnreachable(f"{address[0]}:{address[1]} does not answer: {error}") from error
    if answer.status != 200:
        raise BadRequest(f"refused: {answer.body.decode(errors='replace') or answer.status}")
