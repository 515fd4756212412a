"""What contracts have published."""

from __future__ import annotations

import click

from ledgernode.cli.connection import Connection, network_options
from ledgernode.cli.documents import event_document
from ledgernode.cli.output import as_text, json_option, line, moment, show, table, visible
from ledgernode.wire.types import Height


@click.command()
@click.option("--from", "first", type=click.IntRange(0), help="From this height on (default: with --follow the next).")
@click.option("--contract", default="", help="Only of this contract.")
@click.option("--name", "names", multiple=True, help="Only of this name; may be repeated.")
@click.option("--follow", is_flag=True, help="Go on with new events until interrupted.")
@network_options
@json_option
def events(
    *, first: int | None, contract: str, names: tuple[str, ...], follow: bool, at: Connection, as_json: bool
) -> None:
    """List events, oldest first. With --follow and --json each event is a document of one line.

    \b
    ledgernode events --contract currency
    ledgernode events --from 100 --name Transferred --json
    ledgernode events --follow
    """
    with at.open() as ledger:
        height = ledger.facts().height
        if follow:
            start = Height(height + 1 if first is None else first)
            for event in ledger.events(start, contract=contract, names=names):
                document = event_document(event)
                if as_json:
                    line(document)
                else:
                    when, name = moment(event.time_ms), f"{event.contract}.{event.name}"
                    click.echo(visible(f"{when}  {event.height:>6}  {name}  {as_text(document['payload'])}"))
            return
        found = [
            event_document(event)
            for event in ledger.events(Height(first or 0), contract=contract, names=names, to_height=height)
        ]
    rows = (
        (one["height"], moment(one["time_ms"]), f"{one['contract']}.{one['name']}", as_text(one["payload"]))
        for one in found
    )
    listed = table(("height", "time (UTC)", "event", "payload"), rows, numbers=("height",))
    show({"height": height, "events": found}, as_json, listed)
