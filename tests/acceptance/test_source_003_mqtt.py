"""Source 003, what devices and controllers hear of a trade over MQTT: a real broker, a gateway, a ledger of four."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from gateway.mqtt.client import BrokerClient
from gateway.mqtt.connection import Connection, Message
from gateway.mqtt.topics import Topics
from gateway.v1 import gateway_pb2 as pb
from tests.acceptance.at_feeder import Feeder
from tests.acceptance.community import Call, Community
from tests.acceptance.trading import Market
from tests.conditions import eventually
from tests.running import LEDGER
from tests.suites.traffic import Measurement, told

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


DOCUMENT = Path(__file__).parents[2] / "docs" / "traffic.md"
MESSAGES = {
    "decentralised": "offer or request, decentralised",
    "centralised": "disclosure, and order, centralised (each)",
    "stream": "reading, over a stream",
    "broker": "reading, over a broker (MQTT 5, QoS 1)",
}


async def next_command(client: BrokerClient) -> pb.Command:
    async with asyncio.timeout(40):
        async for message in client.told():
            if message.WhichOneof("content") == "command":
                return message.command
    raise AssertionError("unreachable")


async def test_003_4_each_trade_reaches_the_controllers_and_both_ends(community: Community, feeder: Feeder) -> None:
    """003-4: the line `New Transaction #n: energy from seller → buyer` is published on the feeder's topic, once, also
    though the gateway is killed; both meters are told by numbered commands and acknowledge by what they sign, all of it
    over MQTT with TLS."""
    street = community.streets["told"]
    seller, buyer = street.houses
    heard: list[Message] = []
    screen = Connection(feeder.access("screen"), heard.append)
    await screen.open()
    await screen.subscribe([Topics(LEDGER).trades(street.feeder)])
    async with feeder.meter(seller) as selling, feeder.meter(buyer, version="3.1.1") as buying:
        for client, house in ((selling, seller), (buying, buyer)):
            await client.connect(devices=[house.meter.signer.identity])
        street.open()
        board = Market(street, "board")
        number = board.buy(buyer, board.order(seller, "offer", 1_000, 20)["number"])
        street.flow((0, 0), (0, 0))
        start, close = await asyncio.gather(next_command(selling), next_command(buying))
        text = f"New Transaction #{number}: energy from {seller.point} → {buyer.point}"
        assert (start.text, start.kind, close.number) == (text, "delivery", start.number + 1)
        await eventually(lambda: heard, 40)
        for client, house, command in ((selling, seller, start), (buying, buyer, close)):
            await client.received(command)
            arguments = {"command": command.number, "measured_mwh": 0}
            done = community.signed_by_device(Call(house.meter, "settlement", "acknowledge", arguments))
            assert await client.send([done.envelope]) == ["OK"]

        def acknowledged() -> bool:
            community.seen()
            found = [
                community.ask(house.meter, "settlement", "commands", point=house.point) for house in (seller, buyer)
            ]
            return [one[0]["status"] for one in found] == ["acknowledged"] * 2

        await eventually(acknowledged, 40)
        await asyncio.to_thread(feeder.gateway.kill)
        await asyncio.to_thread(feeder.gateway.start)
        second = board.buy(buyer, board.order(seller, "offer", 1_000, 20)["number"])
        street.flow((0, 0), (0, 0))
        await eventually(lambda: len(heard) >= 2, 40)
    assert [one.payload.decode() for one in heard] == [text, text.replace(f"#{number}", f"#{second}")]
    assert [dict(one.properties)["notice"] for one in heard] == ["1", "2"]
    await screen.close()


@pytest.mark.parametrize("community", ["pbft"], indirect=True, scope="session")
async def test_003_8_traffic_is_measured_as_the_table_beside_the_thesis_has_it(
    community: Community, feeder: Feeder
) -> None:
    """003-8: bytes and delay of each message of prosumers, counted on the line: as docs/traffic.md says, beside the
    thesis' tables. A slice of `tests.suites.traffic`, which measures two to seven of them."""
    measurement = Measurement(community.streets["traffic"], feeder.gateway, feeder.broker, feeder.access, rounds=2)
    found = await measurement.every(2)
    for kind, figures in found.items():
        [row] = re.findall(rf"^\| {re.escape(MESSAGES[kind])} \|(.*)\|$", DOCUMENT.read_text(), re.MULTILINE)
        said, heard = [int(cell) for cell in row.split("|")[:4]], row.split("|")[4].strip()
        counted = [figures.arguments, figures.envelope, figures.out, figures.back]
        assert counted == pytest.approx(said, rel=0.15), kind
        assert figures.heard == pytest.approx(float(heard or 0), rel=0.4), "of few messages pings are a part"
        delays = [*figures.committed_ms, *figures.heard_ms, *figures.safe_ms]
        assert 0 < min(delays) <= max(delays) < 40_000
    assert "| 2 |" in told({kind: [figures] for kind, figures in found.items()})
