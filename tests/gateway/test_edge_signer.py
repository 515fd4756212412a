"""From a plug's message to an interval on the ledger that says for ever: signed by a gateway."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gateway.edge.formats import Formats
from gateway.edge.signer import EdgeDevice, EdgeSigner
from gateway.outbox.outbox import Outbox
from ledgernode.client import Signer
from ledgernode.errors import DiskFull, ReadingInvalid
from ledgernode.identity.keys import PrivateKey
from ledgernode.wire.transaction import parse_transaction
from ledgernode.wire.types import ChainId
from tests.chaincode.town import DAY_MS, FEEDER, INTERVAL_MS, RATING_W, Town
from tests.gateway.test_outbox import Clock, opened

KEY = PrivateKey.generate()
MINUTE_MS = 60_000


def signer_of(outbox: Outbox, key: PrivateKey = KEY, chain: bytes = bytes(32)) -> EdgeSigner:
    device = EdgeDevice("tele/plug", "utility:plug", Signer(key, chain_id=ChainId(chain)), MINUTE_MS)
    return EdgeSigner(outbox, [device], "utility")


def message(kwh: str) -> bytes:
    return b'{"Time":"2023-05-19T20:52:56","ENERGY":{"Total":' + kwh.encode() + b',"Voltage":230}}'


async def said(edge: EdgeSigner, kwh: str) -> bool:
    """Whether it made a row."""
    (seen,) = Formats().read("tele/plug/SENSOR", message(kwh))
    safe = edge.take(seen)
    if safe is not None:
        await safe
    return safe is not None


@pytest.fixture
def clock() -> Clock:
    return Clock()


async def test_numbers_go_on_over_a_restart_and_nothing_is_signed_twice(tmp_path: Path, clock: Clock) -> None:
    """The counter is kept in the same write as its row."""
    async with opened(tmp_path, clock) as outbox:
        edge = signer_of(outbox)
        clock.now_ms = MINUTE_MS
        assert await said(edge, "1.5")
        assert not await said(edge, "1.6"), "the same minute"
    async with opened(tmp_path, clock) as outbox:
        edge = signer_of(outbox)
        assert not await said(edge, "1.5"), "the same message after a restart"
        clock.now_ms += MINUTE_MS
        assert await said(edge, "1.7")
        rows = [parse_transaction(one.envelope).body for one in await outbox.batch()]
    assert [(body.contract, body.function, body.replay.number) for body in rows] == [  # type: ignore[union-attr]
        ("metering", "record_for", 0),
        ("metering", "record_for", 1),
    ]
    assert b'"rows":[[1,120000,1700000,0,0,230000]]' in rows[1].arguments


async def test_a_row_that_did_not_reach_the_disk_was_never_seen(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(tmp_path, clock) as outbox:
        edge = signer_of(outbox)
        clock.now_ms = MINUTE_MS
        with monkeypatch.context() as broken:

            def full(_: object) -> None:
                raise DiskFull("no room")

            broken.setattr(outbox.store, "write", full)
            with pytest.raises(DiskFull):
                await said(edge, "1.5")
        await asyncio.sleep(0)
        assert await said(edge, "1.5")
        assert outbox.turns.entries == 1


async def test_a_device_nobody_has_named_is_counted_and_refused(tmp_path: Path, clock: Clock) -> None:
    async with opened(tmp_path, clock) as outbox:
        edge = signer_of(outbox)
        (seen,) = Formats().read("tele/other/SENSOR", message("1"))
        with pytest.raises(ReadingInvalid):
            edge.take(seen)
        assert edge.unknown == 1


@pytest.mark.slow
async def test_the_ledger_takes_the_rows_and_tells_who_signed(tmp_path: Path, clock: Clock) -> None:
    """A plug without a key, at a point of its own, an interval long."""
    town = Town("metering")
    town.build()
    gateway = town.ledger.identity("edge-plug", role="gateway", organisation="utility")
    meter = {"id": "utility:plug", "gateway_signed": True}
    row = {"premises": "utility:h", "point": "utility:h", "customer": "utility:h", "wallet": "", "meter": meter}
    row["wallet"] = town.ledger.identity("wallet").id
    ratings = {"import_rating_w": RATING_W, "export_rating_w": RATING_W}
    town.ok(town.operator, "registry", "add_houses", feeder=FEEDER, houses=[row], **ratings)
    begin_ms = town.to_boundary()
    async with opened(tmp_path, clock) as outbox:
        edge = signer_of(outbox, gateway.key, town.ledger.chain.chain_id)
        for minute, kwh in enumerate(("0.00", "0.02", "0.01", "0.05")):
            clock.now_ms = begin_ms + 5 * minute * MINUTE_MS
            await said(edge, kwh)
        for one in await outbox.batch():
            found = parse_transaction(one.envelope)
            assert found.body.creator == gateway.identity
            town.ledger.advance(ms=max(0, begin_ms + 15 * MINUTE_MS - town.now_ms))
            (done,) = town.ledger.block(found)
            assert done.code == "OK", done.message
    day = begin_ms // DAY_MS
    (seen,) = town.ask(town.operator, "metering", "days", point="utility:h", first_day=day, last_day=day)
    at = begin_ms % DAY_MS // INTERVAL_MS
    assert (seen["state"][at], seen["import_mwh"][at]) == ("g", 70_000)
