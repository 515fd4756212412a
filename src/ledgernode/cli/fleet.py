"""Fleets of simulated meters: made known to a ledger, run over gateways, counted on the ledger, and their traffic."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from ledgernode.cli.clock import now_ms
from ledgernode.cli.connection import Connection, network_options
from ledgernode.cli.ending import until_interrupted
from ledgernode.cli.observe_option import observe_option
from ledgernode.cli.output import console, done, facts, json_option, progress, show, table
from ledgernode.errors import AuditFailed, BadRequest, CommitUnknown

if TYPE_CHECKING:
    from devices.fleet.crew import Now
    from devices.fleet.plan import Plan
    from devices.fleet.worker import Broker

CONTRACTS: Final = ("registry", "metering")
INTERVAL_MS, DIGITS = 900_000, 2
MINUTE_MS: Final = 60_000
_NEW: Final = click.Path(file_okay=False, path_type=Path)
_FILE: Final = click.Path(exists=True, dir_okay=False, path_type=Path)
_HISTORY: Final = click.Path(exists=True, resolve_path=True)
_FLEET: Final = click.Path(exists=True, file_okay=False, path_type=Path)


@click.group()
def fleet() -> None:
    """Simulated meters, from ten to a hundred thousand: enrol them, run them over gateways, count what arrived.

    \b
    ledgernode fleet enrol ./fleet --meters 1000 --network ./network
    ledgernode fleet run ./fleet --gateway localhost:7060 --rounds 10 --network ./network
    ledgernode fleet count ./fleet --network ./network
    """


@fleet.command()
@click.argument("directory", type=_NEW)
@click.option("--meters", type=click.IntRange(1, 100_000), default=1_000, show_default=True, help="How many.")
@click.option("--seed", type=int, default=1, show_default=True, help="What the houses use, and when each reports.")
@click.option(
    "--history", multiple=True, type=_HISTORY, help="Measured files or folders in place of the seed's houses."
)
@click.option("--name", default="fleet", show_default=True, help="Meters are NAME-000000 and so on.")
@click.option("--workers", type=click.IntRange(1, 64), default=2, show_default=True, help="Processes it may run in.")
@network_options
@json_option
def enrol(
    *,
    directory: Path,
    meters: int,
    seed: int,
    history: tuple[str, ...],
    name: str,
    workers: int,
    at: Connection,
    as_json: bool,
) -> None:
    """Make meters and let the ledger know them: keys, certificates, identities, houses. DIRECTORY is the fleet's.

    Speaks as an admin, in a network whose folder holds the organisation's authority. Where the contracts registry and
    metering are missing they are deployed first, by all admins of the network. Cut off, the same command goes on.

    \b
    ledgernode fleet enrol ./fleet --meters 10000 --seed 7 --network ./network
    """
    import time

    from devices.fleet.directory import PLAN, new_directory, read_plan
    from devices.fleet.enrolling import Enrolment
    from devices.fleet.measured import measured_houses
    from devices.fleet.plan import Plan
    from ledgernode.client import LedgerClient
    from ledgernode.wire.genesis import chain_id

    carriers = tuple(f"{name}-carrier-{number + 1}" for number in range(workers))
    chain = chain_id(at.genesis_bytes).hex()
    plan = Plan(name, at.organisation_name, at.ledger, chain, meters, seed, carriers, history)
    if history:
        measured_houses(history)  # what makes no sense is refused before anything is made
    if (directory / PLAN).exists():
        if read_plan(directory) != plan:
            raise BadRequest(f"{directory} holds another fleet")
    else:
        new_directory(directory, plan)
    begun = time.monotonic()
    _carriers(at, plan)
    _contracts(at)
    prepared_s = time.monotonic() - begun

    async def go() -> None:
        async with LedgerClient(at.endpoints, at.ledger, at.credentials()) as client:
            with progress("enrolling", shown=not as_json) as report:
                enrolment = Enrolment(client, at.signer(), plan, report)
                await enrolment.run(directory, at.organisation_directory, workers, now_ms())

    asyncio.run(go())
    taken_s = time.monotonic() - begun - prepared_s
    document = {"name": name, "meters": meters, "prepared_s": round(prepared_s, 2), "enrolled_s": round(taken_s, 2)}
    done(f"{meters} meters are known to ledger {at.ledger}, after {taken_s:.1f} s", as_json, document)


@fleet.command()
@click.argument("directory", type=_FLEET)
@click.option("--gateway", "gateways", multiple=True, metavar="HOST:PORT", help="May be repeated.")
@click.option("--broker", metavar="HOST:PORT", help="An MQTT broker with gateways behind it, for some processes.")
@click.option("--broker-user", default="", help="As whom (default: ORGANISATION/CARRIER, as gateways name it).")
@click.option("--broker-password-file", type=_FILE, help="With the password there; nobody else may read it.")
@click.option("--by-broker", type=click.IntRange(0, 64), help="So many processes (default: all without --gateway).")
@click.option("--rounds", type=click.IntRange(1, 1_000_000), default=10, show_default=True, help="Readings of each.")
@click.option("--every", "every_ms", type=click.IntRange(100), default=MINUTE_MS, show_default=True, help="ms a round.")
@click.option("--speed", type=click.IntRange(1, 3_600), default=1, show_default=True, help="Times as fast.")
@click.option("--workers", type=click.IntRange(1, 64), help="Processes (default: as many as it was enrolled for).")
@click.option("--hear", "hear_ms", type=click.IntRange(0), default=10_000, show_default=True, help="ms for outcomes.")
@click.option("--within", "within_s", type=click.FloatRange(0), help="End after so many seconds, whatever waits.")
@observe_option
@network_options
@json_option
def run(
    *,
    directory: Path,
    gateways: tuple[str, ...],
    broker: str | None,
    broker_user: str,
    broker_password_file: Path | None,
    by_broker: int | None,
    rounds: int,
    every_ms: int,
    speed: int,
    workers: int | None,
    hear_ms: int,
    within_s: float | None,
    observe: str | None,
    at: Connection,
    as_json: bool,
) -> None:
    """Let every meter of DIRECTORY report, spread over each round, until all is safe at a gateway.

    What no gateway takes waits and is sent again, to the next one of the list. With --speed a round takes a part of its
    time, and the houses' day passes as much faster; times on the ledger are true ones. Ctrl-C ends it; run it again: it
    goes on where it was.

    \b
    ledgernode fleet run ./fleet --gateway a.example:7060 --gateway b.example:7060 --rounds 60 --network ./network
    ledgernode fleet run ./fleet --gateway localhost:7060 --speed 60 --json --network ./network
    """
    from devices.fleet.crew import Crew
    from devices.fleet.directory import read_plan

    plan = read_plan(directory)
    carriers = plan.carriers[: workers or len(plan.carriers)]
    identities = at.organisation_directory / "identities"
    tls = [replace(at, identity_option=identities / carrier).tls_files() for carrier in carriers]
    at_broker = _broker(broker, broker_user, broker_password_file)
    over = (0 if gateways else len(tls)) if by_broker is None else by_broker
    if not gateways and over < len(tls):
        raise BadRequest("name a --gateway, or a --broker for all processes")
    if over and at_broker is None:
        raise BadRequest("name the --broker")
    crew = Crew(directory, gateways, tls, hear_ms=hear_ms, broker=at_broker, by_broker=over)
    last: list[Now] = []

    async def go(told: Callable[[Now], None]) -> Now:
        planned = crew.planned(rounds, max(1, every_ms // speed), speed, now_ms())

        def noted(now: Now) -> None:
            last[:] = [now]
            told(now)

        try:
            async with asyncio.timeout(within_s), _observed(observe, plan, last):
                return await crew.run(planned, noted)
        except TimeoutError:
            return last[-1]

    with until_interrupted(), _shown(rounds * plan.meters, shown=not as_json) as told:
        last.append(asyncio.run(go(told)))
    if not last:
        return
    now = last[-1]
    document = {"fleet": plan.name, "meters": plan.meters, "rounds": rounds, **now.document()}
    show(document, as_json, *_report(document))
    if now.waiting or now.to_come:
        raise CommitUnknown(f"{now.waiting} readings are not safe yet, {now.to_come} were not due: run it again")


@fleet.command()
@click.argument("directory", type=_FLEET)
@click.option("--until", type=click.IntRange(1), help="The number that every meter must have reached.")
@network_options
@json_option
def count(*, directory: Path, until: int | None, at: Connection, as_json: bool) -> None:
    """Count the fleet's readings on the ledger, block by block; fails when one is missing or stands there twice.

    \b
    ledgernode fleet count ./fleet --network ./network --json
    """
    from devices.fleet.counting import Counting
    from devices.fleet.directory import read_fleet_secret, read_plan
    from ledgernode.client import LedgerClient

    plan = read_plan(directory)

    async def go() -> Any:
        async with LedgerClient(at.endpoints, at.ledger, at.credentials()) as client:
            with progress("counting", shown=not as_json) as report:
                return await Counting(client, plan, read_fleet_secret(directory)).up_to_now(report)

    document = asyncio.run(go()).document(until or 0)
    show(document, as_json, facts((name, json.dumps(value)) for name, value in document.items()))
    if document["missing"] or document["doubled"]:
        raise AuditFailed(f"{document['missing']} readings are missing, {document['doubled']} stand there twice")


@asynccontextmanager
async def _observed(address: str | None, plan: Plan, last: list[Now]) -> AsyncIterator[None]:
    """Show the fleet's figures there while it runs."""
    if not address:
        yield
        return
    from devices.fleet.observed import ObservedFleet
    from ledgernode.observe.listener import Listener

    observed = ObservedFleet(plan.meters, lambda: last[-1] if last else None)
    listener = Listener(address, observed.addresses())
    await listener.start()
    turning = asyncio.create_task(observed.turning.run())
    click.echo(f"health and metrics on port {listener.port}", err=True)
    try:
        yield
    finally:
        turning.cancel()
        await listener.stop()


