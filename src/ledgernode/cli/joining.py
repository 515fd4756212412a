"""A node joins a ledger: its genesis, and the roots of those it will talk to; and gives it up again.

Both change the node's file last, which a running node follows: what it is told to serve is whole by then.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from ledgernode.errors import Conflict, Missing
from ledgernode.identity.authority import read_pem_file
from ledgernode.identity.certificates import read_certificate
from ledgernode.identity.founding import check_acceptances
from ledgernode.identity.home import (
    NodeConfig,
    data_directory,
    genesis_path,
    ledger_directory,
    tls_directory,
    validator_directory,
)
from ledgernode.identity.tls import ROOTS, is_under, split_roots, write_roots
from ledgernode.store.looking import holder_of
from ledgernode.wire.genesis import Genesis, chain_id, parse_genesis

_PAUSE_S: Final = 0.1


def join_ledger(home: Path, genesis_bytes: bytes, acceptances: Sequence[bytes]) -> str:
    """Write the genesis into the node's home, and answer the ledger's name.

    Refuses a genesis that does not hold or that some organisation has not accepted, and a name under which
    the node serves another ledger, one on which another body bears the name of the node's organisation, and
    one that only another node can serve.
    """
    check_acceptances(genesis_bytes, acceptances)
    genesis = parse_genesis(genesis_bytes)
    config, path = NodeConfig.read(home), genesis_path(home, genesis.name)
    founding = [root for organisation in genesis.organisations for root in organisation.roots]
    _require_own_name(home, config, genesis, founding)
    _require_seat_alone(home, genesis)
    if path.exists() and path.read_bytes() != genesis_bytes:
        raise Conflict(f"{home} serves another ledger of the name {genesis.name}")
    roots_file = tls_directory(home) / ROOTS
    known = split_roots(roots_file.read_text()) if roots_file.exists() else ()
    write_roots(tls_directory(home), dict.fromkeys((*known, *founding)))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(genesis_bytes)
    if genesis.name not in config.ledgers:
        msgspec.structs.replace(config, ledgers=(*config.ledgers, genesis.name)).write(home)
    return genesis.name


def drop_ledger(home: Path, name: str, *, erase: bool, wait_s: float) -> None:
    """Take a ledger out of what the node serves, with the roots that only this one needs; `erase` its data as well.

    A running node closes it by itself, and what it holds is erased once it has. Refuses a ledger that the node does not
    serve (or, to be erased, does not hold), and one that is still open after `wait_s`.
    """
    config, folder = NodeConfig.read(home), ledger_directory(home, name)
    if name not in config.ledgers and not (erase and genesis_path(home, name).exists()):
        raise Missing(f"{home} serves no ledger {name}, but {', '.join(config.ledgers) or 'none'}")
    left = tuple(one for one in config.ledgers if one != name)
    _forget_roots(home, name, left)
    msgspec.structs.replace(config, ledgers=left).write(home)
    if not erase:
        return
    ends = time.monotonic() + wait_s
    while (holder := holder_of(data_directory(home, name))) is not None:
        if time.monotonic() > ends:
            raise Conflict(f"process {holder or '?'} has ledger {name} still open; erase it when that has closed it")
        time.sleep(_PAUSE_S)
    shutil.rmtree(folder)


class HeldLedger(NamedTuple):
    """What is on the disk of a ledger; `process` is that which has it open (0: it does not say)."""

    ledger: str
    serves: bool
    chain_id: str
    engine: str
    founders: tuple[str, ...]
    database_bytes: int
    process: int | None


def held_ledgers(home: Path) -> list[HeldLedger]:
    """What there is in a node's home: each ledger that it serves, and each that it only keeps."""
    served = NodeConfig.read(home).ledgers
    kept = sorted(path.parent.name for path in (home / "ledgers").glob("*/genesis.json"))
    return [_described(home, name, serves=name in served) for name in (*served, *(n for n in kept if n not in served))]


def _described(home: Path, name: str, *, serves: bool) -> HeldLedger:
    raw = genesis_path(home, name).read_bytes()
    genesis, data = parse_genesis(raw), data_directory(home, name)
    files = data.iterdir() if data.is_dir() else ()
    return HeldLedger(
        ledger=name,
        serves=serves,
        chain_id=chain_id(raw).hex(),
        engine=genesis.engine.name,
        founders=tuple(organisation.name for organisation in genesis.organisations),
        database_bytes=sum(file.stat().st_size for file in files),
        process=holder_of(data),
    )


def _require_own_name(home: Path, config: NodeConfig, genesis: Genesis, founding: Sequence[str]) -> None:
    """Whoever bears our name with another root would be taken for our own people."""
    path = tls_directory(home) / "certificate.pem"
    named = any(one.name == config.organisation for one in genesis.organisations)
    if named and path.exists() and not is_under(read_pem_file(path), founding):
        raise Conflict(f"on ledger {genesis.name} {config.organisation} is another organisation than this node's")


def _require_seat_alone(home: Path, genesis: Genesis) -> None:
    """A ledger with a single validator is followed by nobody."""
    path = validator_directory(home) / "certificate.pem"
    if genesis.engine.name != "solo" or not path.exists():
        return
    (seat,) = (one for organisation in genesis.organisations for one in organisation.validators)
    if read_certificate(seat.certificate).public_key != read_certificate(read_pem_file(path)).public_key:
        raise Conflict(f"ledger {genesis.name} has one validator, of the engine solo, and it is another than this node")


def _forget_roots(home: Path, name: str, left: Sequence[str]) -> None:
    """Of `roots.pem`: the founders of this ledger who founded none that is left, but for our own."""
    folder = tls_directory(home)
    if not (folder / ROOTS).exists():
        return
    needed = {root for one in left for root in _founding_roots(home, one)}
    gone = set(_founding_roots(home, name)) - needed
    own = folder / "certificate.pem"
    if own.exists():
        gone = {root for root in gone if not is_under(read_pem_file(own), (root,))}
    write_roots(folder, [root for root in split_roots((folder / ROOTS).read_text()) if root not in gone])


def _founding_roots(home: Path, name: str) -> list[str]:
    genesis = parse_genesis(genesis_path(home, name).read_bytes())
    return [root for organisation in genesis.organisations for root in organisation.roots]
