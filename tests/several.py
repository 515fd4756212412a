"""Organisations that found several ledgers together, each node of theirs serving those that it has a part in."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from ledgernode.cli.joining import join_ledger
from ledgernode.client import Ledger, Node
from ledgernode.identity.founding import accept_genesis, assemble_genesis, organisation_directory
from ledgernode.identity.home import NodeConfig, certify_node, request_node
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
from ledgernode.wire.genesis import GenesisEngine, GenesisOrganisation, chain_id
from ledgernode.wire.parameters import Parameters
from tests.ports import fresh_port
from tests.running import NodeProcess, Person, now_ms

ADMIN, VALIDATOR = "admin", "validator-1"
MINED = {"first_target_bits": 13, "interval_ms": 150, "depth_blocks": 3}


class Founded(NamedTuple):
    """One ledger."""

    name: str
    genesis: bytes
    members: tuple[str, ...]
    acceptances: tuple[bytes, ...]


class Organisations:
    """Each with an admin and the home of a node that serves nothing yet, in one folder."""

    def __init__(self, directory: Path, names: Sequence[str], **config: Any) -> None:
        self.directory = directory
        self.names = tuple(names)
        first = fresh_port(len(names))
        self.endpoints = {name: f"127.0.0.1:{first + number}" for number, name in enumerate(names)}
        self.ledgers: dict[str, Founded] = {}
        self.nodes: dict[str, SeveralNode] = {}
        for name in names:
            home = self.folder(name)
            create_organisation(home, name, now_ms=now_ms())
            new_identity(home, ADMIN, Role.ADMIN, now_ms=now_ms())
            self._make_node(name, config)

    def folder(self, organisation: str) -> Path:
        return organisation_directory(self.directory, organisation)

    def home(self, organisation: str) -> Path:
        return self.directory / "nodes" / organisation

    def _make_node(self, organisation: str, config: Mapping[str, Any]) -> None:
        home, owner = self.home(organisation), self.folder(organisation)
        validator, tls = request_node(home, organisation=organisation, name=VALIDATOR)
        chain = sign_request(owner, validator, now_ms=now_ms())
        certify_node(home, chain, sign_request(owner, tls, now_ms=now_ms(), tls_names=("localhost", "127.0.0.1")))
        made = NodeConfig(organisation, VALIDATOR, self.endpoints[organisation], ())
        msgspec.structs.replace(made, **config).write(home)

    def found(
        self,
        name: str,
        members: Sequence[str],
        *,
        engine: str = "solo",
        validators: Iterable[str] | None = None,
        options: Mapping[str, int] | None = None,
        parameters: Parameters | None = None,
    ) -> Founded:
        """A ledger of these organisations; `validators` have a seat (by default: as many as the engine takes)."""
        seated = set(validators or (members[:1] if engine == "solo" else members))
        bundles: list[GenesisOrganisation] = []
        for member in members:
            seat = {VALIDATOR: self.endpoints[member]} if member in seated else {}
            bundles.append(write_bundle(self.folder(member), seat))
        chosen = GenesisEngine(engine, dict(options or (MINED if engine == "pow" else {})))
        raw = assemble_genesis(bundles, name=name, engine=chosen, parameters=parameters, now_ms=now_ms())
        acceptances = tuple(accept_genesis(raw, load_identity(self.admin_folder(member))[0]) for member in members)
        self.ledgers[name] = founded = Founded(name, raw, tuple(members), acceptances)
        (self.directory / f"{name}.genesis.json").write_bytes(raw)
        self._tell_roots()
        return founded

    def admin_folder(self, organisation: str) -> Path:
        return identity_directory(self.folder(organisation), ADMIN)

    def _tell_roots(self) -> None:
        """To each admin, the roots of whom it shares a ledger with."""
        for name in self.names:
            known = [founded for founded in self.ledgers.values() if name in founded.members]
            shared = dict.fromkeys(member for founded in known for member in founded.members)
            write_roots(self.admin_folder(name), [write_bundle(self.folder(one), {}).roots[0] for one in shared])

    def join(self, organisation: str, *ledgers: str) -> None:
        for name in ledgers:
            founded = self.ledgers[name]
            join_ledger(self.home(organisation), founded.genesis, founded.acceptances)

    def person(self, organisation: str, ledger: str, name: str = ADMIN) -> Person:
        """Who signs for this ledger."""
        return Person(identity_directory(self.folder(organisation), name), chain_id(self.ledgers[ledger].genesis))

    def newcomer(self, organisation: str, name: str, role: Role) -> Path:
        """Somebody with certificates, who knows everyone whom their admin knows."""
        new_identity(self.folder(organisation), name, role, now_ms=now_ms())
        folder = identity_directory(self.folder(organisation), name)
        (folder / "roots.pem").write_bytes((self.admin_folder(organisation) / "roots.pem").read_bytes())
        return folder

    # ------------------------------------------------------------ running

    def start(self, *organisations: str) -> None:
        """Return when all of these serve."""
        for name in organisations or self.names:
            self.nodes[name] = SeveralNode(self, name)
        for name in organisations or self.names:
            self.nodes[name].wait_until_serving()

    def close(self) -> None:
        for node in self.nodes.values():
            if node.running:
                node.kill()

    def ledger(self, organisation: str, ledger: str, at: str = "", **options: Any) -> Ledger:
        """As an admin, at the node of their own organisation or of another."""
        person = self.person(organisation, ledger)
        return Ledger([self.endpoints[at or organisation]], ledger, person.credentials, **options)

    def operator(self, organisation: str) -> Node:
        known = next(name for name, founded in self.ledgers.items() if organisation in founded.members)
        return Node([self.endpoints[organisation]], self.person(organisation, known).credentials)


class SeveralNode(NodeProcess):
    """The node of one organisation, in the port that it was given."""

    def __init__(self, place: Organisations, organisation: str) -> None:
        super().__init__(None, place.home(organisation), place.endpoints[organisation], wait=False)  # type: ignore[arg-type]


def node_command(*arguments: object) -> list[str]:
    """`ledgernode node …`."""
    return [sys.executable, "-m", "ledgernode.cli", "node", *map(str, arguments)]
