"""Who is given snapshots, and how fast: real sockets, mutual TLS, one node of four."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from ledgernode.client.connection import read_error
from ledgernode.errors import LedgerError, RateLimited, RoleRefused, UnknownLedger, UnknownSnapshot
from ledgernode.identity.founding import organisation_directory
from ledgernode.identity.organisation import identity_directory, new_identity
from ledgernode.identity.records import Role
from ledgernode.identity.tls import TlsFiles, load_tls, write_roots
from ledgernode.services.pace import Pace
from ledgernode.store.snapshot import create_snapshot
from ledgernode.v1.snapshot_pb2 import GetSnapshotPieceRequest, ListSnapshotsRequest
from ledgernode.v1.snapshot_pb2_grpc import SnapshotServiceStub
from ledgernode.wire.protobuf import read_snapshots
from tests.services.four import LEDGER, Four, now_ms


@pytest.fixture
async def four(tmp_path: Path) -> AsyncIterator[Four]:
    """The first of them has a snapshot of genesis."""
    found = Four(tmp_path / "network")
    create_snapshot(found.ledger.chain, found.directory / "snapshots" / f"{LEDGER}-0")
    await found.server.start()
    yield found
    await found.close()


async def answer(four: Four, tls: TlsFiles, method: str, request: Any) -> Any:
    try:
        return await getattr(SnapshotServiceStub(four.dial(tls)), method)(request)
    except grpc.aio.AioRpcError as error:
        raise read_error(error) from None


async def test_nodes_of_every_organisation_and_own_admins_are_given_them(four: Four) -> None:
    """A member's node, whether it validates or observes, and this node's operator."""
    for tls in (four.tls("north"), four.tls("west"), four.admin_tls("north")):
        (found,) = read_snapshots(await answer(four, tls, "ListSnapshots", ListSnapshotsRequest(ledger=LEDGER)))
        assert (found.height, found.chunks) == (0, 1)
        for chunk, size_bytes in ((None, found.manifest_bytes), (0, found.size_bytes)):
            request = GetSnapshotPieceRequest(ledger=LEDGER, id=found.id, chunk=chunk)
            assert len((await answer(four, tls, "GetSnapshotPiece", request)).data) == size_bytes


async def test_nobody_else_is(four: Four) -> None:
    """Neither another organisation's admin nor a customer: it is all that the ledger knows."""
    home = organisation_directory(four.directory, "north")
    new_identity(home, "anna", Role.CUSTOMER, now_ms=now_ms())
    write_roots(identity_directory(home, "anna"), four.admin_tls("north").roots)
    for tls in (four.admin_tls("south"), load_tls(identity_directory(home, "anna"))):
        for method, request in (
            ("ListSnapshots", ListSnapshotsRequest(ledger=LEDGER)),
            ("GetSnapshotPiece", GetSnapshotPieceRequest(ledger=LEDGER, id=bytes(32))),
        ):
            with pytest.raises(RoleRefused):
                await answer(four, tls, method, request)


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        (GetSnapshotPieceRequest(ledger="other", id=bytes(32)), UnknownLedger),
        (GetSnapshotPieceRequest(ledger=LEDGER, id=b"../../validator/key.pem"), UnknownSnapshot),
    ],
)
async def test_what_is_not_there_is_refused(four: Four, request_: Any, error: type[LedgerError]) -> None:
    """By its code."""
    with pytest.raises(error):
        await answer(four, four.tls("west"), "GetSnapshotPiece", request_)


async def test_a_closed_ledger_is_asked_again(four: Four) -> None:
    """While it is opened on a newer database: not UNKNOWN, which would be for good."""
    await four.ledger.snapshots.close()
    with pytest.raises(LedgerError) as refused:
        await answer(four, four.tls("west"), "ListSnapshots", ListSnapshotsRequest(ledger=LEDGER))
    assert refused.value.grpc_status == "UNAVAILABLE"


# ---------------------------------------------------------------- the pace


async def test_callers_wait_for_their_turn_and_are_refused_when_it_is_far() -> None:
    """All of them together get so many bytes a second; who is refused is told when to come."""
    now_s, slept = 100.0, list[float]()
    pace = Pace(1_000, 500, clock_s=lambda: now_s)

    async def rest(seconds: float) -> None:
        slept.append(round(seconds, 3))

    sleep, asyncio.sleep = asyncio.sleep, rest  # type: ignore[assignment]
    try:
        for _ in range(3):
            await pace.take(250)
        with pytest.raises(RateLimited) as refused:
            await pace.take(250)
        assert slept == [0.25, 0.5]
        assert refused.value.facts["retry_ms"] == 750
        now_s += 10  # nothing is saved up in a quiet time
        for _ in range(2):
            await pace.take(250)
        assert slept == [0.25, 0.5, 0.25]
    finally:
        asyncio.sleep = sleep
