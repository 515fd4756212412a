"""Snapshots: a ledger's certified state as files, and an empty node that goes on from them."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from ledgernode.cli.connection import Connection, network_options
from ledgernode.cli.documents import snapshot_document
from ledgernode.cli.offline import served_ledger
from ledgernode.cli.output import done, json_option, progress, short, show, size, table

_FOLDER: Final = click.Path(exists=True, file_okay=False, path_type=Path)


@click.group()
def snapshot() -> None:
    """Write a ledger's state to files, start an empty node from them."""


@snapshot.command()
@network_options
@json_option
def create(at: Connection, as_json: bool) -> None:
    """Have a node of your organisation write a snapshot of the ledger; answers with the path on its machine.

    \b
    ledgernode snapshot create
    """
    last = None
    with at.open_node((at.own_endpoints or at.endpoints)[0]) as node, progress("writing") as report:
        for last in node.create_snapshot(at.ledger):
            report(last.chunks_done, last.chunks_total)
    assert last is not None, "a node answers a snapshot with its progress"
    document = {"path": last.path, "height": last.height, "chunks": last.chunks_total}
    done(f"{last.path}: the state after block {last.height}", as_json, document)


@snapshot.command("list")
@network_options
@json_option
def listed(at: Connection, as_json: bool) -> None:
    """List what a node of your organisation can give to a peer that is new or far behind, newest first.

    \b
    ledgernode snapshot list
    """
    with at.open_node((at.own_endpoints or at.endpoints)[0]) as node:
        found = node.snapshots(at.ledger)
    document = {"snapshots": [snapshot_document(one) for one in found]}
    rows = ((one.height, one.chunks, size(one.size_bytes), short(one.id.hex())) for one in found)
    columns = ("height", "chunks", "size", "id")
    show(document, as_json, table(columns, rows, numbers=("height", "chunks", "size")))


@snapshot.command()
@click.argument("folder", type=_FOLDER, metavar="SNAPSHOT")
@click.argument("home", type=_FOLDER)
@click.option("--ledger", help="Which ledger of the node (default: its only one).")
@json_option
def restore(folder: Path, home: Path, ledger: str | None, as_json: bool) -> None:
    """Fill an empty node from a SNAPSHOT. The genesis in its HOME is all that is trusted; each part is checked.

    A restore that was cut short goes on when it is started again.

    \b
    ledgernode snapshot restore ./snapshots/market-000000001200 ./north-node
    """
    from ledgernode.consensus.certifier import check_certificate
    from ledgernode.execution.genesis import genesis_block
    from ledgernode.execution.replay import remembered
    from ledgernode.identity.home import data_directory, genesis_path
    from ledgernode.identity.keys import verify
    from ledgernode.store.lmdb import LmdbStore
    from ledgernode.store.snapshot import restore_snapshot

    name = served_ledger(home, ledger)
    store = LmdbStore(data_directory(home, name))
    try:
        with progress("restoring") as report:
            chain = restore_snapshot(
                folder,
                store,
                genesis_block(genesis_path(home, name).read_bytes()),
                check_certificate=lambda header, certificate, validators: check_certificate(
                    header, certificate, validators, verify
                ),
                remembered=remembered,
                progress=report,
            )
        document = {
            "ledger": name,
            "height": chain.head.height,
            "state_commitment": chain.head.state_commitment.hex(),
        }
    finally:
        store.close()
    done(f"{home} goes on from block {document['height']} of {name}", as_json, document)
