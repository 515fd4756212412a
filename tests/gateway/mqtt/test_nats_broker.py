"""NATS as the meters' broker: its MQTT listener in front, a gateway and a meter at it in MQTT 3.1.1, all it speaks.

Of MQTT 5 a gateway uses properties, reasons and shared subscriptions where a broker has them; NATS refuses version 5.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.mqtt.client import BrokerClient
from gateway.mqtt.connection import Access, Connection, Message
from ledgernode.errors import LedgerError
from ledgernode.identity.secret_file import create_secret
from tests.conditions import eventually
from tests.gateway.running import GatewayProcess, gateway_identity, reading
from tests.nats_cluster import NatsCluster
from tests.ports import fresh_port
from tests.running import LEDGER, NodeProcess, Person

pytestmark = pytest.mark.slow
USERS = {"gateway-1": "g", "north/M-0": "m0", "north/M-1": "m1"}


def own(name: str) -> str:
    """What a device may say and hear: its own branch, as subjects."""
    organisation, device = name.split("/")
    branch = f"ledgernode.{LEDGER}.{organisation}.{device}"
    heard = ", ".join(f'"{subject}"' for subject in (f"{branch}.>", f"ledgernode.{LEDGER}.gateways.>", "$MQTT.>"))
    return f'permissions: {{ publish: ["{branch}.>", "$MQTT.>"], subscribe: [{heard}] }}'


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    listens = fresh_port(1)
    users = "\n".join(
        f'{{ user: "{name}", password: "{password}", {own(name) if "/" in name else ""} }}'
        for name, password in USERS.items()
    )
    extra = (
        f"mqtt {{ listen: 127.0.0.1:{listens} }}\nno_auth_user: admin\n"
        f"authorization {{ users: [\n{users}\n{{ user: admin }}] }}"
    )
    with NatsCluster(tmp_path_factory.mktemp("nats"), 1, extra):
        yield listens


def access(port: int, user: str, version: str = "3.1.1") -> Access:
    name = user.replace("/", "-")
    return Access("127.0.0.1", port, name, tls=None, username=user, password=USERS[user], version=version)


async def test_a_gateway_and_a_meter_meet_at_nats(
    port: int, node: NodeProcess, meters: list[Person], tmp_path: Path
) -> None:
    """Readings are safe and committed; also when the gateway is killed in between."""
    create_secret(tmp_path / "password", b"g")
    setting = {
        "address": f"127.0.0.1:{port}",
        "username": "gateway-1",
        "password_file": "password",
        "tls": False,
        "version": "3.1.1",
    }
    identity = gateway_identity(node.network, "gateway-nats")
    starting = asyncio.to_thread(GatewayProcess, node.network, [node.endpoint], tmp_path, identity, broker=setting)
    with await starting as gateway:
        async with BrokerClient(access(port, "north/M-0"), LEDGER, "north/M-0") as client:
            await client.connect()
            assert await client.send([reading(meters[0], 860).envelope]) == ["OK"]
            await asyncio.to_thread(gateway.kill)
            waiting = asyncio.create_task(client.send([reading(meters[0], 861).envelope]))
            await asyncio.to_thread(gateway.start)
            assert await waiting == ["OK"]


async def test_a_device_hears_and_says_its_own_only_at_nats(port: int) -> None:
    """By the permissions of its user; a topic is a subject with dots for strokes."""
    heard: list[Message] = []
    meter, other = (Connection(access(port, user), heard.append) for user in ("north/M-0", "north/M-1"))
    await meter.open()
    await other.open()
    branch = f"ledgernode/{LEDGER}/north"
    await meter.subscribe([f"{branch}/M-0/answers"])
    with pytest.raises(LedgerError):
        await meter.subscribe([f"{branch}/M-1/answers"])
    other.publish(f"{branch}/M-0/answers", b"not its own")
    other.publish(f"{branch}/M-1/answers", b"its own, and not the meter's")
    gateway = Connection(access(port, "gateway-1"), lambda _one: None)
    await gateway.open()
    gateway.publish(f"{branch}/M-0/answers", b"answer")
    await eventually(lambda: [one.payload for one in heard] == [b"answer"])
    for one in (meter, other, gateway):
        await one.close()


async def test_nats_refuses_version_5(port: int) -> None:
    """So both sides are told `version` 3.1.1."""
    connection = Connection(access(port, "north/M-1", version="5"), lambda _one: None)
    with pytest.raises(LedgerError):
        await connection.open()
