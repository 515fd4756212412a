"""The broker of a demo: no password, no way in; one's own branch, and no other; a gateway and a meter work with it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.mqtt.broker import EmbeddedBroker, allowed
from gateway.mqtt.client import BrokerClient
from gateway.mqtt.connection import Access, Connection, Message
from ledgernode.errors import BadRequest, UnknownSigner
from ledgernode.identity.secret_file import create_secret
from tests.conditions import eventually
from tests.gateway.running import GatewayProcess, gateway_identity, reading
from tests.running import LEDGER, NodeProcess, Person

USERS = {"gateway-1": "g", "north/M-0": "m0", "north/M-1": "m1", "plug": "p"}
BRANCH = f"ledgernode/{LEDGER}"


@pytest.fixture
async def embedded() -> AsyncIterator[EmbeddedBroker]:
    broker = EmbeddedBroker(USERS, gateways=["gateway-1"])
    await broker.start()
    yield broker
    await broker.stop()


def access(broker: EmbeddedBroker, user: str, password: str = "") -> Access:
    password = password or USERS[user]
    return Access(
        broker.host, broker.port, user.replace("/", "-"), tls=None, username=user, password=password, version="3.1.1"
    )


@pytest.mark.parametrize(
    ("user", "topic", "says", "may"),
    [
        ("north/M-1", "ledgernode/market/north/M-1/transactions", True, True),
        ("north/M-1", "ledgernode/market/north/M-1/answers", False, True),
        ("north/M-1", "ledgernode/market/north/M-1/answers", True, False),
        ("north/M-1", "ledgernode/market/north/M-1/transactions", False, False),
        ("north/M-1", "ledgernode/market/north/M-2/transactions", True, False),
        ("north/M-1", "ledgernode/market/north/+/answers", False, False),
        ("north/M-1", "ledgernode/market/+/M-1/answers", False, False),
        ("north/M-1", "ledgernode/market/north/M-1/#", False, False),
        ("north/M-1", "ledgernode/#", False, False),
        ("north/M-1", "#", False, False),
        ("north/M-1", "+/market/north/M-2/answers", False, False),
        ("screen", "ledgernode/market/trades/+", False, True),
        ("screen", "ledgernode/market/trades/alpha", True, False),
        ("plug", "tele/plug/SENSOR", True, True),
        ("plug", "ledgernode/market/gateways/one", True, False),
    ],
)
def test_who_may_do_what(user: str, topic: str, says: bool, may: bool) -> None:
    assert allowed(user, topic, says=says) is may


async def test_it_listens_on_this_machine_unless_it_is_told_otherwise(embedded: EmbeddedBroker) -> None:
    with pytest.raises(BadRequest):
        await EmbeddedBroker({}).start("0.0.0.0")
    with pytest.raises(BadRequest, match="another process"):
        await EmbeddedBroker({}).start(port=embedded.port)
    assert embedded.host == "127.0.0.1"


@pytest.mark.parametrize(("user", "password"), [("north/M-0", "m1"), ("nobody", "x"), ("north/M-0", "ü"), ("", "")])
async def test_without_the_right_password_nobody_comes_in(embedded: EmbeddedBroker, user: str, password: str) -> None:
    wrong = access(embedded, "plug") if not user else access(embedded, user, password)
    connection = Connection(Access(**{**_fields(wrong), "username": user, "password": password}), lambda _one: None)
    with pytest.raises(UnknownSigner):
        await connection.open()


def _fields(access: Access) -> dict[str, object]:
    return {name: getattr(access, name) for name in access.__struct_fields__}


async def test_a_device_hears_and_says_its_own_only(embedded: EmbeddedBroker) -> None:
    heard: list[Message] = []
    meter, gateway = (Connection(access(embedded, user), heard.append) for user in ("north/M-0", "gateway-1"))
    await meter.open()
    await gateway.open()
    await gateway.subscribe([f"{BRANCH}/+/+/transactions"])
    await meter.subscribe([f"{BRANCH}/north/M-0/answers"])
    with pytest.raises(UnknownSigner):
        await meter.subscribe([f"{BRANCH}/north/M-1/answers"])
    meter.publish(f"{BRANCH}/north/M-1/transactions", b"another's")
    meter.publish(f"{BRANCH}/north/M-0/transactions", b"mine")
    gateway.publish(f"{BRANCH}/north/M-0/answers", b"answer")
    await eventually(lambda: {one.payload for one in heard} == {b"mine", b"answer"})
    await meter.close()
    await gateway.close()


async def test_what_is_kept_reaches_who_has_asked_for_it(embedded: EmbeddedBroker) -> None:
    """And nobody else: not who merely comes in after somebody has asked."""
    heard: list[str] = []
    gateway = Connection(access(embedded, "gateway-1"), lambda _one: None)
    screen = Connection(access(embedded, "plug"), lambda one: heard.append(one.topic))
    await gateway.open()
    await gateway.subscribe([f"{BRANCH}/gateways/+", f"{BRANCH}/trades/+"])
    for name in ("gateways/gateway-1", "trades/alpha"):
        taken = gateway.publish(f"{BRANCH}/{name}", b"kept", retain=True)
        assert taken is not None
        await taken
    await screen.open()
    await screen.subscribe([f"{BRANCH}/trades/+"])
    gateway.publish(f"{BRANCH}/trades/beta", b"said now")
    await eventually(lambda: f"{BRANCH}/trades/beta" in heard)
    assert heard == [f"{BRANCH}/trades/alpha", f"{BRANCH}/trades/beta"]
    await screen.close()
    await gateway.close()


@pytest.mark.slow
async def test_a_gateway_and_a_meter_work_with_it(
    embedded: EmbeddedBroker, node: NodeProcess, meters: list[Person], tmp_path: Path
) -> None:
    """Without TLS, on this machine, in MQTT 3.1.1; also when the gateway is killed in between."""
    create_secret(tmp_path / "password", b"g")
    setting = {
        "address": embedded.address,
        "username": "gateway-1",
        "password_file": "password",
        "tls": False,
        "version": "3.1.1",
    }
    identity = gateway_identity(node.network, "gateway-embedded")
    starting = asyncio.to_thread(GatewayProcess, node.network, [node.endpoint], tmp_path, identity, broker=setting)
    with await starting as gateway:
        async with BrokerClient(access(embedded, "north/M-0"), LEDGER, "north/M-0") as client:
            await client.connect()
            assert await client.send([reading(meters[0], 850).envelope]) == ["OK"]
            await asyncio.to_thread(gateway.kill)
            waiting = asyncio.create_task(client.send([reading(meters[0], 851).envelope]))
            await asyncio.to_thread(gateway.start)
            assert await waiting == ["OK"]
