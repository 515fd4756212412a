"""What tests of a whole gateway share: a node, a gateway's identity, and meters."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ledgernode.identity.records import Role
from tests.gateway.running import GatewayProcess, gateway_identity
from tests.running import NOTEBOOK, NodeProcess, Person, SoloNetwork, deploy, register

CONTRACTS = Path(__file__).parent / "contracts"
METERING, SETTLEMENT = CONTRACTS / "metering.py", CONTRACTS / "settlement.py"


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeProcess]:
    with NodeProcess(SoloNetwork(tmp_path_factory.mktemp("network"))) as running:
        with running.ledger() as ledger:
            for contract in (NOTEBOOK, METERING, SETTLEMENT):
                deploy(ledger, running.network, contract)
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
    signer = node.network.newcomer("north", "edge-plug", Role.GATEWAY)
    with node.ledger() as ledger:
        register(ledger, node.network, signer)
    plug = {"channel": "north/plug/north:plug", "meter": "north:plug", "identity": str(signer.directory), "every_ms": 0}
    limits = {"handshake_ms": 2_000, "hello_ms": 1_000}
    settings = {"limits": limits, "edge": [plug], "observe": "127.0.0.1:0"}
    with GatewayProcess(node.network, [node.endpoint], directory, identity, **settings) as one:
        yield one
