"""What tests of a meter as a process share: a node with what a meter calls, and a gateway."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ledgernode.identity.records import Role
from tests.gateway.running import GatewayProcess, gateway_identity
from tests.running import NodeProcess, Person, SoloNetwork, deploy, register

CONTRACTS = Path(__file__).parent / "contracts"


@pytest.fixture(scope="package")
def meter_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeProcess]:
    with NodeProcess(SoloNetwork(tmp_path_factory.mktemp("meters"))) as running:
        with running.ledger() as ledger:
            for contract in sorted(CONTRACTS.glob("*.py")):
                deploy(ledger, running.network, contract)
        yield running


@pytest.fixture
def meter_person(meter_node: NodeProcess, request: pytest.FixtureRequest) -> Person:
    """A registered meter of this test's own."""
    name = f"m-{abs(hash(request.node.nodeid)):x}"[:20]
    person = meter_node.network.newcomer("north", name, Role.METER)
    with meter_node.ledger() as ledger:
        return register(ledger, meter_node.network, person)


@pytest.fixture(scope="package")
def meter_gateway(meter_node: NodeProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    identity = gateway_identity(meter_node.network)
    limits = {"connects_burst": 1_000, "command_again_ms": 1_000}
    directory = tmp_path_factory.mktemp("gateway")
    with GatewayProcess(meter_node.network, [meter_node.endpoint], directory, identity, limits=limits) as one:
        yield one
