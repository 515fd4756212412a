"""A node joins a ledger: its genesis, and the roots of those it will talk to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from ledgernode.errors import Conflict
from ledgernode.identity.founding import check_acceptances
from ledgernode.identity.home import NodeConfig, genesis_path, tls_directory
from ledgernode.identity.tls import ROOTS, split_roots, write_roots
from ledgernode.wire.genesis import parse_genesis


def join_ledger(home: Path, genesis_bytes: bytes, acceptances: Sequence[bytes]) -> str:
    """Write the genesis into the node's home, and answer the ledger's name.

    Refuses a genesis that does not hold or that some organisation has not accepted, and a name under which
    the node serves another ledger.
    """
    check_acceptances(genesis_bytes, acceptances)
    genesis = parse_genesis(genesis_bytes)
    config, path = NodeConfig.read(home), genesis_path(home, genesis.name)
    if path.exists() and path.read_bytes() != genesis_bytes:
        raise Conflict(f"{home} serves another ledger of the name {genesis.name}")
    roots_file = tls_directory(home) / ROOTS
    known = split_roots(roots_file.read_text()) if roots_file.exists() else ()
    founding = [root for organisation in genesis.organisations for root in organisation.roots]
    write_roots(tls_directory(home), dict.fromkeys((*known, *founding)))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(genesis_bytes)
    if genesis.name not in config.ledgers:
        msgspec.structs.replace(config, ledgers=(*config.ledgers, genesis.name)).write(home)
    return genesis.name
