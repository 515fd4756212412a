"""Every certificate of a consortium has ended: what nodes do then, and the way back, by the commands of the guide."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ledgernode.errors import NodeUnreachable
from ledgernode.identity.authority import DAY_MS, MEMBER_DAYS
from ledgernode.identity.founding import organisation_directory
from ledgernode.identity.home import tls_directory
from tests.cli.command_line import command, done
from tests.conditions import until
from tests.networks import RunningNetwork
from tests.running import NodeProcess, now_ms

pytestmark = pytest.mark.slow


@pytest.fixture
def asleep(tmp_path: Path) -> Iterator[RunningNetwork]:
    """Four validators by PBFT that were founded, switched off, and switched on again after more than a year."""
    long_ago = now_ms() - (MEMBER_DAYS + 35) * DAY_MS
    with RunningNetwork(tmp_path / "network", "pbft", 4, founded_ms=long_ago) as network:
        yield network


def answers(network: RunningNetwork, node: NodeProcess) -> bool:
    try:
        return network.status(node).height >= 0
    except NodeUnreachable:
        return False


def test_a_year_of_sleep_is_survived(asleep: RunningNetwork) -> None:
    """Nodes run, and say what has ended. With new TLS certificates, taken while they run, they reach each other; an
    admin whose key has ended goes on by `identity rotate`, as its refusal advises; then all is as before.
    """
    directory, nodes = asleep.founded.directory, asleep.founded.network.nodes
    until(lambda: all("certificate ended" in running.log.read_text() for running in asleep.nodes))
    assert all(running.running for running in asleep.nodes), "a node whose certificates have ended runs on"
    with pytest.raises(NodeUnreachable, match="certificate has expired"), asleep.nodes[0].ledger() as ledger:
        ledger.facts()

    for node in nodes:
        home, admin = directory / node.home, asleep.founded.person(node.organisation, "admin").directory
        for folder, request, names in (
            (tls_directory(home), "request.pem", ("--tls-name", "127.0.0.1")),
            (admin, "tls-request.pem", ()),
        ):
            authority = organisation_directory(directory, node.organisation)
            signed = directory / "signed.pem"
            done("identity", "sign", folder / request, "--org", authority, *names, "-o", signed)
            done("identity", "accept", folder, signed)
    for running in asleep.nodes:
        until(lambda running=running: answers(asleep, running))
    asleep.wait_until_all_linked()

    refused = command("identity", "resume", "north/admin", "--reason", "a test", "--network", directory)
    assert "SIGNER_EXPIRED" in refused.err
    assert "identity rotate" in refused.err
    for node in nodes:
        done("identity", "rotate", "--as", f"{node.organisation}/admin", "--network", directory)
    done("identity", "enroll", "customer-1", "--role", "customer", "--register", "--network", directory)
    asleep.wait_for_equal_heads()
