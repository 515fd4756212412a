"""A node that serves several ledgers tells nobody of a ledger that is none of theirs.

North and south share a market; north's own ledger is shared with the regulator alone. South's people are let in by the
same handshake, for the market's sake.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.message_factory import GetMessageClass

from ledgernode.client.connection import read_error
from ledgernode.errors import LedgerError, RevokedSigner, RoleRefused, UnknownLedger
from ledgernode.identity.home import data_directory, tls_directory, validator_directory
from ledgernode.identity.keys import PrivateKey
from ledgernode.identity.records import Role
from ledgernode.identity.tls import Trust, channel_credentials, is_under, load_tls
from ledgernode.node.ledger import ServedLedger
from ledgernode.services.server import Server
from ledgernode.v1 import validator_pb2
from ledgernode.wire import protobuf
from ledgernode.wire.answers import Wait
from ledgernode.wire.frames import Introduction
from tests.running import now_ms
from tests.services.document import Row, rows
from tests.services.test_access import first
from tests.several import Organisations

RETAIL, MARKET = "north-retail", "market"


class Two:
    """North's node with both ledgers, served to sockets; it makes no blocks unless it is told to."""

    def __init__(self, directory: Path) -> None:
        self.place = Organisations(directory, ("north", "south", "regulator"))
        self.place.found(RETAIL, ("north", "regulator"))
        self.place.found(MARKET, ("north", "south", "regulator"))
        self.place.join("north", RETAIL, MARKET)
        home = self.place.home("north")
        self.trust = Trust(load_tls(tls_directory(home)))
        key = PrivateKey.load(validator_directory(home) / "key.pem")
        self.ledgers = {
            name: ServedLedger(data_directory(home, name), founded.genesis, key, now_ms, tls=self.trust)  # type: ignore[arg-type]
            for name, founded in self.place.ledgers.items()
        }
        self.server = Server(
            self.ledgers,
            tls=self.trust,
            listen="127.0.0.1:0",
            organisation="north",
            started_ms=now_ms(),  # type: ignore[arg-type]
            snapshots=home / "snapshots",
        )
        self._channels: list[grpc.aio.Channel] = []

    def dial(self, folder: Path) -> grpc.aio.Channel:
        credentials = channel_credentials(load_tls(folder))
        self._channels.append(grpc.aio.secure_channel(f"127.0.0.1:{self.server.port}", credentials))
        return self._channels[-1]

    def people(self, organisation: str, role: Role) -> grpc.aio.Channel:
        """A connection of somebody in this role."""
        return self.dial(self.place.newcomer(organisation, f"some-{role}", role))

    async def close(self) -> None:
        for channel in self._channels:
            await channel.close()
        await self.server.stop(0)
        for ledger in self.ledgers.values():
            ledger.close()


@pytest.fixture
async def two(tmp_path: Path) -> AsyncIterator[Two]:
    found = Two(tmp_path)
    await found.server.start()
    yield found
    await found.close()


def about(row: Row, ledger: str) -> Any:
    """A request that names a ledger and nothing else; None for a call that is about no ledger."""
    asked = GetMessageClass(row.call.input_type)()
    if row.call.name == "Exchange":
        introduction = Introduction(ledger, b"\x02" + bytes(32), bytes(64))
        return validator_pb2.ExchangeRequest(introduction=protobuf.introduction_message(introduction).introduction)
    if "ledger" not in row.call.input_type.fields_by_name:
        return None
    asked.ledger = ledger  # type: ignore[attr-defined]
    return asked


async def refusal(channel: grpc.aio.Channel, row: Row, request: Any) -> LedgerError | None:
    answered = GetMessageClass(row.call.output_type)
    kinds = {
        (False, False): channel.unary_unary,
        (False, True): channel.unary_stream,
        (True, True): channel.stream_stream,
    }
    call = kinds[row.call.client_streaming, row.call.server_streaming](
        f"/{row.call.containing_service.full_name}/{row.call.name}",
        request_serializer=type(request).SerializeToString,
        response_deserializer=answered.FromString,
    )
    try:
        await first(call(iter([request]) if row.call.client_streaming else request, timeout=2))
    except grpc.aio.AioRpcError as error:
        return read_error(error)
    return None