def _broker(address: str | None, user: str, password_file: Path | None) -> Broker | None:
    from devices.fleet.worker import Broker
    from ledgernode.identity.secret_file import read_secret

    if address is None:
        return None
    if password_file is None:
        raise BadRequest("a broker asks for a password: name its --broker-password-file")
    return Broker(address, user, read_secret(password_file).decode().strip())


# ---------------------------------------------------------------- steps of an enrolment


def _carriers(at: Connection, plan: Plan) -> None:
    """Identities that may carry for the meters; made where they are not."""
    from ledgernode.identity.organisation import identity_directory, new_identity
    from ledgernode.identity.records import Role

    for name in plan.carriers:
        if not identity_directory(at.organisation_directory, name).exists():
            new_identity(at.organisation_directory, name, Role.GATEWAY, now_ms=now_ms())


def _contracts(at: Connection) -> None:
    """Registry and metering, deployed, and the organisation a utility; what is there already is left alone."""
    import chaincode
    from ledgernode.cli.ask import Speaker
    from ledgernode.cli.chaincode import deploy_package
    from ledgernode.cli.packaging import checked_package
    from ledgernode.errors import ContractRefused

    assert chaincode.__file__ is not None, "contracts are installed as files"
    with Speaker(at) as speaker:
        committed = {contract["name"] for contract in speaker.ask("lifecycle", "list")}
        for name in CONTRACTS:
            if name not in committed:
                deploy_package(at, checked_package(Path(chaincode.__file__).parent / f"{name}.py"))
        try:
            speaker.ask("registry", "ground")
        except ContractRefused:
            speaker.submit("registry", "establish", interval_ms=INTERVAL_MS, digits=DIGITS)
        try:
            speaker.ask("registry", "utility", organisation=at.organisation_name)
        except ContractRefused:
            own = speaker.signer.identity.hex()
            zone = {"name": "UTC", "standard_minutes": 0}
            speaker.submit("registry", "enlist", zone=zone, treasury=own, tax_account=own, levy_account=own)


