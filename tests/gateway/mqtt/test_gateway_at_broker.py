"""A device, a real Mosquitto, a gateway and a node: readings arrive once, and nobody is believed too much."""

from __future__ import annotations

import asyncio
import json
import random
from typing import Any

import pytest

from gateway.mqtt.client import BrokerClient
from gateway.mqtt.topics import Kind
from gateway.v1 import gateway_pb2 as pb
from ledgernode.client import Ledger, Signed
from ledgernode.errors import CommitUnknown, LedgerError, UnknownTransaction
from ledgernode.wire.receipt import parse_receipt
from ledgernode.wire.transaction import parse_transaction
from tests.conditions import eventually
from tests.gateway.mqtt.listening import Listening
from tests.gateway.mqtt.running import BRANCH, access, device, meter
from tests.gateway.running import GatewayProcess, reading
from tests.mosquitto import Mosquitto
from tests.running import NodeProcess, Person

pytestmark = pytest.mark.slow
_NUMBERS = iter(range(1_000_000))


def fresh(person: Person, count: int = 1) -> list[Signed]:
    """Readings with numbers that no other test of this module uses, within the ledger's window."""
    return [reading(person, next(_NUMBERS)) for _ in range(count)]


def committed(ledger: Ledger, one: Signed) -> bool:
    try:
        return parse_receipt(ledger.transaction(one.id).receipt).succeeded
    except UnknownTransaction:
        return False


async def outcomes(client: BrokerClient, count: int) -> list[pb.Outcome]:
    found: list[pb.Outcome] = []
    async with asyncio.timeout(20):
        async for message in client.told():
            found += message.settled.outcomes
            if len(found) >= count:
                return found
    raise AssertionError("unreachable")


@pytest.mark.parametrize("version", ["5", "3.1.1"])
async def test_a_reading_is_safe_then_committed_and_the_device_hears_both(
    mqtt_gateway: GatewayProcess, broker: Mosquitto, node: NodeProcess, meters: list[Person], version: str
) -> None:
    sent = fresh(meters[0], 3)
    async with meter(broker, meters[0], version=version) as client:
        welcome = await client.connect()
        assert (welcome.chain_id, welcome.ledger) == (node.network.chain_id, "test")
        assert await client.send([one.envelope for one in sent]) == ["OK"] * 3
        told = await outcomes(client, 3)
    assert {(bytes(one.transaction_id), one.code) for one in told} == {(bytes(one.id), "OK") for one in sent}
    assert all(one.height for one in told)
    with node.ledger() as ledger:
        assert all(committed(ledger, one) for one in sent)


async def test_the_same_again_is_safe_and_takes_effect_once(
    mqtt_gateway: GatewayProcess, broker: Mosquitto, meters: list[Person]
) -> None:
    """In one message, in two, and as a duplicate of QoS 1 by the broker: they look the same."""
    (one,) = fresh(meters[0])
    async with meter(broker, meters[0]) as client:
        await client.connect()
        assert await client.send([one.envelope, one.envelope]) == ["OK", "OK"]
        assert {each.code for each in await outcomes(client, 1)} == {"OK"}
        assert await client.send([one.envelope]) == ["OK"]


async def test_what_can_never_be_right_is_refused_with_its_code(
    mqtt_gateway: GatewayProcess, broker: Mosquitto, meters: list[Person]
) -> None:
    """Each alone; the good one beside them is safe. A device brings what two have signed, itself and its customer."""
    (good,) = fresh(meters[1])
    altered = good.envelope[:-3] + bytes((good.envelope[-3] ^ 1,)) + good.envelope[-2:]
    customers, others = fresh(meters[2])[0].envelope, fresh(meters[0])[0].envelope
    async with meter(broker, meters[1]) as client:
        await client.connect()
        assert await client.send([b"noise", good.envelope, altered, customers, others, b"", bytes(200_000)]) == [
            "TRANSACTION_MALFORMED",
            "OK",
            "SIGNATURE_INVALID",
            "OK",
            "ROLE_REFUSED",
            "TRANSACTION_MALFORMED",
            "TRANSACTION_TOO_LARGE",
        ]


async def test_a_concentrator_carries_for_many(
    mqtt_gateway: GatewayProcess, broker: Mosquitto, meters: list[Person]
) -> None:
    """Several messages at the same time; each of them gets its own answer."""
    sent = [fresh(one, 2) for _ in range(4) for one in meters]
    async with device(broker, "concentrator") as client:
        await client.connect()
        answered = await asyncio.gather(*(client.send([one.envelope for one in part]) for part in sent))
        assert answered == [["OK", "OK"]] * len(sent)
        assert {one.code for one in await outcomes(client, 2 * len(sent))} == {"OK"}