async def test_to_whom_a_ledger_does_not_concern_it_does_not_exist(two: Two) -> None:
    """Every call that names a ledger, by every role: what is served to its members is unknown to others, in the words
    that are said of a ledger that nobody serves."""
    asked = 0
    for role in Role:
        channel = two.people("south", role)
        for row in rows():
            if (request := about(row, RETAIL)) is None or not row.access.allows(role, own=False):
                continue
            found = await refusal(channel, row, request)
            assert isinstance(found, UnknownLedger), f"{row.call.full_name} as {role} of south: {found!r}"
            nowhere = await refusal(channel, row, about(row, "nowhere"))
            assert str(found) == str(nowhere).replace("nowhere", RETAIL)
            shared = await refusal(channel, row, about(row, MARKET))
            assert not isinstance(shared, UnknownLedger), f"{row.call.full_name} as {role} of south: {shared!r}"
            asked += 1
    assert asked > 40


async def test_the_regulator_is_a_member_of_both(two: Two) -> None:
    """As it is of south's own, which is served elsewhere."""
    channel = two.people("regulator", Role.REGULATOR)
    for row in rows():
        for ledger in (RETAIL, MARKET):
            request = about(row, ledger)
            if request is not None and row.access.allows(Role.REGULATOR, own=False):
                assert not isinstance(await refusal(channel, row, request), UnknownLedger)


async def test_whom_one_ledger_has_revoked_is_refused_there(two: Two) -> None:
    """And heard on the other, where it is still somebody."""
    place = two.place
    folder = place.newcomer("regulator", "clerk", Role.REGULATOR)
    clerk, admin = place.person("regulator", RETAIL, "clerk"), "regulator"
    for name, ledger in two.ledgers.items():
        ledger.start()
        signer = place.person(admin, name).signer
        registered = signer.transaction("identity", "register", {"certificate": clerk.certificate}, budget=100_000)
        assert (await ledger.submissions.submit(registered.envelope, Wait.COMMITTED, 20)).succeeded
    gone = place.person(admin, RETAIL).signer.transaction(
        "identity", "revoke", {"identity": clerk.signer.identity.hex(), "reason": "left"}, budget=100_000
    )
    assert (await two.ledgers[RETAIL].submissions.submit(gone.envelope, Wait.COMMITTED, 20)).succeeded
    channel = two.dial(folder)
    row = next(row for row in rows() if row.call.name == "GetLedger")
    assert isinstance(await refusal(channel, row, about(row, RETAIL)), RevokedSigner)
    assert await refusal(channel, row, about(row, MARKET)) is None
    for ledger in two.ledgers.values():
        await ledger.stop()


async def test_a_body_that_bears_our_name_elsewhere_is_not_us(two: Two, tmp_path: Path) -> None:
    """Its admin is let in for the ledger that knows it, and is no admin of this node."""
    others = Organisations(tmp_path / "others", ("north",))
    elsewhere = others.found("elsewhere", ("north",))
    roots = load_tls(others.admin_folder("north")).roots
    two.trust.name(elsewhere.name, roots)
    folder = others.admin_folder("north")
    own = load_tls(two.place.admin_folder("north")).roots
    (folder / "roots.pem").write_text("".join((*roots, *own)))
    status = next(row for row in rows() if row.call.name == "GetStatus")
    request = GetMessageClass(status.call.input_type)()
    assert isinstance(await refusal(two.dial(folder), status, request), RoleRefused)
    assert await refusal(two.dial(two.place.admin_folder("north")), status, request) is None


def test_each_ledgers_links_go_by_its_own_roots(two: Two) -> None:
    """Whoever could pose as one of its validators with a certificate of another ledger's organisation is not believed;
    roots of the file that no other ledger names are taken, for those who joined while this node was away."""
    north, south, regulator = (load_tls(two.place.admin_folder(name)).certificate for name in two.place.names)
    retail, market = two.trust.files_of(RETAIL).roots, two.trust.files_of(MARKET).roots
    assert [is_under(one, retail) for one in (north, south, regulator)] == [True, False, True]
    assert [is_under(one, market) for one in (north, south, regulator)] == [True, True, True]
    two.trust.forget(MARKET)
    assert is_under(south, two.trust.files_of(RETAIL).roots)
