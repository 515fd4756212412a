"""Backups: a whole chain and certified states of it in a folder, checked by themselves, and an empty node filled."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from ledgernode.cli.connection import Connection, network_options
from ledgernode.cli.offline import served_ledger
from ledgernode.cli.output import counted, done, facts, json_option, moment, progress, short, show, size, table
from ledgernode.config import BACKUP_SHARE_PERCENT
from ledgernode.errors import BadRequest, DatabaseInUse, Missing

if TYPE_CHECKING:
    from ledgernode.backup.folder import Index
    from ledgernode.backup.survey import Standing
    from ledgernode.store.kv import KeyValueStore

_FOLDER: Final = click.Path(exists=True, file_okay=False, path_type=Path)
_NEW_FOLDER: Final = click.Path(file_okay=False, path_type=Path)
_FILE: Final = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def backup() -> None:
    """Keep a node's whole chain beside it, check that, fill an empty node from it.

    A backup holds every block with its receipts and its certificate, and the newest certified states. Nothing in it is
    believed: the genesis file leads to every signature. It holds no keys: keep those by your usual means for secrets.
    """


@backup.command()
@click.argument("home", type=_FOLDER, required=False)
@click.option("--to", "folder", type=_NEW_FOLDER, required=True, help="The backup's folder; made if it is not there.")
@click.option("--keep", type=click.IntRange(1, 1_000), default=2, show_default=True, help="How many states stay.")
@click.option("--chain-only", is_flag=True, help="No state this time: seconds, where a state takes minutes.")
@click.option(
    "--uncertified", is_flag=True, help="Of a stopped node: its last blocks too that have no certificate yet."
)
@click.option(
    "--share",
    type=click.IntRange(1, 100),
    default=BACKUP_SHARE_PERCENT,
    show_default=True,
    help="Percent of one core that it takes beside a running node.",
)
@network_options
@json_option
def create(
    *,
    home: Path | None,
    folder: Path,
    at: Connection,
    keep: int,
    chain_only: bool,
    uncertified: bool,
    share: int,
    as_json: bool,
) -> None:
    """Make a backup of the node in HOME, or add to one what is new. The node may be running.

    Without HOME, the chain is taken from a node elsewhere (--as, --endpoint …), by whoever may read whole blocks: a
    regulator, or a job in another container. States are written beside their node only.

    Whole segments of the chain stay as they are: the next backup takes what the new blocks take. One that was cut short
    goes on when it is started again. What does not hold is refused, and the folder is then as good as it was.

    \b
    ledgernode backup create ./ledgernode-network/nodes/north-1 --to ./backup
    ledgernode backup create --to ./backup --as east/admin
    """
    from ledgernode.backup.creating import ChainSource, Source, create_backup, unhurried
    from ledgernode.cli.backup_source import NodeSource
    from ledgernode.identity.home import genesis_path

    with ExitStack() as opened:
        source: Source
        if home is None:
            if uncertified:
                raise BadRequest("what has no certificate yet is taken of a stopped node: name its home")
            source = opened.enter_context(closing(NodeSource(opened.enter_context(at.open()), at.genesis_bytes)))
            chain_only, share = True, 100
        else:
            name = served_ledger(home, at.ledger_option or None)
            store, running = opened.enter_context(_looked_at(home, name, stopped=uncertified))
            source = ChainSource(store, genesis_path(home, name).read_bytes(), uncertified=uncertified)
            share = share if running else 100
        created = create_backup(
            source,
            folder,
            with_state=not chain_only,
            keep=keep,
            pace=unhurried(share),
            progress=opened.enter_context(progress("backing up")),
        )
    document = {
        "folder": str(folder),
        "blocks_added": created.blocks_added,
        "bytes_written": created.bytes_written,
        "state_height": created.state_height,
        "seconds": round(created.seconds, 3),
        **_document(created.index),
    }
    added = f"{counted(created.blocks_added, 'block')} added, {size(created.bytes_written)} written"
    done(f"{folder}: blocks {created.index.first} to {created.index.last}; {added}", as_json, document)


@contextmanager
def _looked_at(home: Path, ledger: str, *, stopped: bool) -> Iterator[tuple[KeyValueStore, bool]]:
    """A ledger's database, read beside its node; and whether that runs.

    Refuses where there is none, where the node must be stopped and is not, and where a running node would not know
    of a reader.
    """
    from ledgernode.identity.home import data_directory
    from ledgernode.store.looking import DATA_FILE, LookedAt, holder_of

    data = data_directory(home, ledger)
    if not (data / DATA_FILE).exists():
        raise Missing(f"there is no chain in {data} yet")
    holder = holder_of(data)
    if holder is not None and stopped:
        raise DatabaseInUse(f"{data} is in use by process {holder}: stop that node first")
    if holder == os.getpid():  # of another container: LMDB tells readers apart by their process numbers
        raise BadRequest(f"the node has the process number {holder} too: start this one by a shell, as its child")
    if holder is not None and not os.access(data / "lock.mdb", os.W_OK):
        raise BadRequest(f"{data} cannot be written by this user: a running node would not know that it is read")
    store = LookedAt(data)
    try:
        yield store, holder is not None
    finally:
        store.close()


@backup.command("list")
@click.argument("folder", type=_FOLDER)
@json_option
def listed(folder: Path, as_json: bool) -> None:
    """Say what a backup holds, by its own index: `verify` says whether that is true.

    \b
    ledgernode backup list ./backup
    """
    from ledgernode.backup.folder import Folder
    from ledgernode.errors import UnknownBackup

    index = Folder(folder).index()
    if index is None:
        raise UnknownBackup(f"there is no backup in {folder}")
    rows = [("state", state.height, state.height, "", size(state.size_bytes)) for state in index.states]
    rows += [
        ("blocks", part.first, part.last, f"{part.transactions:,}", size(part.size_bytes)) for part in index.segments
    ]
    columns = ("part", "from", "to", "transactions", "size")
    show(_document(index), as_json, table(columns, rows, numbers=("from", "to", "transactions", "size")))


@backup.command()
@click.argument("folder", type=_FOLDER)
@network_options
@json_option
def verify(folder: Path, at: Connection, as_json: bool) -> None:
    """Check a whole backup by itself: every hash, link, root, signature and certificate, and every state.

    It takes the FOLDER and the genesis file (--genesis, or that of the network), and no node. Refuses (BACKUP_INVALID)
    with the first part that does not hold.

    \b
    ledgernode backup verify ./backup --genesis genesis.json
    """
    from ledgernode.backup.checking import verify_backup

    with progress("checking blocks") as report:
        checked = verify_backup(folder, at.genesis_bytes, progress=report)
    index = checked.index
    document = {
        "holds": True,
        **_document(index),
        "header_hash": checked.head_hash.hex(),
        "state_commitment": checked.head.state_commitment.hex(),
        "time_ms": checked.head.time_ms,
        "seconds": round(checked.seconds, 3),
    }
    show(
        document,
        as_json,
        "the backup holds",
        facts(
            (
                ("blocks", f"{index.first} to {index.last}"),
                ("transactions", index.transactions),
                ("certified to", index.certified_height),
                ("states", ", ".join(str(state.height) for state in index.states) or "none"),
                ("head", document["header_hash"]),
                ("state", document["state_commitment"]),
                ("time", f"{moment(checked.head.time_ms)} UTC"),
                ("took", f"{checked.seconds:.1f} s"),
            )
        ),
    )


@backup.command()
@click.argument("folder", type=_FOLDER)
@click.argument("home", type=_FOLDER)
@click.option("--ledger", help="Which ledger of the node (default: its only one).")
@click.option("--height", type=click.IntRange(min=0), help="Up to this block only (default: all there are).")
@click.option(
    "--from-state",
    is_flag=True,
    help="Begin with the newest state: quick, but histories begin there too, not at genesis.",
)
@click.option("--uncertified", is_flag=True, help="Blocks without certificate too, where all have agreed on this copy.")
@json_option
def restore(
    *,
    folder: Path,
    home: Path,
    ledger: str | None,
    height: int | None,
    from_state: bool,
    uncertified: bool,
    as_json: bool,
) -> None:
    """Fill an empty node from the backup in FOLDER. The genesis in its HOME is all that is trusted.

    Every block is executed again and must give what was certified: the node then has all that it had, past heights and
    histories too. One that was cut short goes on when it is started again. What the others have decided since, the
    node fetches when it runs.

    \b
    ledgernode backup restore ./backup ./north-node
    ledgernode backup restore ./backup ./as-it-was --height 1200
    """
    from ledgernode.backup.restoring import Way, restore_backup
    from ledgernode.identity.home import data_directory, genesis_path
    from ledgernode.store.lmdb import LmdbStore

    name = served_ledger(home, ledger)
    store = LmdbStore(data_directory(home, name))
    try:
        with progress("restoring") as report:
            restored = restore_backup(
                folder,
                store,
                genesis_path(home, name).read_bytes(),
                height=height,
                way=Way.STATE if from_state else Way.EXECUTION,
                uncertified=uncertified,
                progress=report,
            )
    finally:
        store.close()
    head = restored.head
    document: dict[str, Any] = {
        "ledger": name,
        "height": head.height,
        "certified_height": restored.certified_height,
        "state_commitment": head.state_commitment.hex(),
        "history_from": restored.base,
        "blocks_executed": restored.blocks_executed,
        "seconds": round(restored.seconds, 3),
    }
    how = f"{counted(restored.blocks_executed, 'block')} executed in {restored.seconds:.1f} s"
    state = short(document["state_commitment"])
    done(f"{home} goes on from block {head.height} of {name} ({how}), state {state}", as_json, document)


@backup.command()
@click.argument("sources", type=click.Path(exists=True, path_type=Path), nargs=-1, required=True, metavar="SOURCE...")
@click.option("--ledger", help="Which ledger of the nodes (default: their only one).")
@json_option
def survey(sources: tuple[Path, ...], ledger: str | None, as_json: bool) -> None:
    """Say which copy of a ledger goes furthest: after a disaster, the one to restore everywhere.

    A SOURCE is the home of a stopped node, a backup's folder, or what this command has printed elsewhere with --json.

    \b
    ledgernode backup survey ./north-node --json > north.json
    ledgernode backup survey north.json east.json ./backup
    """
    import msgspec

    from ledgernode.backup.survey import survey as compare

    standings = [standing for source in sources for standing in _standings(source, ledger)]
    found = compare(standings)
    rows = ((one.source, one.first, one.certified_height, one.last) for one in standings)
    contradictions = [f"{one} and {other} have different blocks {at}" for one, other, at in found.contradictions]
    document = {
        "standings": msgspec.to_builtins(standings, str_keys=True),
        "best": found.best.source,
        "height": found.best.last,
        "contradictions": contradictions,
    }
    columns = ("copy", "from", "certified to", "last block")
    drawn = table(columns, rows, numbers=("from", "certified to", "last block"))
    show(document, as_json, drawn, f"furthest: {found.best.source}", *contradictions)


def _standings(source: Path, ledger: str | None) -> Iterator[Standing]:
    from ledgernode.backup.folder import INDEX_FILE
    from ledgernode.backup.survey import read_standings, standing_of_backup, standing_of_chain
    from ledgernode.identity.home import genesis_path
    from ledgernode.store.chain import ChainStore
    from ledgernode.wire.genesis import chain_id

    if source.is_file():
        yield from read_standings(source)
    elif (source / INDEX_FILE).exists():
        yield standing_of_backup(source)
    else:
        name = served_ledger(source, ledger)
        with _looked_at(source, name, stopped=True) as (store, _):
            chain = ChainStore.open(store, chain_id(genesis_path(source, name).read_bytes()))
            yield standing_of_chain(str(source), chain)


def _document(index: Index) -> dict[str, Any]:
    return {
        "chain_id": index.chain_id,
        "first": index.first,
        "last": index.last,
        "certified_height": index.certified_height,
        "transactions": index.transactions,
        "size_bytes": index.size_bytes,
        "segments": len(index.segments),
        "states": [state.height for state in index.states],
    }