# ---------------------------------------------------------------- saying it


@contextmanager
def _shown(total: int, *, shown: bool) -> Iterator[Callable[[Now], None]]:
    """A bar with rates on standard error. Silent where there is no terminal."""
    from rich.progress import BarColumn, Progress, TextColumn

    text = "{task.fields[rate]}/s  {task.fields[committed]} committed  {task.fields[waiting]} waiting"
    columns = (TextColumn("{task.completed}/{task.total} safe"), BarColumn(), TextColumn(text))
    screen = console(to_error=True)
    with Progress(*columns, console=screen, transient=True, disable=not (shown and screen.is_terminal)) as bar:
        task = bar.add_task("", total=total, rate=0, committed=0, waiting=0)

        def told(now: Now) -> None:
            counts = now.counts
            rate = round(counts.safe / now.seconds) if now.seconds else 0
            bar.update(task, completed=counts.safe, rate=rate, committed=counts.committed, waiting=now.waiting)

        yield told


def _report(document: dict[str, Any]) -> tuple[Any, ...]:
    counts = ("due", "sent", "sent_again", "safe", "committed", "unheard", "repeated", "waiting")
    rows = [*((name.replace("_", " "), document[name]) for name in counts)]
    rows += [(f"refused, {code}", number) for code, number in document["refused"].items()]
    rows += [(f"without effect, {code}", number) for code, number in document["failed"].items()]
    rows += [(f"connection ended, {code}", number) for code, number in document["lost_connections"].items()]
    rows += [("safe a second", document["safe_per_s"]), ("CPU µs a reading", document["cpu_us_per_reading"])]
    delays = document["delay_ms"]
    names = tuple(next(iter(delays.values())))
    drawn = table(("ms", *names), ((way.replace("_", " "), *delays[way].values()) for way in delays), numbers=names)
    return facts(rows), drawn
