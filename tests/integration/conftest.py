"""One running node for all tests that only use it: a process of its own, mutual TLS, a contract deployed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ledgernode.client import Ledger
from ledgernode.identity.records import Role
from tests.running import NodeProcess, Person, SoloNetwork, deploy, register


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeProcess]:
    directory: Path = tmp_path_factory.mktemp("network")
    with NodeProcess(SoloNetwork(directory)) as running:
        with running.ledger() as ledger:
            deploy(ledger, running.network)
        yield running


@pytest.fixture
def ledger(node: NodeProcess) -> Iterator[Ledger]:
    with node.ledger() as connected:
        yield connected


@pytest.fixture(scope="session")
def anna(node: NodeProcess) -> Person:
    """A registered customer of the first organisation."""
    with node.ledger() as ledger:
        return register(ledger, node.network, node.network.newcomer("north", "anna", Role.CUSTOMER))
