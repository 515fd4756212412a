"""What devices may do wrong, or somebody in their place, on a running gateway with the real metering contract.

Each has its stable code, nothing of it is on the ledger, and the gateway serves the next one as before; over a stream
and by way of a broker (a real Mosquitto) alike, and over HTTP, where only the ledger says what became of it.
"""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Iterator
from itertools import count
from pathlib import Path
from random import Random
from typing import Any, TypeAlias

import grpc
import httpx
import pytest

from devices.fleet.directory import read_fleet_secret
from devices.fleet.meters import key_of
from devices.fleet.tap import Tap
from gateway.client import GatewayClient
from gateway.mqtt.client import BrokerClient
from gateway.v1 import gateway_pb2 as pb
from ledgernode.client import Signed, Signer
from ledgernode.errors import BadRequest, LedgerError, NodeUnreachable
from ledgernode.identity.identity_files import load_identity
from ledgernode.identity.organisation import identity_directory
from ledgernode.identity.records import Role
from ledgernode.identity.tls import load_tls, write_roots
from tests.cli.command_line import command, done
from tests.conditions import until
from tests.gateway.mqtt.running import access, broker_setting, users
from tests.gateway.running import GatewayProcess, gateway_identity
from tests.mosquitto import Mosquitto
from tests.networks import RunningNetwork
from tests.running import LEDGER, Person, now_ms

pytestmark = pytest.mark.slow
METERS = 24
WAYS = ("stream", "broker")
CARRIER, REVOKED = "fleet-carrier-1", "to-be-revoked"
Line: TypeAlias = "GatewayClient | BrokerClient"
YEAR_MS = 365 * 86_400_000
LIMITS = {
    "keepalive_ms": 2_000,
    "keepalive_answer_ms": 1_000,
    "handshake_ms": 2_000,
    "hello_ms": 1_000,
    "connects_burst": 1_000,
}


class Meter:
    """One of the enrolled meters, with a carrier's stream; numbers and registers of its own."""

    def __init__(self, place: int, signer: Signer) -> None:
        self.place = place
        self.signer = signer
        self.numbers = count(1)
        self.good: list[int] = []
        self.shown_mwh = 0

    def reading(self, number: int | None = None, **changed: Any) -> Signed:
        """A good one, but for what is changed."""
        number = next(self.numbers) if number is None else number
        row = {"sequence": number, "time_ms": now_ms(), "import_mwh": self.shown_mwh, "export_mwh": 0, "flags": 0}
        return self.signed([list({**row, **changed}.values())], number)

    def signed(self, rows: object, number: int, signer: Signer | None = None) -> Signed:
        arguments = rows if isinstance(rows, bytes) else json.dumps({"rows": rows, "columns": []}).encode()
        return (signer or self.signer).transaction("metering", "record", arguments, budget=20_000, sequence=number)


class Place:
    """The network, its gateway, and twelve meters."""

    def __init__(self, network: RunningNetwork, gateway: GatewayProcess, broker: Mosquitto, fleet: Path) -> None:
        self.network = network
        self.gateway = gateway
        self.broker = broker
        secret = read_fleet_secret(fleet)
        chain = network.founded.chain_id
        self.signers = [Signer(key_of(secret, place), chain_id=chain) for place in range(METERS)]
        self.carrier, self.other_carrier = (self._carrier(f"fleet-carrier-{number}") for number in (1, 2))
        self._places = iter(range(METERS))

    def http(self) -> httpx.AsyncClient:
        """The carrier, by its certificate."""
        folder = self.carrier.directory
        trust = ssl.create_default_context(cafile=str(folder / "roots.pem"))
        trust.load_cert_chain(folder / "tls-certificate.pem", folder / "tls-key.pem")
        return httpx.AsyncClient(base_url=f"https://localhost:{self.gateway.serving['http_port']}", verify=trust)

    def _carrier(self, name: str) -> Person:
        person = self.network.founded.person("north", name)
        write_roots(person.directory, load_tls(self.network.founded.admin.directory).roots)
        return person

    def line(self, person: Person, way: str) -> Line:
        """Over a stream, or as a device at the broker."""
        if way == "stream":
            return self.gateway.client(person)
        user = f"north/{person.directory.name}"
        return BrokerClient(access(self.broker, user), LEDGER, user)

    def meter(self) -> Meter:
        """One that no other test uses."""
        place = next(self._places)
        return Meter(place, self.signers[place])

    def rows(self, meter: Meter) -> list[list[int]]:
        """What the ledger has of this meter today."""
        day = now_ms() // 86_400_000
        with self.network.ledger() as ledger:
            arguments = {"meter": meter.signer.identity.hex(), "day": day}
            try:
                answer = ledger.evaluate("metering", "readings", arguments, signer=self.network.founded.admin.signer)
            except LedgerError:
                return []
            found: list[list[int]] = json.loads(answer.result)["rows"]
            return found

    def numbers(self, meter: Meter) -> list[int]:
        return [row[0] for row in self.rows(meter)]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    base = tmp_path_factory.mktemp("bad-input")
    with RunningNetwork(base / "network", "solo", 2) as network:
        done("fleet", "enrol", base / "fleet", "--meters", METERS, "--network", base / "network")
        identity = gateway_identity(network.founded)
        brokers = gateway_identity(network.founded, "broker")
        directory, http = base / "gateway", ("--http", "127.0.0.1:0")
        with Mosquitto(base / "broker", brokers, users((CARRIER, REVOKED))) as broker:
            setting = broker_setting(broker, directory, concentrators=[f"north/{CARRIER}"])
            with GatewayProcess(
                network.founded,
                network.endpoints,
                directory,
                identity,
                arguments=http,
                limits=LIMITS,
                broker=setting,
            ) as gateway:
                yield Place(network, gateway, broker, base / "fleet")


