"""Who may push what to a validator: real sockets, mutual TLS, one node of four."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from ledgernode.client.connection import read_error
from ledgernode.errors import RateLimited, RoleRefused, UnknownLedger
from ledgernode.identity.founding import found_network, organisation_directory
from ledgernode.identity.home import data_directory, tls_directory, validator_directory
from ledgernode.identity.keys import PrivateKey
from ledgernode.identity.organisation import identity_directory
from ledgernode.identity.tls import TlsFiles, Trust, channel_credentials, load_tls
from ledgernode.node.ledger import ServedLedger
from ledgernode.node.peers import introduce
from ledgernode.services.server import Server
from ledgernode.v1.validator_pb2 import ExchangeRequest, GetHeightRequest
from ledgernode.v1.validator_pb2_grpc import ValidatorServiceStub
from ledgernode.wire.frames import Forwarded, Introduction
from ledgernode.wire.parameters import Parameters
from ledgernode.wire.protobuf import introduction_message, packed
from ledgernode.wire.types import TimeMs

LEDGER = "test"
ORGANISATIONS = ("north", "south", "east", "west")


def now_ms() -> TimeMs:
    return TimeMs(time.time_ns() // 1_000_000)


class Four:
    """Four validators are founded; the first is served."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        found_network(
            directory,
            organisations=ORGANISATIONS,
            ledger=LEDGER,
            engine="pbft",
            base_port=1,
            parameters=Parameters(),
            now_ms=now_ms(),
        )
        self.ledger = ServedLedger(
            data_directory(self.home("north"), LEDGER),
            (directory / "genesis.json").read_bytes(),
            self.key("north"),
            now_ms,
        )
        self.server = Server(
            {LEDGER: self.ledger},
            tls=Trust(self.tls("north")),
            listen="127.0.0.1:0",
            organisation="north",
            started_ms=now_ms(),
            snapshots=directory / "snapshots",
        )

    def home(self, organisation: str) -> Path:
        return self.directory / "nodes" / f"{organisation}-1"

    def key(self, organisation: str) -> PrivateKey:
        return PrivateKey.load(validator_directory(self.home(organisation)) / "key.pem")

    def tls(self, organisation: str) -> TlsFiles:
        return load_tls(tls_directory(self.home(organisation)))

    def admin_tls(self, organisation: str) -> TlsFiles:
        return load_tls(identity_directory(organisation_directory(self.directory, organisation), "admin"))

    def introduction(self, organisation: str, tls: TlsFiles) -> Introduction:
        return introduce(LEDGER, self.ledger.chain.chain_id, self.key(organisation), tls)

    def stub(self, tls: TlsFiles) -> Any:
        self.channel = grpc.aio.secure_channel(f"127.0.0.1:{self.server.port}", channel_credentials(tls))
        return ValidatorServiceStub(self.channel)

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
async def four(tmp_path: Path) -> AsyncIterator[Four]:
    found = Four(tmp_path / "network")
    await found.server.start()
    intake = asyncio.create_task(found.ledger.intake.run())
    yield found
    intake.cancel()
    await asyncio.gather(intake, return_exceptions=True)
    await found.channel.close()
    await found.server.stop(0)
    found.ledger.close()


async def test_a_member_is_taken_and_heard(four: Four) -> None:
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


async def test_anothers_introduction_is_refused(four: Four) -> None:
    """It is signed for the certificate of the connection: overheard, it is of no use."""
    with pytest.raises(RoleRefused):
        await four.push(four.tls("east"), four.introduction("south", four.tls("south")))


async def test_a_key_outside_the_set_is_refused(four: Four) -> None:
    """Whatever it signs."""
    tls = four.tls("south")
    stranger = introduce(LEDGER, four.ledger.chain.chain_id, PrivateKey.generate(), tls)
    with pytest.raises(RoleRefused):
        await four.push(tls, stranger)


async def test_an_admin_is_no_validator(four: Four) -> None:
    """Though it be of the same organisation, and the key sign for its certificate."""
    tls = four.admin_tls("south")
    with pytest.raises(RoleRefused):
        await four.push(tls, four.introduction("south", tls))


async def test_another_ledger_is_unknown(four: Four) -> None:
    """Each ledger has its own members."""
    tls = four.tls("south")
    other = Introduction("other", *[b""] * 2)
    with pytest.raises(UnknownLedger):
        await four.push(tls, other)


async def test_misconduct_ends_the_stream(four: Four) -> None:
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


async def test_any_member_may_ask_how_far_the_node_is(four: Four) -> None:
    """It says what it has executed."""
    answer = await four.stub(four.tls("west")).GetHeight(GetHeightRequest(ledger=LEDGER))
    assert answer.height == 0
