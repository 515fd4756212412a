"""The read model: follow a ledger into SQL, build it anew, see how far it is."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ledgernode.cli.connection import Connection, network_options
from ledgernode.cli.output import counted, done, facts, json_option, line, moment, progress, show
from ledgernode.errors import BadRequest

if TYPE_CHECKING:
    from gateway.readmodel.following import Status
    from gateway.readmodel.model import LedgerHome, ModelHome, ReadModel

EVERY_S = 1.0


@click.group()
def readmodel() -> None:
    """Keep what a ledger says in SQL, for pages and reports. It can be dropped and built again at any time.

    DATABASE is a file (SQLite), or the URL of a PostgreSQL database: postgresql://user@host/name
    """


@readmodel.command()
@click.argument("database")
@network_options
@json_option
def run(database: str, at: Connection, as_json: bool) -> None:
    """Follow the ledger until told to stop. With --json each change of state is a document of one line.

    A ledger or database that is away is waited for. What was followed stays when this is killed.

    \b
    ledgernode readmodel run model.db --as north/gateway-1
    """
    asyncio.run(_run(database, at, as_json))


@readmodel.command()
@click.argument("database")
@click.option("--yes", is_flag=True, help="Do not ask.")
@network_options
@json_option
def rebuild(database: str, *, yes: bool, at: Connection, as_json: bool) -> None:
    """Drop every table of the model, and build it again from the blocks, up to the ledger's present height.

    \b
    ledgernode readmodel rebuild model.db --yes
    """
    if not yes:
        click.confirm(f"Drop the read model in {_named(database)} and build it again?", abort=True, err=True)
    started = time.monotonic()
    with progress("blocks", shown=not as_json) as moved:
        status = asyncio.run(_rebuild(database, at, moved))
    seconds = round(time.monotonic() - started, 3)
    document = {**_document(status), "seconds": seconds}
    done(f"{counted(status.height + 1, 'block')} in {seconds:.1f} s", as_json, document)


@readmodel.command()
@click.argument("database")
@network_options
@json_option
def status(database: str, at: Connection, as_json: bool) -> None:
    """Say how far the model is, how far the ledger, and what it could not read.

    \b
    ledgernode readmodel status model.db --json
    """
    document = asyncio.run(_status(database, at))
    rows = [
        ("database", document["database"]),
        ("schema", document["schema"] or "none yet"),
        ("height", document["height"]),
        ("time (UTC)", moment(document["time_ms"])),
        ("ledger", document["ledger_height"]),
        ("behind", counted(document["behind"], "block")),
        ("unread events", document["unread"]),
    ]
    show(document, as_json, facts(rows))


@readmodel.command()
@click.option(
    "--dialect",
    type=click.Choice(["sqlite", "postgresql"]),
    default="postgresql",
    show_default=True,
    help="Of this kind of database.",
)
def schema(dialect: str) -> None:
    """Print the schema as SQL.

    \b
    ledgernode readmodel schema --dialect postgresql
    """
    _require_installed()
    from gateway.readmodel.migrating import script

    click.echo(script(dialect))


def _require_installed() -> None:
    try:
        import aiosqlite  # noqa: F401
        import alembic  # noqa: F401
        import sqlalchemy  # noqa: F401
    except ImportError as error:
        raise BadRequest("the read model needs: pip install 'ledgernode[gateway]'") from error


def model_home(database: str, directory: Path, at: Connection) -> ModelHome | None:
    """Of a gateway's setting: none where it is empty; a file is in the gateway's directory."""
    if not database:
        return None
    from gateway.readmodel.model import ModelHome

    where = database if "://" in database else str(directory / database)
    return ModelHome(where, _ledger_home(at))


def _model(database: str, at: Connection, told: Callable[[int], None] | None = None) -> ReadModel:
    home = _ledger_home(at)
    from gateway.readmodel.model import ReadModel

    return ReadModel(database, home, told=told)


def _ledger_home(at: Connection) -> LedgerHome:
    _require_installed()
    from gateway.readmodel.model import LedgerHome

    return LedgerHome(
        ledger=at.ledger,
        genesis_bytes=at.genesis_bytes,
        nodes=at.endpoints,
        tls=at.tls_files(),
        signer=at.signer(),
    )


def _named(database: str) -> str:
    _require_installed()
    from gateway.readmodel.database import database_url

    return database_url(database).render_as_string(hide_password=True)


async def _run(database: str, at: Connection, as_json: bool) -> None:
    model = _model(database, at)
    task = asyncio.create_task(model.run())
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    said: Status | None = None
    while not task.done():
        if said is None or _is_news(said, model.status, as_json):
            said = model.status
            _say(said, as_json)
        await asyncio.wait((task,), timeout=EVERY_S)
    _say(model.status, as_json)
    await model.close()
    if not task.cancelled():
        task.result()


def _is_news(said: Status, status: Status, as_json: bool) -> bool:
    """A person is told of another state; a program of every height, too."""
    return (said.state, said.reason) != (status.state, status.reason) or (as_json and said.height != status.height)


def _say(status: Status, as_json: bool) -> None:
    if as_json:
        line(_document(status))
    else:
        why = f": {status.reason}" if status.reason else ""
        click.echo(f"{status.state} at height {status.height}, {counted(status.behind, 'block')} behind{why}")


async def _rebuild(database: str, at: Connection, moved: Callable[[int, int], None]) -> Status:
    model = _model(database, at, told=lambda height: moved(height, model.status.ledger_height))
    try:
        await model.rebuild()
        return model.status
    finally:
        await model.close()


async def _status(database: str, at: Connection) -> dict[str, Any]:
    from ledgernode.client import LedgerClient

    model = _model(database, at)
    try:
        async with LedgerClient(at.endpoints, at.ledger, at.credentials()) as client:
            ledger = await client.facts()
        document = await _stored(model)
    finally:
        await model.close()
    behind = max(int(ledger.height) - document["height"], 0)
    return {**document, "ledger_height": int(ledger.height), "ledger_time_ms": int(ledger.time_ms), "behind": behind}


async def _stored(model: ReadModel) -> dict[str, Any]:
    from sqlalchemy import func, select

    from gateway.readmodel.migrating import version
    from gateway.readmodel.queries.ledger import followed
    from gateway.readmodel.tables.ledger import UNREAD

    document: dict[str, Any] = {"database": model.database.named, "schema": "", "height": -1, "time_ms": 0, "unread": 0}
    async with model.reading() as connection:
        document["schema"] = await version(connection) or ""
        if document["schema"] and (stands := await followed(connection)) is not None:
            document |= {"height": stands.height, "time_ms": stands.time_ms}
            document["unread"] = await connection.scalar(select(func.count()).select_from(UNREAD)) or 0
    return document


def _document(status: Status) -> dict[str, Any]:
    return {
        "state": status.state.value,
        "height": status.height,
        "time_ms": status.time_ms,
        "ledger_height": status.ledger_height,
        "behind": status.behind,
        "unread": status.unread,
        "reason": status.reason,
    }
