"""How fast the read model takes blocks in, how large it becomes, and how fast it answers questions.

    python -m tests.benchmarks.read_model --transactions 1000000 --database /tmp/model.db

The blocks are those of `made_up_town`. All of them go the way that real blocks go.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import resource
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from sqlalchemy import text

from gateway.readmodel import queries
from gateway.readmodel.database import Database
from gateway.readmodel.following import Following
from gateway.readmodel.migrating import drop
from gateway.readmodel.zones import DAY_MS, Span
from tests.benchmarks.made_up_town import FAST, FAST_POINT, MARKET, METERS, MONTH_ROWS, START_MS, MadeUp, person

RUNS = 40


async def taken_in(database: Database, source: MadeUp) -> dict[str, Any]:
    async with database.writer.begin() as connection:
        await drop(connection)
    began, cpu = time.monotonic(), time.process_time()
    following = Following(database, source, source.ground.genesis_bytes)
    task = asyncio.create_task(following.run(to_height=source.height))
    while not task.done():
        await asyncio.wait((task,), timeout=20)
        print(f"  height {following.status.height} of {source.height}, {time.monotonic() - began:.0f} s", flush=True)
    await task
    assert following.status.unread == 0
    async with database.writer.begin() as connection:
        await connection.execute(text("ANALYZE"))
    cpu_s = time.process_time() - cpu - source.making_s
    return {
        "transactions": source.town.transactions,
        "wall_s": round(time.monotonic() - began, 1),
        "cpu_s": round(cpu_s, 1),
    }


async def sizes(database: Database, path: Path | None) -> dict[str, Any]:
    from sqlalchemy import func, select

    from gateway.readmodel.tables import METADATA

    async with database.reader.connect() as connection:
        rows = {
            table.name: found
            for table in METADATA.sorted_tables
            if (found := await connection.scalar(select(func.count()).select_from(table)))
        }
        if path is None:
            size = await connection.scalar(text("SELECT pg_database_size(current_database())"))
        else:
            size = path.stat().st_size  # noqa: ASYNC240  # nothing else runs
    return {"mib": round((size or 0) / 2**20), "rows": sum(rows.values()), "tables": rows}


async def questions(database: Database) -> dict[str, Callable[[Any, random.Random], Awaitable[Any]]]:
    """Every page of the explorer and the heaviest others, at random places."""
    async with database.reader.connect() as connection:
        head = (await queries.ledger.blocks(connection, size=1)).items[0].height
        ids = [bytes.fromhex(row.id) for row in (await queries.ledger.transactions(connection, size=500)).items]

    def deep(draw: random.Random) -> str:
        return queries.pages.bookmark([draw.randrange(1, head), 1])

    def owner(draw: random.Random) -> int:
        return draw.randrange(METERS)

    month = START_MS, START_MS + 30 * DAY_MS
    return {
        "blocks, any page": lambda c, d: queries.ledger.blocks(c, after=queries.pages.bookmark([d.randrange(2, head)])),
        "block": lambda c, d: queries.ledger.block(c, d.randrange(1, head)),
        "transactions, any page": lambda c, d: queries.ledger.transactions(c, after=deep(d)),
        "transactions of a contract": lambda c, d: queries.ledger.transactions(c, contract="market", after=deep(d)),
        "transactions of a rare function": lambda c, d: queries.ledger.transactions(
            c, contract="registry", function="enlist"
        ),
        "transactions of a creator": lambda c, d: queries.ledger.transactions(c, creator=person(owner(d))),
        "transactions refused": lambda c, d: queries.ledger.transactions(c, refused=True),
        "transaction": lambda c, d: queries.ledger.transaction(c, d.choice(ids)),
        "events of a name": lambda c, d: queries.ledger.events(
            c, contract="billing", name="InvoicePaid", after=deep(d)
        ),
        "events about a point": lambda c, d: queries.ledger.events(c, subject=f"north:point-{owner(d)}"),
        "search by hash prefix": lambda c, d: queries.search.search(c, d.choice(ids).hex()[:10]),
        "search by id": lambda c, d: queries.search.search(c, f"north:point-{owner(d)}"),
        "identities": lambda c, d: queries.governance.identities(c),
        "account's postings": lambda c, d: queries.accounts.postings(c, person(owner(d))),
        "order book": lambda c, d: queries.market.depth(c, MARKET),
        "orders of a customer": lambda c, d: queries.market.orders(c, customer=f"north:customer-{owner(d)}"),
        "trades of a point": lambda c, d: queries.market.trades(c, point=f"north:point-{owner(d)}"),
        "price history, 60 days by hour": lambda c, d: queries.market.prices(
            c, MARKET, Span.HOUR, START_MS, START_MS + 60 * DAY_MS
        ),
        "invoices of a customer": lambda c, d: queries.billing.invoices(c, customer=f"north:customer-{owner(d)}"),
        "tokens of a point": lambda c, d: queries.prepaid.tokens(c, f"north:point-{owner(d)}"),
        "5 s for a month, by quarter": lambda c, d: queries.metering.series(c, FAST_POINT, Span.QUARTER, *month),
        "5 s for a month, by hour": lambda c, d: queries.metering.series(c, FAST_POINT, Span.HOUR, *month),
        "a day of it by minute": lambda c, d: queries.metering.series(
            c, FAST_POINT, Span.MINUTE, START_MS + 9 * DAY_MS, START_MS + 10 * DAY_MS
        ),
        "its readings, any page": lambda c, d: queries.metering.readings(
            c, FAST, after=queries.pages.bookmark([START_MS + d.randrange(MONTH_ROWS) * 5_000])
        ),
    }


async def asked(database: Database) -> dict[str, tuple[float, float]]:
    """Of each question the median and the 95th percentile, in ms, on a connection that is open."""
    draw = random.Random(2)
    figures = {}
    asked_for = await questions(database)
    async with database.reader.connect() as connection:
        for name, ask in asked_for.items():
            took = []
            for _ in range(RUNS):
                began = time.perf_counter()
                await ask(connection, draw)
                took.append((time.perf_counter() - began) * 1_000)
            took.sort()
            figures[name] = round(took[RUNS // 2], 1), round(took[RUNS * 95 // 100], 1)
    return figures


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--transactions", type=int, default=1_000_000)
    parser.add_argument("--database", required=True, help="A file, or a PostgreSQL URL; what is in it is dropped.")
    parser.add_argument("--only-ask", action="store_true", help="Ask what an earlier run has filled.")
    given = parser.parse_args()
    database = Database(given.database)
    if not given.only_ask:
        print(await taken_in(database, MadeUp(given.transactions)))
    print(await sizes(database, None if "://" in given.database else Path(given.database)))
    for name, (median, most) in (await asked(database)).items():
        print(f"{name:34} p50 {median:8.1f} ms   p95 {most:8.1f} ms")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MiB")
    await database.close()


if __name__ == "__main__":
    asyncio.run(main())