async def test_an_answer_goes_where_it_was_asked_for_but_never_to_anothers_branch(
    mqtt_gateway: GatewayProcess, broker: Mosquitto, meters: list[Person]
) -> None:
    """MQTT 5: response topic and correlation data. Whoever lends its voice to a foreign topic is no post office."""
    from paho.mqtt.packettypes import PacketTypes
    from paho.mqtt.properties import Properties

    own, other = f"{BRANCH}/north/M-0", f"{BRANCH}/north/M-1"
    async with Listening(broker, f"{own}/#", f"{other}/#") as listening:
        for asked in (f"{own}/answers/mine", f"{other}/commands", f"{own}/+"):
            properties = Properties(PacketTypes.PUBLISH)
            properties.ResponseTopic, properties.CorrelationData = asked, asked.encode()
            message = pb.Transactions(number=7, envelopes=[fresh(meters[0])[0].envelope])
            listening.connection._client.publish(
                f"{own}/transactions", message.SerializeToString(), qos=1, properties=properties
            )

        def answered() -> Any:
            found = [one for one in listening.heard if "/answers" in one.topic]
            return len(found) == 3 and {(one.topic, one.correlation.decode()) for one in found}

        assert await eventually(answered) == {
            (f"{own}/answers/mine", f"{own}/answers/mine"),
            (f"{own}/answers", f"{other}/commands"),
            (f"{own}/answers", f"{own}/+"),
        }


async def test_garbage_is_refused_counted_and_hurts_nobody(
    mqtt_gateway: GatewayProcess, broker: Mosquitto, meters: list[Person]
) -> None:
    """A thousand messages of noise on every topic that is heard, some large; the log says little of it."""
    dice = random.Random(1)
    kinds = ["hello", "transactions", "readings", "received", "answers", "else"]
    logged = mqtt_gateway.log.read_text().count("refused at the broker")
    async with Listening(broker, f"{BRANCH}/gateways/#") as noisy:
        waiting = []
        for _ in range(1_000):
            names = [dice.choice(["north", "Nörth", "", "a" * 99]), dice.choice(["stranger", "m 1", "", "x" * 99])]
            topic = "/".join([BRANCH, *names, dice.choice(kinds)])
            if dice.random() < 0.2:
                topic = f"tele/{dice.choice(['plug', 'none', ''])}/SENSOR"
            size = dice.choice([0, 1, 10, 100, 5_000])
            waiting.append(noisy.connection.publish(topic, dice.randbytes(size)))
        waiting.append(noisy.connection.publish(f"{BRANCH}/north/stranger/transactions", bytes(1_050_000)))
        waiting.append(noisy.connection.publish(f"{BRANCH}/north/stranger/transactions", bytes(3_000_000)))
        await asyncio.wait({one for one in waiting if one is not None}, timeout=20)
        (one,) = fresh(meters[0])
        async with meter(broker, meters[0]) as client:
            await client.connect()
            assert await client.send([one.envelope]) == ["OK"]

        def counted() -> bool:
            said = [json.loads(one.payload) for one in noisy.heard if one.payload.startswith(b'{"there":true')]
            return bool(said) and set(said[-1]["refused"]) >= {"REQUEST_INVALID", "READING_INVALID", "TOPIC_UNKNOWN"}

        assert mqtt_gateway.process.poll() is None
        await eventually(counted, 40)
    assert mqtt_gateway.log.read_text().count("refused at the broker") - logged <= 2


def rows_of(node: NodeProcess, meter_name: str) -> Any:
    with node.ledger() as ledger:
        answer = ledger.evaluate("metering", "rows", {"meter": meter_name}, signer=node.network.admin.signer)
        return json.loads(answer.result)


async def test_a_device_that_has_described_itself_is_read_also_after_a_restart(
    mqtt_gateway: GatewayProcess, broker: Mosquitto, node: NodeProcess
) -> None:
    """Home Assistant's discovery is retained: a gateway that comes back is told again. A last will says nothing."""
    described = {"stat_t": "house/energy", "unit_of_meas": "kWh", "dev_cla": "energy", "stat_cla": "total_increasing"}
    async with Listening(broker, "house/none") as house:

        async def say(topic: str, payload: str, *, retain: bool = False) -> None:
            taken = house.connection.publish(topic, payload.encode(), retain=retain)
            assert taken is not None
            await taken

        await say("homeassistant/sensor/house/energy/config", json.dumps(described), retain=True)
        await say("house/LWT", "online", retain=True)
        await say("house/energy", "12.5")
        await eventually(lambda: len(rows_of(node, "north:discovered")) == 1)
        await asyncio.to_thread(mqtt_gateway.kill)
        await asyncio.to_thread(mqtt_gateway.start)
        for reading_kwh in range(13, 100):  # what comes before the description is not understood; the next holds it too
            await say("house/energy", str(reading_kwh))
            await asyncio.sleep(0.2)
            if len(rows := rows_of(node, "north:discovered")) > 1:
                break
    assert (rows[0][2], rows[1][2] % 1_000_000) == (12_500_000, 0)


