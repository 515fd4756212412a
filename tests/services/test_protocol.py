"""Programs that speak other versions: taken at the common one, or refused on both sides, by code and by name."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import msgspec
import pytest
from structlog.testing import capture_logs

from ledgernode.client import LedgerClient
from ledgernode.client.connection import read_error
from ledgernode.errors import ProtocolUnsupported
from ledgernode.identity.tls import Trust, channel_credentials
from ledgernode.logs import logger
from ledgernode.node.links import Link
from ledgernode.node.peers import introduce
from ledgernode.v1.ledger_pb2 import GetLedgerRequest
from ledgernode.v1.ledger_pb2_grpc import LedgerServiceStub
from ledgernode.v1.validator_pb2_grpc import ValidatorServiceStub
from ledgernode.wire import versions
from ledgernode.wire.frames import Introduction, Standing
from ledgernode.wire.protobuf import introduction_message
from ledgernode.wire.protocol import Spoken, ours
from ledgernode.wire.types import Height
from tests.conditions import eventually
from tests.services.four import LEDGER, Four

pytestmark = pytest.mark.slow


@pytest.fixture
async def four(tmp_path: Path) -> AsyncIterator[Four]:
    found = Four(tmp_path / "network")
    await found.server.start()
    yield found
    await found.close()


def introduction(four: Four, oldest: int, newest: int) -> Introduction:
    mine = introduce(LEDGER, four.ledger.chain.chain_id, four.key("south"), four.tls("south"))
    return msgspec.structs.replace(mine, protocol_oldest=oldest, protocol_newest=newest)


async def test_a_validator_is_taken_at_the_common_version(four: Four) -> None:
    """And told which: also one of the time before there were any."""
    for oldest, newest, used in ((0, 0, 1), (1, 1, 1), (1, 2, 2), (2, 99, 2)):
        call = ValidatorServiceStub(four.dial(four.tls("south"))).Exchange()  # type: ignore[arg-type]
        await call.write(introduction_message(introduction(four, oldest, newest)))
        answer = await call.read()
        assert (answer.taken, answer.protocol) == (True, used)
        call.cancel()


async def test_a_validator_without_a_common_version_is_refused_and_shown(four: Four) -> None:
    """By a stable code that says who is older; and its operator sees it, logged once, until it comes with another."""
    with capture_logs() as logged:
        for _ in range(3):
            call = ValidatorServiceStub(four.dial(four.tls("south"))).Exchange()  # type: ignore[arg-type]
            await call.write(introduction_message(introduction(four, 3, 5)))
            with pytest.raises(grpc.aio.AioRpcError) as ended:
                await call.read()
            refusal = read_error(ended.value)
            assert isinstance(refusal, ProtocolUnsupported)
            assert "speaks protocol 3 to 5" in str(refusal)
            assert str(refusal).endswith("upgrade this side")
    assert len([line for line in logged if line["event"] == "a validator cannot be spoken to"]) == 1
    shown = {one.organisation: one.refusal for one in four.ledger.status().validators}
    assert "speaks protocol 3 to 5" in shown.pop("south")
    assert set(shown.values()) == {""}
    call = ValidatorServiceStub(four.dial(four.tls("south"))).Exchange()  # type: ignore[arg-type]
    await call.write(introduction_message(introduction(four, 1, 2)))
    assert (await call.read()).taken
    assert {one.refusal for one in four.ledger.status().validators} == {""}
    call.cancel()


async def test_who_dials_is_told_as_well(four: Four) -> None:
    """The other side of the same refusal: the link does not stand, says why once, and stands when it can."""
    spoken = [Spoken(3, 5)]

    def introduced(_: object) -> Introduction:
        return introduction(four, *spoken[0])

    with capture_logs() as logged:
        link = Link(
            f"127.0.0.1:{four.server.port}",
            Trust(four.tls("south")),
            introduced,
            lambda: Standing(Height(1)),
            logger(),
        )
        await eventually(lambda: link.refusal)
        await asyncio.sleep(0.3)
    assert "says: the validator that calls speaks protocol 3 to 5" in link.refusal
    assert not link.up
    assert len([line for line in logged if line["event"] == "the peer cannot be spoken to"]) == 1
    spoken[0] = ours()
    await eventually(lambda: link.up)
    assert (link.refusal, link.protocol) == ("", ours().newest)
    await link.close()


async def test_a_client_without_a_common_version_is_refused_by_the_node(four: Four) -> None:
    """Whatever it calls; who speaks a common one, or names none, is served."""
    for said, refused in (("protocol/3-4", True), ("protocol/1-9", False), ("", False)):
        options = (("grpc.secondary_user_agent", f"ledgernode/9 {said}"),)
        credentials = channel_credentials(four.admin_tls("south"))
        async with grpc.aio.secure_channel(f"127.0.0.1:{four.server.port}", credentials, options=options) as channel:
            asking = LedgerServiceStub(channel).GetLedger(GetLedgerRequest(ledger=LEDGER))  # type: ignore[arg-type]
            if not refused:
                answer = await asking
                assert (answer.protocol_oldest, answer.protocol_newest) == ours()
                continue
            with pytest.raises(grpc.aio.AioRpcError) as ended:
                await asking
            refusal = read_error(ended.value)
            assert isinstance(refusal, ProtocolUnsupported)
            assert "the caller speaks protocol 3 to 4" in str(refusal)


async def test_a_client_refuses_a_node_that_is_too_old(four: Four, monkeypatch: pytest.MonkeyPatch) -> None:
    """An older node does not look at what its callers speak: they look at what it says of the ledger."""
    credentials = channel_credentials(four.admin_tls("south"))
    async with LedgerClient([f"127.0.0.1:{four.server.port}"], LEDGER, credentials) as client:
        assert (await client.facts()).protocol_newest == ours().newest
        monkeypatch.setattr(versions, "PROTOCOL_OLDEST", 3)
        monkeypatch.setattr(versions, "PROTOCOL_NEWEST", 3)
        monkeypatch.setattr("ledgernode.node.lookups.ours", lambda: Spoken(1, 2))
        monkeypatch.setattr("ledgernode.services.calls.require_spoken", lambda _: None)
        with pytest.raises(ProtocolUnsupported, match=r"the node speaks protocol 1 to 2, .*: upgrade the node"):
            await client.facts()