@pytest.fixture(params=WAYS)
async def stream(place: Place, request: pytest.FixtureRequest) -> AsyncIterator[Line]:
    """The carrier's."""
    async with place.line(place.carrier, request.param) as client:
        await client.connect()
        yield client


async def outcome(client: Line, signed: Signed) -> str:
    """What the ledger says of it, as the gateway tells."""
    async with asyncio.timeout(30):
        async for message in client.told():
            for one in message.settled.outcomes:
                if one.transaction_id == signed.id:
                    return str(one.code)
    raise AssertionError("unreachable")


async def settled(client: Line, *signed: Signed) -> list[str]:
    """Safe first; then what each came to."""
    codes: dict[bytes, str] = {}
    assert await client.send([one.envelope for one in signed]) == ["OK"] * len(signed)
    async with asyncio.timeout(30):
        async for message in client.told():
            codes |= {one.transaction_id: one.code for one in message.settled.outcomes}
            if all(one.id in codes for one in signed):
                return [codes[one.id] for one in signed]
    raise AssertionError("unreachable")


async def still_serves(place: Place, client: Line, meter: Meter) -> None:
    """A good reading of the same meter is taken as before, and nothing else of it stands on the ledger."""
    before = place.numbers(meter)
    good = meter.reading()
    assert await settled(client, good) == ["OK"]
    number = struct.unpack(">Q", good.envelope[129 + 89 : 129 + 97])[0]
    assert place.numbers(meter) == [*before, number]


# ---------------------------------------------------------------- who signs


async def test_a_reading_under_anothers_name_with_ones_own_key(place: Place, stream: Line) -> None:
    """The signature holds for the key it carries; that the key is not the meter's, the ledger knows. Until it knows
    better what is forged waits, in nobody's way: the meter's own reading of that number is taken meanwhile.
    """
    meter, other = place.meter(), place.meter()
    forged = Signer(key_of(b"x" * 32, 0), meter.signer.identity, chain_id=place.network.founded.chain_id)
    by_other = Signer(other.signer._key, meter.signer.identity, chain_id=place.network.founded.chain_id)
    row = [[7, now_ms(), 1_000_000, 0, 0]]
    assert await stream.send([meter.signed(row, 1, signer).envelope for signer in (forged, by_other)]) == ["OK"] * 2
    assert await settled(stream, meter.reading(1)) == ["OK"]
    assert place.numbers(meter) == [1]
    assert place.rows(meter)[0][2] == 0
    await still_serves(place, stream, other)


async def test_a_reading_that_was_heard_on_the_line_and_is_sent_again(place: Place, stream: Line) -> None:
    """The same bytes are told to be safe, for they are; they are one reading."""
    meter = place.meter()
    heard = meter.reading()
    assert await settled(stream, heard) == ["OK"]
    for _ in range(3):
        assert await stream.send([heard.envelope]) == ["OK"]
        await asyncio.sleep(0.3)
    assert place.numbers(meter) == [1]
    altered = heard.envelope[:-4] + b"9" + heard.envelope[-3:]
    assert await stream.send([altered]) == ["SIGNATURE_INVALID"]
    await still_serves(place, stream, meter)


