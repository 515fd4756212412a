"""Who joins later and who leaves: nodes learn from the ledger whom to let in, without a restart or a file."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from ledgernode.client import Ledger
from ledgernode.errors import NodeUnreachable, RevokedSigner
from ledgernode.identity.founding import organisation_directory
from ledgernode.identity.organisation import (
    create_organisation,
    identity_directory,
    new_identity,
    read_root,
)
from ledgernode.identity.records import Role
from ledgernode.identity.tls import load_tls, write_roots
from ledgernode.wire.parameters import Parameters
from tests.conditions import until
from tests.networks import RECOVERY_SECONDS, RunningNetwork
from tests.running import START_SECONDS, FoundedNetwork, NodeProcess, Person, now_ms, register

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def newcomer(founded: FoundedNetwork, name: str) -> tuple[Person, str]:
    """An organisation that nobody knows yet: its admin, who knows everyone's root, and its own root."""
    home = organisation_directory(founded.directory, name)
    create_organisation(home, name, now_ms=now_ms())
    new_identity(home, "admin", Role.ADMIN, now_ms=now_ms())
    root = read_root(home)[1]
    write_roots(identity_directory(home, "admin"), (*load_tls(founded.admin.directory).roots, root))
    return founded.person(name, "admin"), root


class Seating:
    """`governance join`, run by the newcomer before anyone has let it in."""

    def __init__(self, network: RunningNetwork, admin: Person, chain: str, node: NodeProcess) -> None:
        self._network = network
        certificate = admin.directory / "its-validator.pem"
        certificate.write_text(chain)
        parts = ["--identity", admin.directory, "--genesis", network.founded.directory / "genesis.json"]
        parts += [part for one in network.nodes[:4] for part in ("--endpoint", one.endpoint)]
        program = [sys.executable, "-m", "ledgernode.cli", "governance", "join"]
        self.process = subprocess.Popen(
            [*program, certificate, node.endpoint, *map(str, parts)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def approve(self, ledger: Ledger) -> None:
        """The proposal that it makes by itself, by one founder after another until it is enacted."""
        made = until(lambda: self._open(ledger))
        for one in self._network.founded.admins[:4]:
            voted = ledger.submit("governance", "approve", {"proposal": made}, signer=one.signer)
            if json.loads(voted.result) == "enacted":
                return
        raise AssertionError("it was not enacted")

    def _open(self, ledger: Ledger) -> str:
        found = ledger.evaluate("governance", "proposals", {"stage": "open"}, signer=self._network.founded.admin.signer)
        return next((one["id"] for one in json.loads(found.result)["items"] if one["kind"] == "add_validator"), "")

    def ended(self) -> int:
        return self.process.wait(START_SECONDS)


def test_a_later_organisation_and_its_validator_are_let_in_by_the_ledgers_word(tmp_path: Path) -> None:
    """Its people are turned away before, and let in after the block; its validator is dialled and orders with them."""
    founding = RunningNetwork(tmp_path / "network", "pbft", 4, parameters=Parameters(set_change_window=2))
    with founding as network, ExitStack() as ending:
        network.deploy()
        founded, first = network.founded, network.nodes[0]
        admin, root = newcomer(founded, "isle")
        node, chain = network.new_node("isle")
        seating = Seating(network, admin, chain, node)
        ending.callback(seating.process.kill)
        with first.ledger(admin, timeout_ms=1_000) as stranger, pytest.raises(NodeUnreachable):
            stranger.facts()
        with network.ledger() as ledger:
            change = {"name": "isle", "roots": [root], "admins": [admin.certificate]}
            network.decide(ledger, "add_organisation", change)
            with first.ledger(admin) as member:
                assert member.facts().height > 0
            seating.approve(ledger)
            assert seating.ended() == 0
            network.end_epoch(ledger)
        network.require_progress()
        network.wait_for_equal_heads()
        ends = time.monotonic() + RECOVERY_SECONDS
        while time.monotonic() < ends:
            peers = {one.endpoint: one.connected for one in network.status(first).validators}
            if peers[node.endpoint]:
                break
            time.sleep(0.1)
        assert peers[node.endpoint]
        network.nodes[1].kill()
        network.require_progress([first, node])


def test_whoever_is_revoked_is_refused_with_the_next_call(node: NodeProcess) -> None:
    """The TLS certificate still holds; its name is that of a revoked identity. A successor of the name is let in."""
    carl = node.network.newcomer("north", "carl", Role.CUSTOMER)
    with node.ledger() as ledger, node.ledger(carl) as connected:
        assert connected.facts()
        identity = json.loads(
            ledger.submit(
                "identity", "register", {"certificate": carl.certificate}, signer=node.network.admin.signer
            ).result
        )
        assert connected.facts()
        arguments = {"identity": identity, "reason": "left"}
        ledger.submit("identity", "revoke", arguments, signer=node.network.admin.signer)
        with pytest.raises(RevokedSigner, match="carl"):
            connected.facts()
        again = Person(_renamed(node.network, "carl"), node.network.chain_id)
        register(ledger, node.network, again)
        assert connected.facts()


def _renamed(founded: FoundedNetwork, name: str) -> Path:
    """New keys and certificates under a name that was used before."""
    owner = organisation_directory(founded.directory, "north")
    identity_directory(owner, name).rename(identity_directory(owner, f"old-{name}"))
    new_identity(owner, name, Role.CUSTOMER, now_ms=now_ms())
    return identity_directory(owner, name)