async def test_a_device_of_a_known_format_is_signed_for(
    mqtt_gateway: GatewayProcess, broker: Mosquitto, node: NodeProcess
) -> None:
    """A Tasmota plug over TLS; what comes late, as QoS 1 may bring it, makes no row."""

    def rows() -> Any:
        return rows_of(node, "north:tasmota")

    async with Listening(broker, "tele/none") as plug:
        for total, count in ((1.5, 1), (1.75, 2), (1.7, 2), (2, 3)):
            payload = json.dumps({"Time": "2025-11-21T10:00:00", "ENERGY": {"Total": total, "Power": 60}})
            taken = plug.connection.publish("tele/plug/SENSOR", payload.encode())
            assert taken is not None
            await taken
            await eventually(lambda count=count: len(rows()) == count)
    assert [row[2] for row in rows()] == [1_500_000, 1_750_000, 2_000_000]


async def test_nobody_answers_where_no_gateway_is(broker: Mosquitto, mqtt_gateway: GatewayProcess) -> None:
    """The broker has the message; that is no promise, and the device knows it."""
    client = BrokerClient(access(broker, "north/stranger"), "elsewhere", "north/stranger", timeout_ms=500)
    async with client:
        with pytest.raises(CommitUnknown):
            await client.connect()


async def test_commands_reach_a_device_at_the_broker_and_end_with_its_transaction(
    mqtt_gateway: GatewayProcess, broker: Mosquitto, node: NodeProcess, relay: Person
) -> None:
    """Told while it is here; not while its will says that it is gone; again when it comes back; not once it is done."""
    identity = relay.signer.identity
    client = meter(broker, relay)
    await client.connect(devices=[identity])
    await asyncio.to_thread(say, node, "command", number=901, device=identity.hex(), action="start")
    assert (await next_command(client)).number == 901
    client.abort()
    await asyncio.to_thread(say, node, "command", number=902, device=identity.hex(), action="stop")
    async with meter(broker, relay) as again:
        await again.connect(devices=[identity])
        told = await next_command(again)
        assert told.number == 901, "in turns: the first is not done"
        await again.received(told)
        done = relay.signer.transaction("settlement", "acknowledge", {"command": 901}, budget=20_000, sequence=901)
        assert await again.send([done.envelope]) == ["OK"]
        while told.number == 901:
            told = await next_command(again)
        assert (told.number, told.kind, told.device) == (902, "delivery", identity)
        await asyncio.to_thread(say, node, "time_out", command=902)


def say(node: NodeProcess, function: str, **arguments: object) -> None:
    with node.ledger() as ledger:
        ledger.submit("settlement", function, arguments, signer=node.network.admin.signer)


async def next_command(client: BrokerClient) -> pb.Command:
    async with asyncio.timeout(20):
        async for message in client.told():
            if message.WhichOneof("content") == "command":
                return message.command
    raise AssertionError("unreachable")


async def test_a_device_that_cannot_sign_reports_over_its_own_account(
    mqtt_gateway: GatewayProcess, broker: Mosquitto
) -> None:
    """A meter nobody has named here is refused; the answer comes back."""
    async with device(broker, "plug-9") as client:
        await client.connect()
        assert await client.report("north:none", [pb.Reading(time_ms=1, import_mwh=1)]) == ["READING_INVALID"]
        await client.publish(Kind.READINGS, b"\xff\xff")


async def test_a_question_is_answered_by_the_ledger(
    mqtt_gateway: GatewayProcess, broker: Mosquitto, meters: list[Person]
) -> None:
    """As its device has signed it; with the ledger's own refusal where there is one."""
    (one,) = fresh(meters[0])
    signer = meters[0].signer
    key = f"{signer.identity.hex()[:8]}-{parse_transaction(one.envelope).body.replay.number}"  # type: ignore[union-attr]
    async with meter(broker, meters[0]) as client:
        await client.connect()
        assert await client.send([one.envelope]) == ["OK"]
        while one.id not in {bytes(each.transaction_id) for each in await outcomes(client, 1)}:
            pass  # of what came while nobody was here
        found = await client.ask(signer.query("notebook", "get", {"key": key}, budget=9_000))
        assert "x" * 60 in found.decode()
        with pytest.raises(LedgerError):
            await client.ask(signer.query("notebook", "nothing", {}, budget=9_000))
        with pytest.raises(LedgerError):
            await client.ask(b"noise")