async def test_another_reading_under_a_number_that_was_used(place: Place, stream: Line) -> None:
    """What a meter that lost its memory would send. Quietly put aside: the number was used, and that is told."""
    meter = place.meter()
    first = meter.reading()
    assert await settled(stream, first) == ["OK"]
    again = meter.reading(1, import_mwh=5)
    async with asyncio.timeout(20):
        while await stream.send([again.envelope]) == ["SEQUENCE_CONFLICT"]:  # noqa: ASYNC110  # a pause, then again
            await asyncio.sleep(0.2)  # the first is still on its way out
    assert await outcome(stream, again) == "SEQUENCE_REPLAYED"
    assert place.numbers(meter) == [1]


async def test_a_gap_and_a_step_back_of_numbers(place: Place, stream: Line) -> None:
    """Within the window in any order, each once; below it used; far above it waits for the numbers between."""
    meter = place.meter()
    assert await settled(stream, meter.reading(5)) == ["OK"]
    assert await settled(stream, meter.reading(3, time_ms=now_ms() - 1_000)) == ["OK"]
    assert await settled(stream, meter.reading(1_020)) == ["OK"]
    assert await settled(stream, meter.reading(1_100)) == ["OK"]
    assert await settled(stream, meter.reading(4)) == ["SEQUENCE_REPLAYED"]
    far = meter.reading(5_000)
    assert await stream.send([far.envelope]) == ["OK"]
    await asyncio.sleep(1)
    assert 4 not in place.numbers(meter)
    assert 5_000 not in place.numbers(meter)


# ---------------------------------------------------------------- what is in it


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e400", "1.5", '"12"', "9007199254740993", "null"])
async def test_numbers_that_are_none(place: Place, stream: Line, number: str) -> None:
    """Floats of every kind, and what does not fit: the ledger refuses the arguments before anything is executed."""
    meter = _meter_for_numbers(place)
    arguments = b'{"rows":[[1,%d,%s,0,0]]}' % (now_ms(), number.encode())
    code = (await settled(stream, meter.signed(arguments, next(meter.numbers))))[0]
    assert code == "ARGUMENTS_INVALID"
    assert place.numbers(meter) == []


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"import_mwh": -1}, "metering.ROW_INVALID"),
        ({"export_mwh": -(2**52)}, "metering.ROW_INVALID"),
        ({"flags": 70_000}, "metering.ROW_INVALID"),
        ({"time_ms": -1}, "metering.NOT_IN_ORDER"),
        ({"time_ms": 2**53 - 1}, "metering.IN_FUTURE"),
    ],
)
async def test_rows_that_cannot_be(place: Place, stream: Line, changed: dict[str, int], code: str) -> None:
    meter = _meter_for_numbers(place)
    assert await settled(stream, meter.reading(**changed)) == [code]
    assert place.numbers(meter) == []


async def test_an_absurd_register_is_held_and_counts_for_nothing(place: Place, stream: Line) -> None:
    """90 MWh in a second: it is kept, for staff to look at, and the next good one is believed."""
    meter = place.meter()
    assert await settled(stream, meter.reading()) == ["OK"]
    assert await settled(stream, meter.reading(import_mwh=90_000_000_000)) == ["OK"]
    meter.shown_mwh = 10
    assert await settled(stream, meter.reading()) == ["OK"]
    with place.network.ledger() as ledger:
        arguments = {"meter": meter.signer.identity.hex()}
        answer = ledger.evaluate("metering", "head", arguments, signer=place.network.founded.admin.signer)
    head = json.loads(answer.result)
    assert (head["last_sequence"], head["last"]["import_mwh"]) == (3, 10)


@pytest.mark.parametrize("years", [-20, 3, 80])
async def test_a_clock_that_is_years_off(place: Place, stream: Line, years: int) -> None:
    """Ahead is refused with a code. Long ago is what it showed before it hung there: none of the point's."""
    meter = _meter_for_numbers(place)
    signed = meter.reading(time_ms=now_ms() + years * YEAR_MS)
    assert await settled(stream, signed) == ["metering.IN_FUTURE" if years > 0 else "OK"]
    assert place.numbers(meter) == []


