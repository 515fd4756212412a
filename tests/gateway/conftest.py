"""What tests of a whole gateway share: a node, a gateway's identity, and meters."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ledgernode.identity.records import Role
from tests.gateway.running import GatewayProcess, gateway_identity
from tests.running import NodeProcess, Person, SoloNetwork, deploy, register


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeProcess]:
    with NodeProcess(SoloNetwork(tmp_path_factory.mktemp("network"))) as running:
        with running.ledger() as ledger:
            deploy(ledger, running.network)
        yield running


@pytest.fixture(scope="session")
def meters(node: NodeProcess) -> list[Person]:
    """Three registered meters of the first organisation."""
    network = node.network
    with node.ledger() as ledger:
        return [register(ledger, network, network.newcomer("north", f"M-{number}", Role.METER)) for number in range(3)]


@pytest.fixture(scope="session")
def carrier(node: NodeProcess) -> Person:
    """A concentrator: it brings what others have signed."""
    return node.network.newcomer("north", "concentrator", Role.GATEWAY)


@pytest.fixture(scope="session")
def gateway(node: NodeProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    identity = gateway_identity(node.network)
    directory = tmp_path_factory.mktemp("gateway")
    with GatewayProcess(node.network, [node.endpoint], directory, identity, handshake_ms=2_000, hello_ms=1_000) as one:
        yield one
