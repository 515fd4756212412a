"""Who may call what: every call of a running node, as every role, from the node's own organisation and from another."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from ledgernode.client.connection import read_error
from ledgernode.errors import LedgerError, RoleRefused
from ledgernode.identity.founding import organisation_directory
from ledgernode.identity.organisation import identity_directory, new_identity
from ledgernode.identity.records import Role
from ledgernode.identity.tls import TlsFiles, load_tls, write_roots
from tests.services.document import PAGE, Row, page, rows
from tests.services.four import Four, now_ms

OWN, OTHER = "north", "south"


@pytest.fixture
async def four(tmp_path: Path) -> AsyncIterator[Four]:
    found = Four(tmp_path / "network")
    await found.server.start()
    yield found
    await found.close()


def certified(four: Four, organisation: str, role: Role) -> TlsFiles:
    """Keys and certificates of somebody in this role."""
    home, name = organisation_directory(four.directory, organisation), f"some-{role}"
    new_identity(home, name, role, now_ms=now_ms())
    write_roots(identity_directory(home, name), four.admin_tls(OWN).roots)
    return load_tls(identity_directory(home, name))


async def refusal(channel: grpc.aio.Channel, row: Row) -> LedgerError | None:
    """What came of an empty request; None where it was answered."""
    asked, answered = GetMessageClass(row.call.input_type), GetMessageClass(row.call.output_type)
    path = f"/{row.call.containing_service.full_name}/{row.call.name}"
    kinds = {
        (False, False): channel.unary_unary,
        (False, True): channel.unary_stream,
        (True, False): channel.stream_unary,
        (True, True): channel.stream_stream,
    }
    kind = kinds[row.call.client_streaming, row.call.server_streaming]
    call = kind(path, request_serializer=asked.SerializeToString, response_deserializer=answered.FromString)  # type: ignore[operator]
    request: Message | Iterator[Message] = iter([asked()]) if row.call.client_streaming else asked()
    try:
        await first(call(request))
    except grpc.aio.AioRpcError as error:
        return read_error(error)
    return None


async def first(call: Any) -> None:
    if hasattr(call, "__aiter__"):
        async for _ in call:
            return
    else:
        await call


async def test_every_call_is_for_whom_the_table_says(four: Four) -> None:
    """Who may is answered, or told what else was wrong with an empty request; who may not hears of its role alone."""
    asked = 0
    for organisation in (OWN, OTHER):
        for role in Role:
            channel = four.dial(certified(four, organisation, role))
            for row in rows():
                found = await refusal(channel, row)
                allowed = row.access.allows(role, own=organisation == OWN)
                assert isinstance(found, RoleRefused) is not allowed, (
                    f"{row.call.full_name} as {role} of {organisation}: {found!r}"
                )
                asked += 1
    assert asked == 2 * len(Role) * len(list(rows()))


def test_nobody_but_those_who_answer_for_it_reads_whole_blocks() -> None:
    """The table's own promise: neither a customer nor a meter is given everybody's transactions."""
    by_call = {row.call.name: row.access for row in rows()}
    for call in ("Blocks", "GetBlock", "ListSnapshots", "GetSnapshotPiece"):
        assert not any(by_call[call].allows(role, own=True) for role in (Role.CUSTOMER, Role.METER)), call


def test_the_page_is_fresh() -> None:
    """`python -m tests.services.document > docs/access.md` changes nothing."""
    assert page() == PAGE.read_text()
