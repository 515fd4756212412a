"""Communities that live on a ledger of this machine: houses with meters, sun, batteries, a market, and a gateway."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

import click

from ledgernode.cli.output import counted, facts, json_option, show, table
from ledgernode.errors import AuditFailed, BadRequest

if TYPE_CHECKING:
    from devices.community.scenario import Scenario

_NEEDS: Final = "communities need more than a node has: install ledgernode[gateway,community]"
ENGINES: Final = ("pbft", "pow", "solo")


@click.group()
def community() -> None:
    """Play a community of houses on a real ledger: signed meters, a gateway, prepayment, a market.

    What the sources of this project set up is shipped: two houses, five, ten without a grid, a feeder of ten that is
    known to the watt, fifty, and three feeders that trade. Your own is a YAML file; see docs/communities.md.
    """


@community.command("list")
@json_option
def list_shipped(as_json: bool) -> None:
    """List the communities that are shipped.

    \b
    ledgernode community list
    """
    scenarios = _module("scenario")
    every = [scenarios.read_scenario(path) for path in scenarios.shipped().values()]
    rows = [
        {
            "name": one.name,
            "title": one.title,
            "houses": len(one.houses),
            "feeders": len(one.feeders),
            "engine": one.engine,
            "minutes": one.length_minutes,
            "source": one.source,
        }
        for one in every
    ]
    columns = ("name", "houses", "feeders", "engine", "minutes", "title")
    drawn = table(columns, ([row[column] for column in columns] for row in rows), numbers=columns[1:3])
    show({"scenarios": rows}, as_json, drawn)


@community.command()
@click.argument("scenario")
@json_option
def check(scenario: str, as_json: bool) -> None:
    """Check a SCENARIO, a file or a shipped one's name: what is wrong, with its line, and what to write instead.

    \b
    ledgernode community check ten-houses
    ledgernode community check ./my-street.yaml
    """
    told = found(scenario)
    houses = told.houses
    document = {
        "name": told.name,
        "title": told.title,
        "houses": len(houses),
        "prepaid": sum(house.payment == "prepaid" for house in houses),
        "panels": sum(house.panels is not None for house in houses),
        "batteries": sum(house.battery is not None for house in houses),
        "feeders": len(told.feeders),
        "events": len(told.events),
        "real_s": told.length_minutes * 60 // told.pace,
    }
    rows = [("scenario", f"{told.name}: {told.title}")]
    rows.append(("ordered by", f"{told.engine}, at {told.pace}x: {document['real_s']:,} s of our time"))
    inside = f"{document['prepaid']} prepay, {document['panels']} with panels, {document['batteries']} with a battery"
    rows.append(("houses", f"{len(houses)} on {counted(len(told.feeders), 'feeder')}; {inside}"))
    rows.append(("events", f"{len(told.events)}"))
    show(document, as_json, facts(rows))


@community.command()
@click.argument("scenario")
@click.option("--minutes", type=click.IntRange(1), help="Of the community, to be played.  [default: as it says]")
@click.option("--pace", type=click.IntRange(1, 300), help="Its minutes in one of ours, at most the scenario's own.")
@click.option("--engine", type=click.Choice(ENGINES), help="How the ledger orders.  [default: as it says]")
@click.option(
    "--directory", type=click.Path(file_okay=False, path_type=Path), help="Keep the ledger here.  [default: nowhere]"
)
@json_option
def run(
    *, scenario: str, minutes: int | None, pace: int | None, engine: str | None, directory: Path | None, as_json: bool
) -> None:
    """Play a SCENARIO, a file or a shipped one's name, and report what it came to.

    A ledger is founded with its validators as processes of this machine, contracts are installed, everybody is
    enrolled, and the gateway starts. Then time goes on: houses use and make energy, their meters sign readings through
    the gateway, people buy tokens, bid, share; each quarter of an hour is settled. The report holds ledger, meters and
    what was true on the wires against one another, and ends with the ledger's audit. Nothing outlives the command.

    The ledger's clock is a simulated one, and its name says so: simulated-….

    \b
    ledgernode community run two-houses
    ledgernode community run ten-houses --minutes 60 --directory ./street --json
    """
    needed()
    from ledgernode.cli.living.running import played
    from ledgernode.cli.living.tables import parts

    adapted = _adapted(found(scenario), pace, engine)
    with ExitStack() as opened:
        where = directory or Path(opened.enter_context(TemporaryDirectory(prefix="ledgernode-"))) / adapted.name
        report = played(where, adapted, minutes or adapted.length_minutes, said(quiet=as_json))
    show(report, as_json, *parts(report))
    if not report["audit"]["holds"]:
        raise AuditFailed(str(report["audit"]["reason"]))
    if directory is not None and not as_json:
        click.echo(f"\nThe ledger is in {directory}: ledgernode audit {directory}/nodes/north-1")


@community.command()
@click.argument("scenario", default="ten-houses")
@click.option("--minutes", type=click.IntRange(15), default=120, show_default=True, help="Of the community.")
@click.option("--pace", type=click.IntRange(1, 300), default=60, show_default=True, help="Its minutes in one of ours.")
@click.option("--engine", type=click.Choice(ENGINES), default="solo", show_default=True, help="How the ledger orders.")
@json_option
def measure(*, scenario: str, minutes: int, pace: int, engine: str, as_json: bool) -> None:
    """Measure what a community takes of one machine: CPU, memory and disk of its node and gateway.

    The table of docs/small.md is made by this command.

    \b
    ledgernode community measure
    ledgernode community measure ten-off-grid --minutes 240 --json
    """
    needed()
    from ledgernode.cli.living.running import measured
    from ledgernode.cli.living.tables import taken

    adapted = _adapted(found(scenario), pace, engine)
    with TemporaryDirectory(prefix="ledgernode-") as folder:
        told = measured(Path(folder) / adapted.name, adapted, minutes, said(quiet=as_json))
    show(told, as_json, *taken(told))


def said(*, quiet: bool) -> Callable[[str], None]:
    """Each step with the seconds since the command began, beside what it answers."""
    began = time.monotonic()

    def say(text: str) -> None:
        if not quiet:
            click.echo(f"  {time.monotonic() - began:6.1f} s  {text}", err=True)

    return say


def _adapted(scenario: Scenario, pace: int | None, engine: str | None) -> Scenario:
    """With what the options say; a faster pace than the scenario's is founded so."""
    import msgspec

    changes: dict[str, Any] = {}
    if engine is not None:
        changes["engine"] = engine
    if pace is not None:
        changes["pace"] = pace
    return msgspec.structs.replace(scenario, **changes)


def found(named: str) -> Scenario:
    """A scenario by its file or by a shipped one's name."""
    scenarios = _module("scenario")
    read: Scenario = scenarios.read_scenario(scenarios.found_scenario(named))
    return read


def needed() -> None:
    """Refuses, with what to do, where communities cannot live."""
    import importlib

    _module("scenario")
    try:
        importlib.import_module("living.radio")
    except ModuleNotFoundError as error:
        raise BadRequest(_NEEDS) from error


def _module(name: str) -> Any:
    """A module of `devices.community`; refuses, with what to do, where its dependencies are not installed."""
    import importlib

    try:
        return importlib.import_module(f"devices.community.{name}")
    except ModuleNotFoundError as error:
        raise BadRequest(_NEEDS) from error
