"""One link to one peer, over real connections: order of urgency, bounds, and coming back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import structlog

from ledgernode.identity.home import tls_directory
from ledgernode.identity.tls import TlsFiles, Trust, load_tls, server_credentials
from ledgernode.node import links
from ledgernode.node.links import Link
from ledgernode.v1 import validator_pb2 as pb
from ledgernode.v1.validator_pb2_grpc import ValidatorServiceServicer, add_ValidatorServiceServicer_to_server
from ledgernode.wire.frames import EngineFrame, Forwarded, Frame, HeaderVote, Introduction, Standing
from ledgernode.wire.protobuf import packed, read_frame, read_introduction
from ledgernode.wire.types import Epoch, Height
from tests.conditions import eventually
from tests.running import SoloNetwork

pytestmark = pytest.mark.slow

INTRODUCTION = Introduction("test", b"key", b"signature")
GREETING = Standing(Height(42))


def order(text: str) -> bytes:
    return packed(EngineFrame(Epoch(1), text.encode()))


def word(height: int) -> bytes:
    return packed(HeaderVote(Epoch(1), Height(height), b"hash", b"signature"))


def transactions(text: str) -> bytes:
    return packed(Forwarded((text.encode(),)))


class Peer(ValidatorServiceServicer):
    """Takes whoever comes, unless it is told not to, and keeps what it hears."""

    def __init__(self, tls: TlsFiles) -> None:
        self._tls = tls
        self.takes = True
        self.silent = False
        self.introductions: list[Introduction] = []
        self.attempts_s: list[float] = []
        self.messages: list[list[Frame]] = []
        self._port = 0

    async def start(self) -> str:
        """Serve, on the port it had before; its address."""
        self._server = grpc.aio.server()
        add_ValidatorServiceServicer_to_server(self, self._server)
        credentials = server_credentials(Trust(self._tls))
        self._port = self._server.add_secure_port(f"127.0.0.1:{self._port}", credentials)
        await self._server.start()
        return f"127.0.0.1:{self._port}"

    async def stop(self) -> None:
        await self._server.stop(None)

    async def Exchange(self, requests: Any, context: Any) -> AsyncIterator[pb.ExchangeResponse]:  # noqa: N802
        self.attempts_s.append(asyncio.get_running_loop().time())
        first = await anext(requests)
        self.introductions.append(read_introduction(first.introduction))
        if self.silent:
            await asyncio.Event().wait()
        if not self.takes:
            return
        yield pb.ExchangeResponse(taken=True)
        async for request in requests:
            found = [read_frame(message) for message in request.frames]
            self.messages.append([frame for frame in found if frame is not None])

    @property
    def frames(self) -> list[Frame]:
        return [frame for message in self.messages for frame in message]

    async def hears(self, frame: Frame) -> None:
        await eventually(lambda: frame in self.frames)


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[TlsFiles, TlsFiles]:
    """Of a node, and of someone who calls it."""
    directory: Path = tmp_path_factory.mktemp("links")
    network = SoloNetwork(directory / "network")
    return load_tls(tls_directory(network.home)), load_tls(network.admin.directory)


@pytest.fixture
async def peer(tls: tuple[TlsFiles, TlsFiles]) -> AsyncIterator[Peer]:
    found = Peer(tls[0])
    yield found
    await found.stop()


async def made(peer: Peer, tls: tuple[TlsFiles, TlsFiles]) -> Link:
    """A link to the peer, which is down: its address is known, and nobody listens there."""
    address = await peer.start()
    await peer.stop()
    return Link(address, Trust(tls[1]), lambda _: INTRODUCTION, lambda: GREETING, structlog.get_logger())


@pytest.fixture
async def link(peer: Peer, tls: tuple[TlsFiles, TlsFiles]) -> AsyncIterator[Link]:
    found = await made(peer, tls)
    yield found
    await found.close()


async def test_it_introduces_itself_and_greets(peer: Peer, link: Link) -> None:
    """Who we are comes first, then where we stand; it is up only when it was taken."""
    assert not link.up
    await peer.start()
    await peer.hears(GREETING)
    assert link.up
    assert peer.introductions == [INTRODUCTION]
    assert peer.frames == [GREETING]


async def test_what_was_queued_goes_out_together_in_order_of_urgency(peer: Peer, link: Link) -> None:
    """The engine's messages, then votes and the like, then transactions; each kind in its own order."""
    link.forward(transactions("a"), 1)
    link.tell(word(1))
    link.order(order("first"))
    link.forward(transactions("b"), 1)
    link.order(order("second"))
    await peer.start()
    await peer.hears(Forwarded((b"b",)))
    vote = HeaderVote(Epoch(1), Height(1), b"hash", b"signature")
    engine = [EngineFrame(Epoch(1), b"first"), EngineFrame(Epoch(1), b"second")]
    assert peer.messages == [[*engine, vote, GREETING, Forwarded((b"a",)), Forwarded((b"b",))]]
    link.order(order("third"))
    await peer.hears(EngineFrame(Epoch(1), b"third"))