_NUMBERS: list[Meter] = []


def _meter_for_numbers(place: Place) -> Meter:
    """One meter for all of these: nothing of them is ever there."""
    if not _NUMBERS:
        _NUMBERS.append(place.meter())
    return _NUMBERS[0]


# ---------------------------------------------------------------- how it comes


async def test_an_oversized_message_ends_its_stream_and_nothing_else(place: Place, stream: Line) -> None:
    meter = place.meter()
    async with place.gateway.client(place.other_carrier) as other:
        await other.connect()
        with pytest.raises(LedgerError) as raised:
            await other.send([bytes(120_000)] * 20)
        assert raised.value.code in {"EXHAUSTED", "NODE_UNREACHABLE", "RATE_LIMITED"}
        await still_serves(place, stream, meter)


@pytest.mark.parametrize("seed", range(3))
async def test_garbage_instead_of_messages(place: Place, seed: int) -> None:
    """Random bytes as messages over a good stream, and on the port: no failure of ours, and none is logged."""
    chance = Random(seed)
    call_of = "/gateway.v1.GatewayService/Connect"
    async with place.gateway.client(place.carrier) as client:
        call: Any = client._channel.stream_stream(call_of, request_serializer=bytes, response_deserializer=bytes)()
        await call.write(chance.randbytes(200))
        assert await call.code() is grpc.StatusCode.INVALID_ARGUMENT
    with socket.create_connection(_address(place), 10) as raw:
        raw.sendall(chance.randbytes(4_000))
        raw.settimeout(20)
        assert until(lambda: _is_over(raw))
    async with place.gateway.client(place.carrier) as client:
        assert (await client.connect()).ledger == "test"
    assert "Traceback" not in place.gateway.log.read_text()


async def test_a_hello_twice_and_a_message_without_content(place: Place) -> None:
    async with place.gateway.client(place.carrier) as client:
        await client.connect()
        await client._write(pb.ConnectRequest(hello=pb.Hello()))
        assert isinstance(await client.ended(), BadRequest)
    async with place.gateway.client(place.carrier) as client:
        await client.connect()
        await client._write(pb.ConnectRequest())
        assert isinstance(await client.ended(), BadRequest)


def test_a_connection_without_a_stream_is_dropped(place: Place) -> None:
    """TLS holds, HTTP/2 has begun, and then nothing comes any more."""
    with _tls(place) as connection:
        connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes.fromhex("000000040000000000"))
        connection.settimeout(1)
        assert until(lambda: _is_over(connection), 45)


async def test_a_stream_whose_other_end_is_gone_is_dropped(place: Place) -> None:
    """Half-open: the line is cut behind a router, and no end is told. Pings stay unanswered."""
    async with Tap(place.gateway.endpoint) as tap:
        client = GatewayClient(tap.endpoint, place.carrier.credentials)
        await client.connect()
        tap.hold()
        await asyncio.wait_for(tap.dropped.wait(), 45)
        await client.close()


def test_a_handshake_that_comes_byte_by_byte_is_dropped(place: Place) -> None:
    """Who takes longer than the time for it has lost his place, however alive he looks."""
    hello = bytes.fromhex("1603010200010001fc0303") + bytes(500)
    with socket.create_connection(_address(place), 10) as raw:
        raw.settimeout(0.3)

        def sent_on() -> bool:
            try:
                raw.sendall(hello[:1])
                return _is_over(raw)
            except TimeoutError:
                return False
            except OSError:
                return True

        assert until(sent_on, 30)


def _address(place: Place) -> tuple[str, int]:
    host, _, port = place.gateway.endpoint.partition(":")
    return host, int(port)


def _tls(place: Place) -> ssl.SSLSocket:
    folder = place.carrier.directory
    context = ssl.create_default_context(cafile=str(folder / "roots.pem"))
    context.set_alpn_protocols(["h2"])
    context.load_cert_chain(folder / "tls-certificate.pem", folder / "tls-key.pem")
    return context.wrap_socket(socket.create_connection(_address(place), 10), server_hostname="localhost")


def _is_over(connection: socket.socket) -> bool:
    try:
        return connection.recv(4_096) == b""
    except TimeoutError:
        return False
    except OSError:
        return True


