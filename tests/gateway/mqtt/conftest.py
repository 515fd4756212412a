"""One broker with its gateway, for the tests of this folder that disturb neither."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ledgernode.identity.records import Role
from tests.gateway.mqtt.running import GATEWAYS, broker_setting, users
from tests.gateway.running import GatewayProcess, gateway_identity
from tests.mosquitto import Mosquitto
from tests.running import NodeProcess, Person, register

DEVICES = ("M-0", "M-1", "M-2", "relay-9", "plug-9", "concentrator", "stranger")
FORMATS = ("tele/+/SENSOR", "homeassistant/#", "house/#")


@pytest.fixture(scope="session")
def broker_identity(node: NodeProcess) -> Path:
    return gateway_identity(node.network, "broker")


@pytest.fixture(scope="session")
def broker(broker_identity: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    with Mosquitto(tmp_path_factory.mktemp("broker"), broker_identity, users(DEVICES)) as running:
        yield running


@pytest.fixture(scope="session")
def mqtt_gateway(
    node: NodeProcess, broker: Mosquitto, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GatewayProcess]:
    """It signs for a Tasmota plug, and for a meter that Home Assistant's discovery describes."""
    directory = tmp_path_factory.mktemp("mqtt-gateway")
    identity = gateway_identity(node.network, GATEWAYS[0] + "-mqtt")
    edge = []
    for channel, name in (("tele/plug", "tasmota"), ("house/energy", "discovered")):
        signer = node.network.newcomer("north", f"edge-{name}", Role.GATEWAY)
        with node.ledger() as ledger:
            register(ledger, node.network, signer)
        one = {"channel": channel, "meter": f"north:{name}", "identity": str(signer.directory), "every_ms": 0}
        edge.append(one)
    setting = broker_setting(broker, directory, formats=FORMATS, concentrators=["north/concentrator"])
    limits = {"broker_status_ms": 500}
    nodes = [node.endpoint]
    with GatewayProcess(node.network, nodes, directory, identity, broker=setting, edge=edge, limits=limits) as one:
        yield one


@pytest.fixture(scope="session")
def relay(node: NodeProcess) -> Person:
    """A registered device that is told what to do."""
    with node.ledger() as ledger:
        return register(ledger, node.network, node.network.newcomer("north", "relay-9", Role.METER))
