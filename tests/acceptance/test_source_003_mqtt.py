"""Source 003, what devices and controllers hear of a trade over MQTT: a real broker, a gateway, a ledger of four."""

from __future__ import annotations

import asyncio

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

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


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