async def test_an_engines_messages_drop_the_oldest(
    peer: Peer, tls: tuple[TlsFiles, TlsFiles], monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are said again, and the newest says most; what is dropped is counted."""
    monkeypatch.setattr(links, "LINK_ENGINE_MESSAGES", 3)
    monkeypatch.setattr(links, "LINK_VOTES", 2)
    link = await made(peer, tls)
    for number in range(5):
        link.order(order(str(number)))
        link.tell(word(number))
    assert link.dropped == 2 + 3
    await peer.start()
    await peer.hears(GREETING)
    assert [frame.message for frame in peer.frames if isinstance(frame, EngineFrame)] == [b"2", b"3", b"4"]
    assert [frame.height for frame in peer.frames if isinstance(frame, HeaderVote)] == [4], "greeting took a place"
    await link.close()


async def test_transactions_drop_the_newest(peer: Peer, link: Link, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their clients send them again; what goes out makes room."""
    monkeypatch.setattr(links, "LINK_TRANSACTIONS", 10)
    link.forward(transactions("six"), 6)
    link.forward(transactions("five"), 5)
    link.forward(transactions("four"), 4)
    assert link.dropped == 5
    await peer.start()
    await peer.hears(Forwarded((b"four",)))
    link.forward(transactions("ten"), 10)
    await peer.hears(Forwarded((b"ten",)))
    assert Forwarded((b"five",)) not in peer.frames
    assert link.dropped == 5


async def test_a_message_is_bounded_and_urgent_things_pass_the_rest(
    peer: Peer, link: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many transactions go out in several messages; what is urgent is in the first of them."""
    monkeypatch.setattr(links, "LINK_MESSAGE_BYTES", 1_000)
    large = "x" * 400
    for number in range(10):
        link.forward(transactions(f"{number}{large}"), 1)
    link.order(order("urgent"))
    await peer.start()
    await peer.hears(Forwarded((f"9{large}".encode(),)))
    assert EngineFrame(Epoch(1), b"urgent") in peer.messages[0]
    assert [sum(isinstance(frame, Forwarded) for frame in message) for message in peer.messages] == [3, 3, 3, 1]


async def test_a_broken_link_is_dialled_again_with_what_was_queued(peer: Peer, link: Link) -> None:
    """It introduces itself anew, says where it stands now, and goes on."""
    await peer.start()
    await peer.hears(GREETING)
    await peer.stop()
    await eventually(lambda: not link.up)
    link.order(order("meanwhile"))
    peer.messages.clear()
    await peer.start()
    await peer.hears(EngineFrame(Epoch(1), b"meanwhile"))
    assert GREETING in peer.frames
    assert len(peer.introductions) == 2


async def test_pauses_double_up_to_a_bound(peer: Peer, link: Link, monkeypatch: pytest.MonkeyPatch) -> None:
    """A peer that does not take us is asked ever more seldom, and again soon once it has taken us."""
    monkeypatch.setattr(links, "LINK_BACKOFF_START_MS", 100)
    monkeypatch.setattr(links, "LINK_BACKOFF_LIMIT_MS", 800)
    peer.takes = False
    await peer.start()
    await eventually(lambda: len(peer.attempts_s) >= 6)
    pauses = [after - before for before, after in zip(peer.attempts_s, peer.attempts_s[1:], strict=False)]
    assert all(pause >= least for pause, least in zip(pauses[-2:], (0.75, 0.75), strict=True)), pauses
    assert not link.up
    peer.takes = True
    await peer.hears(GREETING)


async def test_a_peer_that_does_not_answer_is_dialled_again(
    peer: Peer, link: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may have forgotten us; nothing is pushed to whoever has not taken us."""
    monkeypatch.setattr(links, "LINK_ANSWER_MS", 200)
    peer.silent = True
    await peer.start()
    await eventually(lambda: len(peer.introductions) >= 2)
    assert not link.up
    peer.silent = False
    await peer.hears(GREETING)
    assert link.up


async def test_a_closed_link_is_silent(peer: Peer, link: Link) -> None:
    """Nothing runs on behind it."""
    await peer.start()
    await peer.hears(GREETING)
    await link.close()
    link.order(order("too late"))
    await asyncio.sleep(0.2)
    assert peer.frames == [GREETING]
