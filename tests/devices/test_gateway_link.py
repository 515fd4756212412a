"""The link of a meter, against gateways that say whatever a test wants."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import grpc
import msgspec

from devices.bearers import Bearer
from devices.gateway_link import INVENTED, GatewayLink, Way, masked
from devices.meter.events import Answer, ClockSynced, Effects, Event, LinkDown, LinkUp, Receipted, RecipientFound, Told
from gateway.client import GatewayClient
from gateway.v1 import gateway_pb2 as pb
from gateway.v1.gateway_pb2_grpc import GatewayServiceServicer, add_GatewayServiceServicer_to_server
from ledgernode.client import Signer
from ledgernode.identity.keys import PrivateKey
from ledgernode.wire.types import ChainId
from tests.conditions import eventually

CHAIN = ChainId(b"c" * 32)
SIGNER = Signer(PrivateKey.generate(), chain_id=CHAIN)
TIME_MS = 1_767_225_600_000
Behaviour = Callable[[pb.ConnectRequest], list[pb.ConnectResponse]]


class Gateway(GatewayServiceServicer):
    """Welcomes, then answers each message as it is told to."""

    def __init__(self, answer: Behaviour, chain: bytes = CHAIN) -> None:
        self.answer = answer
        self.chain = chain
        self.heard: list[pb.ConnectRequest] = []
        self.streams = 0

    async def Connect(self, requests: AsyncIterator[pb.ConnectRequest], context: Any) -> None:  # type: ignore[override]  # noqa: N802
        self.streams += 1
        messages = aiter(requests)
        await anext(messages)
        await context.write(
            pb.ConnectResponse(welcome=pb.Welcome(chain_id=self.chain, time_ms=TIME_MS, items=2, unanswered=8))
        )
        async for message in messages:
            self.heard.append(message)
            for response in self.answer(message):
                await context.write(response)


class Meter:
    """Notes what happens; answers what it is told with one code."""

    def __init__(self, code: str = "OK") -> None:
        self.events: list[Event] = []
        self.links: list[tuple[str, str]] = []
        self.code = code

    def step(self, event: Event) -> Effects:
        self.events.append(event)
        return Effects(answers=(Answer("", 0, self.code),) if isinstance(event, Told) else ())

    def of(self, kind: type[Event]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]


@asynccontextmanager
async def serving(*gateways: Gateway) -> AsyncIterator[list[str]]:
    servers, addresses = [], []
    for gateway in gateways:
        server = grpc.aio.server()
        add_GatewayServiceServicer_to_server(gateway, server)
        port = server.add_secure_port("127.0.0.1:0", grpc.local_server_credentials())
        await server.start()
        servers.append(server)
        addresses.append(f"127.0.0.1:{port}")
    try:
        yield addresses
    finally:
        for server in servers:
            await server.stop(0)


@asynccontextmanager
async def linked(meter: Meter, addresses: list[str], **changes: Any) -> AsyncIterator[GatewayLink]:
    def question(pan: str) -> bytes:
        return SIGNER.query("registry", "find_pan", {"pan": pan}, budget=1_000)

    credentials = grpc.local_channel_credentials()
    reached = [Bearer(one, partial(GatewayClient, one, credentials, timeout_ms=5_000)) for one in addresses]
    way = Way(SIGNER.identity, CHAIN, tuple(reached), question)._replace(**changes)
    link = GatewayLink(way, meter.step, lambda: TIME_MS, lambda *said: meter.links.append(said))
    running = asyncio.create_task(link.run())
    try:
        yield link
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def signed(sequence: int) -> tuple[str, int, bytes]:
    envelope = SIGNER.transaction("metering", "record", {"n": sequence}, budget=1_000, sequence=sequence).envelope
    return "meter", sequence, envelope


def answering(*codes: str, retry_ms: int = 0) -> Behaviour:
    """Each transaction the next code, then OK."""
    left = list(codes)

    def answer(message: pb.ConnectRequest) -> list[pb.ConnectResponse]:
        sent = message.transactions
        said = [pb.Answer(code=left.pop(0) if left else "OK", retry_ms=retry_ms) for _ in sent.envelopes]
        return [pb.ConnectResponse(answers=pb.Answers(number=sent.number, answers=said, time_ms=TIME_MS + 5))]

    return answer


async def played(gateway: Gateway, meter: Meter, do: Callable[[GatewayLink], Awaitable[None]]) -> None:
    async with serving(gateway) as addresses, linked(meter, addresses) as link:
        await eventually(lambda: meter.of(LinkUp))
        await do(link)


async def test_what_is_signed_goes_out_in_order_and_in_messages_that_the_gateway_takes() -> None:
    """Two a message here; and the gateway's time comes with each answer."""
    gateway, meter = Gateway(answering()), Meter()

    async def do(link: GatewayLink) -> None:
        for sequence in range(5):
            link.send(*signed(sequence))
        await eventually(lambda: sum(len(one.transactions.envelopes) for one in gateway.heard) == 5)
        brought = [raw for one in gateway.heard for raw in one.transactions.envelopes]
        assert brought == [signed(sequence)[2] for sequence in range(5)] or len(set(brought)) == 5
        assert max(len(one.transactions.envelopes) for one in gateway.heard) == 2
        await eventually(lambda: len(meter.of(ClockSynced)) >= 4)
        assert {one.true_ms for one in meter.of(ClockSynced)} == {TIME_MS, TIME_MS + 5}

    await played(gateway, meter, do)
    assert meter.of(LinkDown)