async def test_over_http_the_same_is_refused_or_counts_for_nothing(place: Place) -> None:
    """Wrong keys, replays, other contents, altered bytes, rows that cannot be, clocks ahead, noise, too much."""
    meter, other = place.meter(), place.meter()
    good = meter.reading(1)
    altered = good.envelope[:-4] + b"9" + good.envelope[-3:]
    forged = meter.signed(
        [[2, now_ms(), 5, 0, 0]], 2, Signer(other.signer._key, meter.signer.identity, chain_id=meter.signer.chain_id)
    )
    not_a_number = meter.signed(b'{"rows":[[1,%d,NaN,0,0]],"columns":[]}' % now_ms(), 3)
    rows = [{"import_mwh": -1}, {"flags": 70_000}, {"time_ms": now_ms() + 80 * YEAR_MS}]
    wrong = [meter.reading(number, **changed) for number, changed in enumerate(rows, 4)]
    async with place.http() as client:

        async def codes(*envelopes: bytes) -> list[str]:
            message = pb.Transactions(envelopes=envelopes).SerializeToString()
            media = {"content-type": "application/x-protobuf"}
            answer = await client.post("/api/v1/readings", content=message, headers=media)
            assert (answer.status_code == 200) is all(one["code"] == "OK" for one in answer.json()["answers"])
            return [str(one["code"]) for one in answer.json()["answers"]]

        assert await codes(good.envelope) == ["OK"]
        await asyncio.to_thread(until, lambda: place.numbers(meter) == [1])
        assert await codes(good.envelope, altered, b"noise") == ["OK", "SIGNATURE_INVALID", "TRANSACTION_MALFORMED"]
        assert set(await codes(meter.reading(1, import_mwh=7).envelope)) <= {"OK", "SEQUENCE_CONFLICT"}
        bad = [forged, not_a_number, *wrong]
        assert await codes(*(one.envelope for one in bad)) == ["OK"] * len(bad)
        much = await client.post("/api/v1/readings", content=bytes(1_000_000))
        assert much.status_code in (413, 415)
        assert await codes(meter.reading(20).envelope) == ["OK"]
        await asyncio.to_thread(until, lambda: 20 in place.numbers(meter))
    assert place.numbers(meter) == [1, 20]
    assert place.rows(meter)[0][2] == 0


# ---------------------------------------------------------------- who is not welcome any more


@pytest.mark.parametrize("way", WAYS)
async def test_a_meter_that_is_revoked_while_it_is_connected(place: Place, way: str) -> None:
    """What it sends is told to be safe once, refused by the ledger, and from then on by the gateway."""
    founded = place.network.founded
    name = REVOKED if way == "broker" else f"{REVOKED}-too"
    person: Person = founded.newcomer("north", name, Role.METER)
    with place.network.ledger() as ledger:
        admin = founded.admin.signer
        ledger.submit("identity", "register", {"certificate": load_identity(person.directory)[1]}, signer=admin)
        async with place.line(person, way) as client:
            await client.connect()
            revoked = {"identity": person.signer.identity.hex(), "reason": "stolen"}
            await asyncio.to_thread(ledger.submit, "identity", "revoke", revoked, signer=admin)
            meter = Meter(0, person.signer)
            assert await settled(client, meter.reading()) == ["SIGNER_REVOKED"]
            assert await client.send([meter.reading().envelope]) == ["SIGNER_REVOKED"]


# ---------------------------------------------------------------- what an operator sees of it


def test_repeats_are_no_errors_to_an_operator(place: Place) -> None:
    """What is put aside is listed with its code; numbers that were used already are counted, and shown when asked."""
    assert identity_directory(place.network.founded.directory / "organisations" / "north", "gateway-1").exists()
    assert place.gateway.terminate() == 0
    assert "never retrieved" not in place.gateway.log.read_text()
    kept = place.gateway.directory
    listed = command("gateway", "refused", kept, "--json").document
    codes = {one["code"] for one in listed["refused"]}
    assert {"ARGUMENTS_INVALID", "metering.IN_FUTURE", "SIGNER_REVOKED"} <= codes
    assert "SEQUENCE_REPLAYED" not in codes
    assert listed["repeats"] >= 2
    every = command("gateway", "refused", kept, "--repeats", "--json").document
    assert sum(one["code"] == "SEQUENCE_REPLAYED" for one in every["refused"]) == listed["repeats"]
    with pytest.raises((ConnectionError, NodeUnreachable)):
        socket.create_connection(_address(place), 1)
