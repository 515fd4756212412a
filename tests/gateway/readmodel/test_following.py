"""Blocks into tables: whatever the way, the tables come out the same."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import func, select

from gateway.readmodel.changes import Changes
from gateway.readmodel.database import Database
from gateway.readmodel.decoded import decoded
from gateway.readmodel.following import Following, State
from gateway.readmodel.migrating import drop
from gateway.readmodel.projector import project
from gateway.readmodel.tables import METADATA
from gateway.readmodel.tables.ledger import FOLLOWED, TRANSACTIONS, UNREAD
from ledgernode.errors import BadRequest
from ledgernode.testing import TestLedger
from ledgernode.wire.answers import Block
from ledgernode.wire.block import encode_header, parse_header
from ledgernode.wire.receipt import encode_receipt, parse_receipt
from tests.audit.whole_town import WholeTown
from tests.conditions import eventually
from tests.gateway.readmodel.sources import Played, blocks_of
from tests.postgres import PostgresServer

pytestmark = pytest.mark.slow


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory, town: WholeTown, blocks: list[Block]) -> dict[str, list[Any]]:
    """What the tables hold when all blocks are written at once."""

    async def built() -> dict[str, list[Any]]:
        database = Database(str(tmp_path_factory.mktemp("whole") / "model.db"))
        following = Following(database, Played(blocks), town.ledger.genesis_bytes, batch_blocks=100_000)
        await following.run(to_height=len(blocks) - 1)
        found = await content(database)
        await database.close()
        return found

    return asyncio.run(built())


async def content(database: Database) -> dict[str, list[Any]]:
    """Every table, row by row."""
    async with database.reader.connect() as connection:
        return {
            table.name: [tuple(row) for row in await connection.execute(select(table).order_by(*table.primary_key))]
            for table in METADATA.sorted_tables
        }


async def test_whole_town_is_read(database: Database, town: WholeTown, blocks: list[Block]) -> None:
    """Every receipt stands in the model, and no event is of a form it does not know."""
    following = Following(database, Played(blocks), town.ledger.genesis_bytes)
    await following.run(to_height=len(blocks) - 1)
    async with database.reader.connect() as connection:
        assert await connection.scalar(select(func.count()).select_from(TRANSACTIONS)) == sum(
            len(block.receipts) for block in blocks
        )
        assert (await connection.execute(select(UNREAD))).all() == []
        assert await connection.scalar(select(FOLLOWED.c.height)) == town.ledger.height
    assert following.status.behind == 0


@pytest.mark.parametrize("seed", range(4))
async def test_any_split_into_batches_gives_the_same_tables(
    seed: int, tmp_path: Path, town: WholeTown, blocks: list[Block], whole: dict[str, Any]
) -> None:
    """Rows are a function of the blocks, not of how many were written at once."""
    database = Database(str(tmp_path / "model.db"))
    draw = random.Random(seed)
    source = Played(blocks)
    last = len(blocks) - 1
    at = -1
    while at < last:
        at = min(at + draw.choice((1, 7, 40, 100, 300)), last)
        following = Following(database, source, town.ledger.genesis_bytes, batch_blocks=draw.choice((1, 3, 50, 1_000)))
        await following.run(to_height=at)
    assert await content(database) == whole
    await database.close()


async def test_postgresql_holds_the_same_rows(
    database: Database, town: WholeTown, blocks: list[Block], whole: dict[str, Any]
) -> None:
    """A model that was followed block by block equals one that was built at once, on either database."""
    following = Following(database, Played(blocks), town.ledger.genesis_bytes, batch_blocks=17)
    await following.run(to_height=len(blocks) - 1)
    assert await content(database) == whole


async def test_dropped_model_comes_back_the_same(
    database: Database, town: WholeTown, blocks: list[Block], whole: dict[str, Any]
) -> None:
    await Following(database, Played(blocks), town.ledger.genesis_bytes).run(to_height=len(blocks) // 2)
    async with database.writer.begin() as connection:
        await drop(connection)
    await Following(database, Played(blocks), town.ledger.genesis_bytes).run(to_height=len(blocks) - 1)
    assert await content(database) == whole


async def test_follows_what_comes(database: Database, town: WholeTown, blocks: list[Block]) -> None:
    """Caught up, it writes each block as it comes, and says so."""
    source = Played(blocks, until=10)
    heights: list[int] = []
    following = Following(database, source, town.ledger.genesis_bytes, told=heights.append)
    task = asyncio.create_task(following.run())
    await eventually(lambda: following.status.height == 10 and following.status.state is State.FOLLOWING)
    source.until = 11
    await eventually(lambda: heights[-1] == 11)
    assert following.status.behind == 0
    task.cancel()


async def test_model_that_is_opened_at_the_head_says_so_at_once(tmp_path: Path, town: WholeTown) -> None:
    """On a quiet ledger no block comes that would say it: who waits for the model would wait for ever."""
    blocks, heights = blocks_of(town.ledger.chain)[:3], list[int]()
    for _ in range(2):
        database = Database(str(tmp_path / "model.db"))
        heights.clear()
        following = Following(database, Played(blocks), town.ledger.genesis_bytes, told=heights.append)
        await following.run(to_height=2)
        await database.close()
    assert heights == [2]


async def test_node_that_goes_away_is_asked_again(database: Database, town: WholeTown, blocks: list[Block]) -> None:
    source = Played(blocks, until=30, fails_at=20)
    following = Following(database, source, town.ledger.genesis_bytes)
    await following.run(to_height=30)
    assert source.connected == 2


async def test_ledger_that_does_not_answer_is_told(
    tmp_path: Path, town: WholeTown, blocks: list[Block], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stream of blocks waits without a word: the status says why, and goes on by itself."""
    monkeypatch.setattr("gateway.readmodel.following.HEAD_EVERY_S", 0.05)
    database, source = Database(str(tmp_path / "model.db")), Played(blocks, until=10)
    following = Following(database, source, town.ledger.genesis_bytes)
    task = asyncio.create_task(following.run())
    await eventually(lambda: following.status.state is State.FOLLOWING and following.status.height == 10)
    source.is_away = True
    await eventually(lambda: following.status.state is State.LEDGER_AWAY)
    assert "UNREACHABLE" in following.status.reason
    source.is_away, source.until = False, 12
    await eventually(lambda: following.status.state is State.FOLLOWING and following.status.height == 12)
    assert following.status.reason == ""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await database.close()


