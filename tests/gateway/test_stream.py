"""One stream without a network: who does not read, whose certificate ends, and what a full disk answers."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gateway.edge.formats import Formats
from gateway.edge.signer import EdgeSigner
from gateway.intake.desk import Desk
from gateway.intake.stream import DeviceStream
from gateway.outbox.entry import Sender
from gateway.outbox.outbox import Outbox
from gateway.v1 import gateway_pb2 as pb
from ledgernode import logs
from ledgernode.client import Signer
from ledgernode.errors import BadCertificate, BadRequest, CommitUnknown, NodeStopping, UnknownLedger
from ledgernode.identity.keys import PrivateKey
from ledgernode.wire.types import PUBLIC_KEY_BYTES, SIGNATURE_BYTES, ChainId, sha256
from tests.gateway.test_outbox import opened

CHAIN = ChainId(bytes(32))
METER = Sender("north", "meter", "M-1")
SIGNER = Signer(PrivateKey.generate(), chain_id=CHAIN)
HELLO = pb.ConnectRequest(hello=pb.Hello())


def envelopes(first: int, count: int) -> list[bytes]:
    numbers = range(first, first + count)
    return [SIGNER.transaction("c", "f", {}, budget=1_000, sequence=number).envelope for number in numbers]


def transactions(number: int, items: Sequence[bytes]) -> pb.ConnectRequest:
    return pb.ConnectRequest(transactions=pb.Transactions(number=number, envelopes=items))


class Device:
    """What a device says, and what it is told."""

    def __init__(self, *said: pb.ConnectRequest, stays: bool = False) -> None:
        self._said = said
        self._stays = stays
        self.told: list[pb.ConnectResponse] = []
        self.reads = True
        self.taken = 0

    async def says(self) -> AsyncIterator[pb.ConnectRequest]:
        for one in self._said:
            self.taken += 1
            yield one
        if self._stays:
            await asyncio.Event().wait()

    async def reading(self, message: pb.ConnectResponse) -> None:
        if not self.reads:
            await asyncio.Event().wait()
        self.told.append(message)


@asynccontextmanager
async def desk_of(path: Path, **limits: int) -> AsyncIterator[tuple[Desk, Outbox]]:
    async with opened(path, **limits) as outbox:
        yield Desk(outbox, CHAIN, outbox.limits, EdgeSigner(outbox, [], "north"), Formats()), outbox


def nothing(*_: object) -> None:
    """Holds, and is of no interest."""


async def live(desk: Desk, device: Device, *, check: object = nothing, sender: Sender = METER) -> DeviceStream:
    """The whole life of a stream."""
    stream = DeviceStream(sender, desk, "market", check=check, received=nothing, ask=nothing)  # type: ignore[arg-type]
    said = device.says()
    device.told.append(await stream.greet(said))
    await stream.serve(said, device.reading)
    return stream


async def test_who_ends_its_side_still_gets_its_answers(tmp_path: Path) -> None:
    async with desk_of(tmp_path) as (desk, outbox):
        device = Device(HELLO, transactions(7, envelopes(0, 3)), transactions(8, envelopes(3, 30)))
        await live(desk, device)
        assert [one.answers.number for one in device.told[1:]] == [7, 8]
        assert {answer.code for one in device.told[1:] for answer in one.answers.answers} == {"OK"}
        assert outbox.turns.entries == 33


async def test_who_does_not_read_is_not_read_and_then_dropped(tmp_path: Path) -> None:
    """Its messages are bounded by its own connection; what was taken is kept."""
    async with desk_of(tmp_path, answer_ms=300, unanswered_messages=2) as (desk, _):
        device = Device(HELLO, *(transactions(number, envelopes(number, 1)) for number in range(50)))
        device.reads = False
        with pytest.raises(CommitUnknown):
            await live(desk, device)
        assert device.taken < 10


async def test_a_certificate_that_ends_ends_its_stream(tmp_path: Path) -> None:
    def check() -> None:
        raise BadCertificate("it has ended")

    async with desk_of(tmp_path) as (desk, outbox):
        with pytest.raises(BadCertificate):
            await live(desk, Device(HELLO, transactions(1, envelopes(0, 1)), stays=True), check=check)
        assert outbox.turns.entries == 0


@pytest.mark.parametrize(
    ("said", "refusal"),
    [
        ((), BadRequest),
        ((transactions(1, []),), BadRequest),
        ((pb.ConnectRequest(hello=pb.Hello(ledger="other")),), UnknownLedger),
        ((pb.ConnectRequest(hello=pb.Hello(devices=[b"short"])),), BadRequest),
        ((HELLO, HELLO), BadRequest),
        ((HELLO, pb.ConnectRequest()), BadRequest),
        ((HELLO, transactions(1, [b""] * 101)), BadRequest),
    ],
)
async def test_what_does_not_belong_ends_the_stream(
    tmp_path: Path, said: tuple[pb.ConnectRequest, ...], refusal: type[Exception]
) -> None:
    async with desk_of(tmp_path) as (desk, _):
        with pytest.raises(refusal):
            await live(desk, Device(*said))


async def test_a_stream_without_hello_is_given_little_time(tmp_path: Path) -> None:
    async with desk_of(tmp_path, hello_ms=50) as (desk, _):
        with pytest.raises(CommitUnknown):
            await live(desk, Device(stays=True))


async def test_a_stream_can_be_ended_from_outside(tmp_path: Path) -> None:
    async with desk_of(tmp_path) as (desk, _):
        stream = DeviceStream(METER, desk, "market", check=nothing, received=nothing, ask=nothing)
        device = Device(HELLO, stays=True)
        said = device.says()
        await stream.greet(said)
        serving = asyncio.create_task(stream.serve(said, device.reading))
        await asyncio.sleep(0)
        stream.end(NodeStopping("going"))
        with pytest.raises(NodeStopping):
            await serving


async def test_outcomes_never_hold_up_answers(tmp_path: Path) -> None:
    """However many there are, they come in few messages after the answers, and the oldest are dropped."""
    async with desk_of(tmp_path) as (desk, _):
        stream = DeviceStream(METER, desk, "market", check=nothing, received=nothing, ask=nothing)
        device = Device(HELLO, transactions(1, envelopes(0, 1)), stays=True)
        said = device.says()
        await stream.greet(said)
        for number in range(20_000):
            stream.tell_outcome(pb.Outcome(sequence=number))
        serving = asyncio.create_task(stream.serve(said, device.reading))
        async with asyncio.timeout(20):
            while sum(len(one.settled.outcomes) for one in device.told) < 10_000 or not any(  # noqa: ASYNC110
                one.WhichOneof("content") == "answers" for one in device.told
            ):
                await asyncio.sleep(0.01)
        assert len(device.told) <= 22
        assert [one.sequence for told in device.told for one in told.settled.outcomes] == list(range(10_000, 20_000))
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)


async def test_a_revoked_identity_is_refused_at_once(tmp_path: Path) -> None:
    """The ledger has said so of one of its transactions."""
    async with desk_of(tmp_path) as (desk, _):
        desk.revoked(SIGNER.identity)
        assert [one.code for one in await desk.relay(METER, envelopes(0, 1))] == ["SIGNER_REVOKED"]


async def test_messages_of_known_formats_plug_in_at_the_desk(tmp_path: Path) -> None:
    """What an MQTT or HTTP intake hands over: topic and bytes; a code for each register."""
    async with desk_of(tmp_path) as (desk, _):
        assert [one.code for one in await desk.message("tele/p/SENSOR", b'{"ENERGY":{"Total":1}}')] == [
            "READING_INVALID"
        ]
        assert [one.code for one in await desk.message("tele/p/SENSOR", b"garbage")] == ["READING_INVALID"]
        assert await desk.message("elsewhere", b"garbage") == []


async def test_a_stream_that_is_ended_when_nobody_serves_it_any_more_is_no_news(tmp_path: Path) -> None:
    """A gateway that stops ends all its streams: those too whose device has just gone, or has not said hello yet."""
    said: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: said.append(str(context)))
    stopping = NodeStopping("the gateway is shutting down")
    async with desk_of(tmp_path) as (desk, _):
        fresh = DeviceStream(METER, desk, "market", check=nothing, received=nothing, ask=nothing)
        fresh.end(stopping)
        device = Device(HELLO, stays=True)
        stream = DeviceStream(METER, desk, "market", check=nothing, received=nothing, ask=nothing)
        requests = device.says()
        await stream.greet(requests)
        serving = asyncio.create_task(stream.serve(requests, device.reading))
        await asyncio.sleep(0)
        serving.cancel()
        stream.end(stopping)
        stream.end(stopping)
        await asyncio.gather(serving, return_exceptions=True)
        del fresh, stream, serving
        gc.collect()
        await asyncio.sleep(0)
    assert said == []


async def test_a_question_that_fails_inside_ends_the_stream(tmp_path: Path) -> None:
    """And is told to whoever serves it; that a message goes out in the same moment holds nothing up."""

    async def fails(_query: bytes) -> tuple[bytes, int]:
        raise ValueError("ours")

    async with desk_of(tmp_path) as (desk, _):
        device = Device(HELLO, pb.ConnectRequest(question=pb.Question(number=1, query=b"q")), stays=True)
        stream = DeviceStream(METER, desk, "market", check=nothing, received=nothing, ask=fails)
        requests = device.says()
        await stream.greet(requests)
        stream.tell_outcome(pb.Outcome())
        with pytest.raises(ValueError, match="ours"):
            await asyncio.wait_for(stream.serve(requests, device.reading), 10)


async def test_what_is_refused_is_named_where_everything_is_said(tmp_path: Path) -> None:
    """By its id and code, and who brought it; at other levels nothing is said for one transaction."""
    forged = envelopes(0, 1)[0][:-1] + b"?"
    async with desk_of(tmp_path) as (desk, _):
        for chosen in ("info", "debug"):
            before = logs.level()
            logs.set_level(chosen)
            try:
                with capture_logs() as said:
                    [answer] = await desk.relay(METER, [forged])
            finally:
                logs.set_level(before)
            assert answer.code != "OK"
            assert len(said) == (chosen == "debug")
    named = sha256(forged[PUBLIC_KEY_BYTES + SIGNATURE_BYTES :]).hex()
    assert {"transaction": named, "code": answer.code, "device": METER.name}.items() <= said[0].items()
