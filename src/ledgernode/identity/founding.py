"""Founding a ledger: from the organisations' public bundles to one genesis file.

Each founder assembles or receives the file, checks it, and accepts it with an admin's key. On one
machine `found_network` does all of it at once, for development and demonstrations: every key is
still born in the directory of whom it belongs to, and only requests and certificates pass between.

    DIR/organisations/ORG/…   identity.organisation
    DIR/nodes/ORG-1/…         identity.home
    DIR/genesis.json  DIR/network.json
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import msgspec

from ledgernode.errors import BadGenesis
from ledgernode.identity.acceptance import accept_genesis, check_acceptances
from ledgernode.identity.engine_options import CONCENTRATION_ALLOWED
from ledgernode.identity.genesis_rules import ENGINES, check_genesis
from ledgernode.identity.home import NodeConfig, certify_node, genesis_path, request_node, tls_directory
from ledgernode.identity.identity_files import load_identity
from ledgernode.identity.organisation import (
    create_organisation,
    identity_directory,
    new_identity,
    sign_request,
    write_bundle,
)
from ledgernode.identity.records import Role
from ledgernode.identity.tls import write_roots
from ledgernode.wire.genesis import (
    EXECUTION_VERSION,
    FORMAT,
    Genesis,
    GenesisEngine,
    GenesisOrganisation,
    chain_id,
    encode_genesis,
)
from ledgernode.wire.parameters import Parameters
from ledgernode.wire.types import TimeMs
from ledgernode.wire.unreadable import UNREADABLE

__all__ = [
    "CONCENTRATION_ALLOWED",
    "ENGINES",
    "Network",
    "NetworkNode",
    "accept_genesis",
    "assemble_genesis",
    "check_acceptances",
    "check_genesis",
    "found_network",
    "read_network",
]

ADMIN: Final = "admin"
VALIDATOR: Final = "validator-1"
NETWORK: Final = "network.json"
LOCAL_NAMES: Final = ("localhost", "127.0.0.1")


class NetworkNode(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`home` is relative to the network's directory."""

    name: str
    organisation: str
    endpoint: str
    home: str


class Network(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`network.json`: where things are. Public."""

    ledger: str
    chain_id: str
    engine: str
    organisations: tuple[str, ...]
    nodes: tuple[NetworkNode, ...]


def assemble_genesis(
    bundles: Sequence[GenesisOrganisation],
    *,
    name: str,
    engine: GenesisEngine,
    policy: str = "majority",
    parameters: Parameters | None = None,
    now_ms: int,
    execution_version: int = EXECUTION_VERSION,
) -> bytes:
    """The genesis file of these organisations, in the order of their names; refuses one that does not hold."""
    genesis = Genesis(
        format=FORMAT,
        name=name,
        created_ms=TimeMs(now_ms),
        organisations=tuple(sorted(bundles, key=lambda bundle: bundle.name)),
        engine=engine,
        policy=policy,
        execution_version=execution_version,
        parameters=parameters or Parameters(),
    )
    raw = encode_genesis(genesis)
    check_genesis(raw)
    return raw


def found_network(
    directory: Path,
    *,
    organisations: Sequence[str],
    ledger: str,
    engine: str,
    base_port: int,
    parameters: Parameters,
    now_ms: int,
    options: Mapping[str, int] | None = None,
    execution_version: int = EXECUTION_VERSION,
) -> Network:
    """Make organisations, one validator home each (`solo`: the first one's only), genesis and network.json.

    All of it appears at once, or nothing does. Refuses a directory with anything in it, and whatever
    `check_genesis` refuses.
    """
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise BadGenesis(f"{directory} is not empty: a network is founded in a new directory")
    directory.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f".{directory.name}-", dir=directory.parent) as stage:
        place = Path(stage) / directory.name
        place.mkdir(mode=0o700)
        network = _found(
            place,
            organisations=organisations,
            ledger=ledger,
            engine=GenesisEngine(engine, dict(options or {})),
            base_port=base_port,
            parameters=parameters,
            now_ms=now_ms,
            execution_version=execution_version,
        )
        place.rename(directory)
    return network


def read_network(directory: Path) -> Network:
    """Refuses a directory that `found_network` did not make."""
    path = directory / NETWORK
    try:
        return msgspec.json.decode(path.read_bytes(), type=Network)
    except (OSError, *UNREADABLE) as error:
        raise BadGenesis(f"{directory} holds no network: {NETWORK} cannot be read") from error


def _found(
    directory: Path,
    *,
    organisations: Sequence[str],
    ledger: str,
    engine: GenesisEngine,
    base_port: int,
    parameters: Parameters,
    now_ms: int,
    execution_version: int,
) -> Network:
    hosts = organisations[:1] if engine.name == "solo" else organisations
    nodes = tuple(
        NetworkNode(f"{organisation}-1", organisation, f"127.0.0.1:{base_port + number}", f"nodes/{organisation}-1")
        for number, organisation in enumerate(hosts)
    )
    bundles = [_found_organisation(directory, organisation, nodes, now_ms) for organisation in organisations]
    raw = assemble_genesis(
        bundles,
        name=ledger,
        engine=engine,
        parameters=parameters,
        now_ms=now_ms,
        execution_version=execution_version,
    )
    _hand_out(directory, raw, bundles, nodes, ledger)
    network = Network(ledger, chain_id(raw).hex(), engine.name, tuple(organisations), nodes)
    (directory / NETWORK).write_bytes(msgspec.json.format(msgspec.json.encode(network), indent=2) + b"\n")
    return network


def organisation_directory(directory: Path, organisation: str) -> Path:
    return directory / "organisations" / organisation


def _found_organisation(
    directory: Path, organisation: str, nodes: Sequence[NetworkNode], now_ms: int
) -> GenesisOrganisation:
    home = organisation_directory(directory, organisation)
    create_organisation(home, organisation, now_ms=now_ms)
    new_identity(home, ADMIN, Role.ADMIN, now_ms=now_ms)
    validators: dict[str, str] = {}
    for node in nodes:
        if node.organisation == organisation:
            _certify_node(home, directory / node.home, organisation, now_ms)
            validators[VALIDATOR] = node.endpoint
    return write_bundle(home, validators)


def _certify_node(home: Path, node: Path, organisation: str, now_ms: int) -> None:
    """Keys are born in the node's folder, their requests are signed in the organisation's."""
    validator, tls = request_node(node, organisation=organisation, name=VALIDATOR)
    certify_node(
        node,
        sign_request(home, validator, now_ms=now_ms),
        sign_request(home, tls, now_ms=now_ms, tls_names=LOCAL_NAMES),
    )


def _hand_out(
    directory: Path,
    raw: bytes,
    bundles: Sequence[GenesisOrganisation],
    nodes: Sequence[NetworkNode],
    ledger: str,
) -> None:
    """Every organisation accepts; then the genesis and all roots go to whoever needs them."""
    admins = [identity_directory(organisation_directory(directory, bundle.name), ADMIN) for bundle in bundles]
    check_acceptances(raw, [accept_genesis(raw, load_identity(admin)[0]) for admin in admins])
    roots = [root for bundle in bundles for root in bundle.roots]
    (directory / "genesis.json").write_bytes(raw)
    for admin in admins:
        write_roots(admin, roots)
    for node in nodes:
        home = directory / node.home
        write_roots(tls_directory(home), roots)
        path = genesis_path(home, ledger)
        path.parent.mkdir(parents=True)
        path.write_bytes(raw)
        NodeConfig(node.organisation, VALIDATOR, node.endpoint, (ledger,)).write(home)
