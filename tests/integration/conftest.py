"""What tests share: one running node, and a network of four for each engine. Real processes, mutual TLS."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ledgernode.client import Ledger
from ledgernode.identity.records import Role
from tests.networks import RunningNetwork
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


def _four(tmp_path_factory: pytest.TempPathFactory, engine: str) -> Iterator[RunningNetwork]:
    with RunningNetwork(tmp_path_factory.mktemp(engine) / "network", engine, 4) as running:
        running.deploy()
        yield running


@pytest.fixture(scope="session")
def pbft(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNetwork]:
    """Four validators under PBFT, with the notebook deployed. Every test leaves all of them running."""
    yield from _four(tmp_path_factory, "pbft")


@pytest.fixture(scope="session")
def pow_network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNetwork]:
    """Four miners, likewise."""
    yield from _four(tmp_path_factory, "pow")