async def test_block_that_does_not_hold_is_not_written(
    database: Database, town: WholeTown, blocks: list[Block]
) -> None:
    """A forged receipt, signature or header: refused, with the reason in the status; nothing of it is in the tables."""
    at = next(height for height, block in enumerate(blocks) if height > 20 and block.receipts)
    honest = blocks[at]
    receipt = parse_receipt(honest.receipts[-1])
    forged = encode_receipt(msgspec.structs.replace(receipt, result=b'{"amount_minor":1}'))
    lies = {
        "envelopes or receipts": msgspec.structs.replace(honest, receipts=(*honest.receipts[:-1], forged)),
        "valid signatures": msgspec.structs.replace(honest, certificate=honest.certificate[:-1] + b"\x00"),
        "does not follow": blocks_with(honest, parent_hash=b"\x07" * 32),
    }
    for reason, lie in lies.items():
        source = Played([*blocks[:at], lie, *blocks[at + 1 :]], until=at)
        following = Following(database, source, town.ledger.genesis_bytes)
        task = asyncio.create_task(following.run())
        await eventually(lambda following=following: following.status.state is State.REFUSED)
        assert reason in following.status.reason
        assert following.status.height < at
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    source = Played(blocks, until=at)
    await Following(database, source, town.ledger.genesis_bytes).run(to_height=at)


def blocks_with(block: Block, **fields: Any) -> Block:
    header = msgspec.structs.replace(parse_header(block.header), **fields)
    return msgspec.structs.replace(block, header=encode_header(header))


async def test_other_ledgers_database_is_refused(tmp_path: Path, town: WholeTown, blocks: list[Block]) -> None:
    database = Database(str(tmp_path / "model.db"))
    await Following(database, Played(blocks), town.ledger.genesis_bytes).run(to_height=3)
    other = TestLedger()
    with pytest.raises(BadRequest, match="another ledger"):
        await Following(database, Played(blocks_of(other.chain)), other.genesis_bytes).run(to_height=0)
    await database.close()


async def test_two_that_write_do_not_disturb_each_other(
    database: Database, url: str, town: WholeTown, blocks: list[Block], whole: dict[str, Any]
) -> None:
    """A block is written once, by whoever comes first."""
    other = Database(url)
    last = len(blocks) - 1
    both = [
        Following(each, Played(blocks), town.ledger.genesis_bytes, batch_blocks=size).run(to_height=last)
        for each, size in ((database, 40), (other, 60))
    ]
    await asyncio.gather(*both)
    assert await content(database) == whole
    await other.close()


async def test_database_that_is_away_is_waited_for(
    tmp_path: Path, town: WholeTown, blocks: list[Block], whole: dict[str, Any]
) -> None:
    """The server crashes and comes back: the status says so meanwhile, and the tables come out the same."""
    with PostgresServer() as server:
        database = Database(server.url("away"))
        source = Played(blocks, until=30)
        following = Following(database, source, town.ledger.genesis_bytes, batch_blocks=10)
        task = asyncio.create_task(following.run())
        await eventually(lambda: following.status.height == 30)
        server.stop()
        source.until = len(blocks) - 1
        await eventually(lambda: following.status.state is State.DATABASE_AWAY)
        assert following.status.reason
        server.start()
        await eventually(lambda: following.status.height == len(blocks) - 1, 40)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert await content(database) == whole
        await database.close()


async def test_event_of_an_unknown_form_stands_aside(town: WholeTown, blocks: list[Block]) -> None:
    """It stops nothing, and is told."""
    block = decoded(next(block for block in blocks if b"OrderMatched" in b"".join(block.receipts)))
    call = next(call for call in block.calls if any(event.name == "OrderMatched" for event in call.events))
    odd = [msgspec.structs.replace(event, payload={"other": 1}) for event in call.events]
    changes = Changes()
    project(changes, msgspec.structs.replace(block, calls=(msgspec.structs.replace(call, events=tuple(odd)),)))
    assert {row["event"] for row in changes.appended[UNREAD]} >= {"market.OrderMatched"}
    assert len(changes.appended[TRANSACTIONS]) == 1
