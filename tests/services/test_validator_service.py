"""Who may push what to a validator: real sockets, mutual TLS, one node of four."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from ledgernode.client.connection import read_error
from ledgernode.errors import NodeStopping, RateLimited, RoleRefused, UnknownLedger
from ledgernode.identity.keys import PrivateKey
from ledgernode.identity.tls import TlsFiles
from ledgernode.node.peers import introduce
from ledgernode.v1.validator_pb2 import ExchangeRequest, GetHeightRequest
from ledgernode.v1.validator_pb2_grpc import ValidatorServiceStub
from ledgernode.wire.frames import Forwarded, Introduction
from ledgernode.wire.protobuf import introduction_message, packed
from tests.services.four import LEDGER, Four


class Pushed(Four):
    """Others push to it."""

    def introduction(self, organisation: str, tls: TlsFiles) -> Introduction:
        return introduce(LEDGER, self.ledger.chain.chain_id, self.key(organisation), tls)

    def stub(self, tls: TlsFiles) -> Any:
        return ValidatorServiceStub(self.dial(tls))

    async def push(self, tls: TlsFiles, introduction: Introduction, *requests: ExchangeRequest) -> Any:
        """Introduce and push; the call, once it is taken. Raises what ends it."""
        call = self.stub(tls).Exchange()
        try:
            await call.write(introduction_message(introduction))
            assert (await call.read()).taken
            for request in requests:
                await call.write(request)
        except grpc.aio.AioRpcError as error:
            raise read_error(error) from None
        return call


@pytest.fixture
async def four(tmp_path: Path) -> AsyncIterator[Pushed]:
    found = Pushed(tmp_path / "network")
    await found.server.start()
    intake = asyncio.create_task(found.ledger.intake.run())
    yield found
    intake.cancel()
    await asyncio.gather(intake, return_exceptions=True)
    await found.close()


async def test_a_member_is_taken_and_heard(four: Pushed) -> None:
    """Its transactions wait here, under its own key."""
    tls = four.tls("south")
    call = await four.push(
        tls, four.introduction("south", tls), ExchangeRequest.FromString(packed(Forwarded((b"no envelope",))))
    )
    for _ in range(100):
        if four.ledger.intake._entries:
            break
        await asyncio.sleep(0.01)
    assert list(four.ledger.intake._entries) == [four.key("south").public_key]
    call.cancel()


async def test_anothers_introduction_is_refused(four: Pushed) -> None:
    """It is signed for the certificate of the connection: overheard, it is of no use."""
    with pytest.raises(RoleRefused):
        await four.push(four.tls("east"), four.introduction("south", four.tls("south")))


async def test_a_key_outside_the_set_is_refused(four: Pushed) -> None:
    """Whatever it signs."""
    tls = four.tls("south")
    stranger = introduce(LEDGER, four.ledger.chain.chain_id, PrivateKey.generate(), tls)
    with pytest.raises(RoleRefused):
        await four.push(tls, stranger)


async def test_an_admin_is_no_validator(four: Pushed) -> None:
    """Though it be of the same organisation, and the key sign for its certificate."""
    tls = four.admin_tls("south")
    with pytest.raises(RoleRefused):
        await four.push(tls, four.introduction("south", tls))


async def test_another_ledger_is_unknown(four: Pushed) -> None:
    """Each ledger has its own members."""
    tls = four.tls("south")
    other = Introduction("other", *[b""] * 2)
    with pytest.raises(UnknownLedger):
        await four.push(tls, other)


async def test_misconduct_ends_the_stream(four: Pushed) -> None:
    """Who forwards what does not hold is heard no more, for a while."""
    tls = four.tls("south")
    junk = ExchangeRequest.FromString(packed(Forwarded((b"junk",) * 200)))
    call = await four.push(tls, four.introduction("south", tls), junk)
    for _ in range(200):
        if not four.ledger.intake.may_send(four.key("south").public_key):
            break
        await asyncio.sleep(0.01)
    await call.write(junk)
    with pytest.raises(grpc.aio.AioRpcError) as ended:
        await call.read()
    assert isinstance(read_error(ended.value), RateLimited)


async def test_the_stream_of_a_closed_ledger_ends(four: Pushed) -> None:
    """It is being opened again on a newer database: the peer dials again, and is heard there."""
    tls = four.tls("south")
    call = await four.push(tls, four.introduction("south", tls))
    four.ledger._running = asyncio.create_task(asyncio.sleep(0))
    await four.ledger._running
    await call.write(ExchangeRequest.FromString(packed(Forwarded(()))))
    with pytest.raises(grpc.aio.AioRpcError) as ended:
        await call.read()
    assert isinstance(read_error(ended.value), NodeStopping)


async def test_a_validator_may_ask_how_far_the_node_is(four: Pushed) -> None:
    """It says what it has executed."""
    answer = await four.stub(four.tls("west")).GetHeight(GetHeightRequest(ledger=LEDGER))
    assert answer.height == 0