async def test_what_can_never_be_right_is_given_up_and_the_rest_is_tried_again() -> None:
    """After the pause that was advised."""
    gateway, meter = Gateway(answering("SIGNATURE_INVALID", "OUTBOX_FULL", retry_ms=1_000)), Meter()

    async def do(link: GatewayLink) -> None:
        link.send(*signed(1))
        link.send(*signed(2))
        await eventually(lambda: sum(len(one.transactions.envelopes) for one in gateway.heard) == 3)
        assert [(one.sequence, one.code) for one in meter.of(Receipted)] == [(1, "SIGNATURE_INVALID")]
        assert gateway.heard[1].transactions.envelopes[0] == gateway.heard[0].transactions.envelopes[1]

    await played(gateway, meter, do)


async def test_the_ledgers_word_becomes_a_receipt_of_whose_key_has_signed() -> None:
    """Also of what the process before this one has sent."""

    def settle(message: pb.ConnectRequest) -> list[pb.ConnectResponse]:
        outcomes = [
            pb.Outcome(creator=b"x" * 32, sequence=9, transaction_id=b"t" * 32, code="OK"),
            pb.Outcome(creator=SIGNER.identity, sequence=7, transaction_id=b"u" * 32, code="metering.HELD"),
        ]
        return [*answering()(message), pb.ConnectResponse(settled=pb.Settled(outcomes=outcomes))]

    meter = Meter()

    async def do(link: GatewayLink) -> None:
        link.send(*signed(1))
        await eventually(lambda: meter.of(Receipted))
        assert [(one.key, one.sequence, one.code) for one in meter.of(Receipted)] == [("meter", 7, "metering.HELD")]

    await played(Gateway(settle), meter, do)


async def test_a_gateway_of_another_ledger_is_left_for_the_next() -> None:
    wrong, right, meter = Gateway(answering(), chain=b"o" * 32), Gateway(answering()), Meter()
    async with serving(wrong, right) as addresses, linked(meter, addresses):
        await eventually(lambda: meter.links and meter.links[-1][0] == addresses[1])
    assert ("", "WRONG_CHAIN") in meter.links


async def test_the_first_gateway_is_tried_again_after_a_while_at_another() -> None:
    """A second bearer may cost by the byte; there is nothing to go back to from the first."""
    first, second, meter = Gateway(answering(), chain=b"o" * 32), Gateway(answering()), Meter()
    async with serving(first, second) as addresses, linked(meter, addresses, return_ms=300):
        await eventually(lambda: meter.links and meter.links[-1][0] == addresses[1])
        first.chain = CHAIN
        await eventually(lambda: meter.links[-1][0] == addresses[0])
        await asyncio.sleep(0.6)
        assert meter.links[-1][0] == addresses[0]


async def test_a_gateway_that_invents_is_left_for_the_next() -> None:
    """After three; what a service wants displayed does not count, and is not shown."""

    def invent(message: pb.ConnectRequest) -> list[pb.ConnectResponse]:
        kinds = ["display"] * INVENTED + ["supply"] * (INVENTED + 2)
        commands = [pb.ConnectResponse(command=pb.Command(number=n, kind=kind)) for n, kind in enumerate(kinds)]
        return [*answering()(message), *commands]

    liar, honest, meter = Gateway(invent), Gateway(answering()), Meter("COMMAND_UNPROVEN")
    async with serving(liar, honest) as addresses, linked(meter, addresses) as link:
        await eventually(lambda: meter.of(LinkUp))
        link.send(*signed(1))
        await eventually(lambda: meter.links and meter.links[-1][0] == addresses[1])
    assert ("", "PROOF_INVALID") in meter.links
    assert [one.kind for one in meter.of(Told)] == ["display"] * INVENTED + ["supply"] * INVENTED
    assert all(one.command_received.number < INVENTED for one in liar.heard if one.HasField("command_received"))


async def test_a_command_is_received_when_the_meter_has_taken_it() -> None:
    def tell(message: pb.ConnectRequest) -> list[pb.ConnectResponse]:
        if message.WhichOneof("content") != "transactions":
            return []
        command = pb.Command(number=message.transactions.number, kind="supply", device=SIGNER.identity, evidence=b"e")
        return [*answering()(message), pb.ConnectResponse(command=command)]

    gateway, meter = Gateway(tell), Meter("OUTBOX_FULL")

    async def do(link: GatewayLink) -> None:
        link.send(*signed(1))
        await eventually(lambda: meter.of(Told))
        meter.code = "OK"
        link.send(*signed(2))
        received = await eventually(
            lambda: [one for one in gateway.heard if one.WhichOneof("content") == "command_received"]
        )
        assert [one.command_received.number for one in received] == [2]
        assert meter.of(Told)[0].evidence == b"e"

    await played(gateway, meter, do)


async def test_whose_number_it_is_is_asked_by_the_meters_own_signature() -> None:
    """The answer is masked; no answer is none."""
    found: list[bytes] = [msgspec.json.encode({"point": "north:high-street-7", "pan": "1"}), b"null"]

    def reply(message: pb.ConnectRequest) -> list[pb.ConnectResponse]:
        number = message.question.number
        code = "OK" if found else "RATE_LIMITED"
        result = found.pop(0) if found else b""
        return [pb.ConnectResponse(reply=pb.Reply(number=number, code=code, result=result))]

    meter = Meter()

    async def do(link: GatewayLink) -> None:
        for pan in ("1", "2", "3"):
            link.ask(pan)
            await asyncio.sleep(0.1)
        await eventually(lambda: len(meter.of(RecipientFound)) == 2)
        assert [(one.pan, one.label) for one in meter.of(RecipientFound)] == [("1", "h***-s*****-7"), ("2", "")]

    await played(Gateway(reply), meter, do)


def test_a_point_is_masked_but_for_its_beginnings() -> None:
    assert [masked(point) for point in ("north:home-1", "north:x", "nothing")] == ["h***-1", "x", ""]
