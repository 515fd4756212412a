"""A ledger's data opened without its node: for checks, and for a restore."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ledgernode.errors import BadRequest, Conflict, Missing

if TYPE_CHECKING:
    from ledgernode.store.chain import ChainStore

_F = TypeVar("_F", bound=Callable[..., Any])


def data_options(command: _F) -> _F:
    """Give a command the argument and options that name one ledger's data on this disk."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


_OPTIONS = (
    click.argument("home", type=click.Path(exists=True, file_okay=False, path_type=Path)),
    click.option("--ledger", help="Which ledger of the node (default: its only one)."),
    click.option(
        "--genesis",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="HOME is a ledger's data folder, and this its genesis file.",
    ),
)


@contextmanager
def opened_chain(home: Path, ledger: str | None, genesis: Path | None) -> Iterator[tuple[ChainStore, bytes]]:
    """The chain of a node's home (or of a data folder, with its genesis file), and its genesis.

    Refuses a folder without a chain, a database that a node has open, and one of another ledger.
    """
    from ledgernode.identity.home import data_directory, genesis_path
    from ledgernode.store.chain import ChainStore
    from ledgernode.store.lmdb import LmdbStore
    from ledgernode.wire.genesis import chain_id

    if genesis is None:
        name = served_ledger(home, ledger)
        data, genesis = data_directory(home, name), genesis_path(home, name)
    else:
        data = home
    if not data.is_dir() or not any(data.iterdir()):
        raise Missing(f"there is no chain in {data} yet")
    genesis_bytes = genesis.read_bytes()
    store = LmdbStore(data)
    try:
        yield ChainStore.open(store, chain_id(genesis_bytes)), genesis_bytes
    finally:
        store.close()


def served_ledger(home: Path, named: str | None) -> str:
    """The ledger that was named, or the only one there is; refuses one that the node does not serve."""
    from ledgernode.identity.home import NodeConfig

    ledgers = NodeConfig.read(home).ledgers
    if named is not None and named not in ledgers:
        raise BadRequest(f"{home} serves no ledger {named}, but {', '.join(ledgers) or 'none'}")
    if named is None and len(ledgers) != 1:
        raise Conflict(f"{home} serves {', '.join(ledgers) or 'no ledger'}: name one with --ledger")
    return named or ledgers[0]
