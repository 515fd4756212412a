"""A gateway: run it, and look at what it keeps."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from ledgernode.cli.connection import Connection, network_options
from ledgernode.cli.gateway_broker import broker_files
from ledgernode.cli.gateway_devices import device
from ledgernode.cli.http_options import HttpOptions, http_options
from ledgernode.cli.levels import LEVELS
from ledgernode.cli.observe_option import observe_option, trace_options
from ledgernode.cli.output import counted, json_option, moment, show, table

if TYPE_CHECKING:
    from gateway.outbox.store import OutboxStore

_KEPT: Final = click.Path(exists=True, file_okay=False, path_type=Path)


@click.group()
def gateway() -> None:
    """Carry what devices sign to the ledger, and commands to devices."""


gateway.add_command(broker_files)


@gateway.command()
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path))
@click.option("--listen", required=True, metavar="HOST:PORT", help="Where devices connect.")
@click.option("--broker", metavar="HOST:PORT", help="The devices' MQTT broker; the rest is in gateway.json.")
@click.option("--broker-user", metavar="NAME", help="Our name there (default: our TLS certificate).")
@click.option("--broker-client", metavar="NAME", help="Our session there, where several gateways have one identity.")
@click.option("--broker-password-file", type=click.Path(dir_okay=False, path_type=Path), help="Mode 0600.")
@http_options
@observe_option
@trace_options
@click.option("--log-level", type=click.Choice(LEVELS), help="Log from this level on (default: as gateway.json says).")
@click.option("--log-json", is_flag=True, help="Log JSON lines instead of text.")
@network_options
@json_option
def run(
    directory: Path,
    *,
    listen: str,
    broker: str | None,
    broker_user: str | None,
    broker_client: str | None,
    broker_password_file: Path | None,
    http: HttpOptions,
    observe: str | None,
    trace: str | None,
    trace_one_in: int | None,
    log_level: str | None,
    log_json: bool,
    at: Connection,
    as_json: bool,
) -> None:
    """Run a gateway for one ledger until it is told to stop. DIRECTORY holds what it keeps, and its gateway.json.

    Its identity (--as, --identity) has the role gateway, and a TLS certificate that names the host of --listen.

    \b
    ledgernode gateway run ./gateway --listen 127.0.0.1:7060 --as north/gateway-1
    ledgernode gateway run ./gateway --listen 0.0.0.0:7060 --http 0.0.0.0:8443 --as north/gateway-1
    """
    import msgspec

    from gateway.process import Home, run_gateway
    from gateway.settings import read_settings, with_broker
    from ledgernode.cli.readmodel import model_home
    from ledgernode.wire.genesis import chain_id

    settings = read_settings(directory)
    at = at.unlocked_by(directory, settings.key_passphrase_file)
    given = {"observe": observe, "trace": trace, "trace_one_in": trace_one_in}
    settings = msgspec.structs.replace(settings, **{name: value for name, value in given.items() if value is not None})
    password = str(broker_password_file.absolute()) if broker_password_file else ""
    home = Home(
        directory=directory,
        ledger=at.ledger,
        chain_id=chain_id(at.genesis_bytes),
        nodes=at.endpoints,
        listen=listen,
        tls=at.tls_files(),
        tls_now=at.tls_files,
        organisation=at.organisation_name,
        settings=with_broker(
            settings, address=broker, username=broker_user, client=broker_client, password_file=password
        ),
        http=http.listen(at),
        model=model_home(settings.model_database, directory, at),
        log_level=log_level or "",
        log_json=log_json,
        unlock=at.unlock,
    )
    if as_json:
        run_gateway(home)
    else:
        run_gateway(home, ready=_say)


@gateway.command()
@click.argument("directory", type=_KEPT)
@click.option("--repeats", is_flag=True, help="List those too whose number was used before.")
@json_option
def refused(directory: Path, repeats: bool, as_json: bool) -> None:
    """List what the ledger would not take, oldest first. The gateway of DIRECTORY must not be running.

    A number of a device that was used before is no error: that a reading comes twice is what sending it again means.
    Such repeats are counted, and listed when asked for.

    \b
    ledgernode gateway refused ./gateway --json
    """
    from ledgernode.errors import SequenceReplayed

    with _store(directory) as store:
        found: list[dict[str, Any]] = [
            {
                "time_ms": one.at_ms,
                "device": one.entry.creator.hex(),
                "sequence": one.entry.sequence,
                "transaction": one.entry.id.hex(),
                "code": one.code,
            }
            for one in store.refused()
        ]
    repeated = sum(one["code"] == SequenceReplayed.code for one in found)
    if not repeats:
        found = [one for one in found if one["code"] != SequenceReplayed.code]
    columns = ("time (UTC)", "device", "sequence", "code")
    rows = ((moment(one["time_ms"]), one["device"], one["sequence"], one["code"]) for one in found)
    shown = table(columns, rows, numbers=("sequence",))
    said = (f"{counted(repeated, 'repeat')} besides (--repeats)",) if repeated and not repeats else ()
    show({"refused": found, "repeats": repeated}, as_json, shown, *said)


@gateway.command()
@click.argument("directory", type=_KEPT)
@json_option
def commands(directory: Path, as_json: bool) -> None:
    """List commands to devices and how far each is. The gateway of DIRECTORY must not be running.

    Acknowledged ones have the code that the device signed: OK, or why it was not done.

    \b
    ledgernode gateway commands ./gateway
    """
    from gateway.commands.inbox import COMMANDS, read_command

    with _store(directory) as store:
        listed = sorted((read_command(fact) for _, fact in store.facts(COMMANDS)), key=lambda one: one.sent_ms)
    found: list[dict[str, Any]] = [
        {
            "time_ms": one.sent_ms,
            "kind": one.kind,
            "number": one.number,
            "device": one.device,
            "status": one.status.value,
            "code": one.code,
            "text": one.text,
        }
        for one in listed
    ]
    columns = ("time (UTC)", "kind", "number", "device", "status", "code", "text")
    rows = ((moment(one["time_ms"]), *(one[name] for name in columns[1:])) for one in found)
    show({"commands": found}, as_json, table(columns, rows, numbers=("number",)))


@contextmanager
def _store(directory: Path) -> Iterator[OutboxStore]:
    """What a gateway keeps, opened."""
    from gateway.outbox.store import OutboxStore
    from gateway.settings import read_settings

    limits = read_settings(directory).limits
    store = OutboxStore(directory / "outbox", entry_bytes=limits.outbox_bytes, refused_kept=limits.refused_kept)
    try:
        yield store
    finally:
        store.close()


def _say(serving: Any) -> None:
    kept = f", {serving.waiting} waiting from before" if serving.waiting else ""
    click.echo(f"serving devices for ledger {serving.ledger} on {serving.host}:{serving.port}{kept}")
    if serving.http_port:
        click.echo(f"and by HTTP on port {serving.http_port}")
    if serving.observe_port:
        click.echo(f"health and metrics on port {serving.observe_port}")
    if serving.console:
        click.echo(f"people find the console at {serving.console}")


gateway.add_command(device)
