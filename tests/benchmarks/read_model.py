"""How fast the read model takes blocks in, how large it becomes, and how fast its pages answer.

    python -m tests.benchmarks.read_model --transactions 1000000 --database /tmp/model.db

Blocks are made up, but whole: certified by one validator's real signatures, with receipts and events as the contracts
emit them, in a town's mix: a third of payments, a third of readings, a quarter of orders and trades, the rest
invoices and tokens. One meter tells every five seconds of a month. All of it goes the way that real blocks go.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import resource
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import text

from gateway.readmodel import queries
from gateway.readmodel.database import Database
from gateway.readmodel.following import Following
from gateway.readmodel.migrating import drop
from gateway.readmodel.zones import DAY_MS, Span
from ledgernode.testing import TestLedger
from ledgernode.wire.answers import Block, LedgerFacts
from ledgernode.wire.block import Header, encode_header, header_hash
from ledgernode.wire.parameters import Parameters
from ledgernode.wire.receipt import Event, Origin, Receipt, encode_receipt
from ledgernode.wire.roots import receipts_root, transaction_root
from ledgernode.wire.transaction import Body, Kind, Sequence, encode_body, envelope
from ledgernode.wire.types import ChainId, Height, IdentityId, TimeMs, TransactionId
from ledgernode.wire.validators import Certificate, ValidatorSet, encode_certificate, vote_bytes
from tests.gateway.readmodel.sources import blocks_of

METERS = 2_000
BLOCK_TRANSACTIONS = 250
START_MS = 1_767_225_600_000 + DAY_MS
MARKET = "north:market"
MONTH_ROWS = 30 * DAY_MS // 5_000
FAST = "fa57" * 16
RUNS = 40
Made = tuple[str, str, str, dict[str, Any], list[tuple[str, str, dict[str, Any]]], Any]
"""creator, contract, function, arguments, events, result"""


def person(number: int) -> str:
    return sha256(b"person %d" % number).hexdigest()


class Town:
    """Transactions and what they come to, one after another, all from a seed."""

    def __init__(self, transactions: int) -> None:
        self.draw = random.Random(1)
        self.transactions = transactions
        self.time_ms = START_MS
        self.registers = [0] * METERS
        self.sequence = 0
        self.read_ms = [START_MS] * METERS
        self.orders = 0
        self.trades = 0
        self.invoices = 0
        self.month_rows = 0
        self.month_register = 0

    def made(self) -> Iterator[Made]:
        yield from self.founded()
        kinds = (self.payment, self.readings, self.order, self.bill, self.token)
        month = self.transactions / (MONTH_ROWS / 360)
        for number in range(self.transactions):
            if self.month_rows < MONTH_ROWS and number >= self.month_rows / 360 * month:
                yield self.month()
            else:
                yield self.draw.choices(kinds, (35, 33, 25, 4, 3))[0]()

    def founded(self) -> Iterator[Made]:
        zone = {"name": "Europe/Berlin", "standard_minutes": 60, "summer_minutes": 120}
        change = {"week": 5, "weekday": 6, "minute": 60, "utc": True}
        zone |= {"begins": {"month": 3, **change}, "ends": {"month": 10, **change}}
        told = {"organisation": "north", "zone": "Europe/Berlin", "treasury": person(0)}
        ground = {"interval_ms": 900_000, "digits": 2, "founder": "north"}
        yield person(0), "registry", "establish", {}, [("registry", "GroundEstablished", ground)], ground
        yield person(0), "registry", "enlist", {"zone": zone}, [("registry", "UtilityEnlisted", told)], {}
        for number in (*range(METERS), -1):
            meter = FAST if number < 0 else person(number)
            house = {name: f"north:{name}-{number}" for name in ("premises", "point", "customer")}
            event = {**house, "wallet": meter, "meter": meter, "pan": "", "feeder": f"north:feeder-{number % 40}"}
            given = {"houses": [{**house, "meter": {"id": meter}}], "prepaid": False, "tariff": "north:flat"}
            yield person(0), "registry", "add_houses", given, [("registry", "HouseAdded", event)], 1

    def payment(self) -> Made:
        sender, to = self.draw.randrange(METERS), self.draw.randrange(METERS)
        told = {"sender": person(sender), "recipient": person(to), "amount_minor": 250, "purpose": "rent"}
        given = {"to": person(to), "amount_minor": 250, "purpose": "rent"}
        return person(sender), "currency", "transfer", given, [("currency", "Transferred", told)], {}

    def readings(self) -> Made:
        at = self.draw.randrange(METERS)
        rows = []
        for _ in range(4):
            self.sequence += 1
            self.read_ms[at] += 900_000
            self.registers[at] += self.draw.randrange(500_000)
            rows.append([self.sequence, self.read_ms[at], self.registers[at], 0, 0, 230_000, 4_000, 900_000, 0, 990])
        return self.recorded(person(at), f"north:point-{at}", rows)

    def month(self) -> Made:
        rows = []
        for _ in range(360):
            self.month_rows += 1
            self.month_register += self.draw.randrange(3_000)
            at_ms = START_MS + self.month_rows * 5_000
            rows.append([self.month_rows, at_ms, self.month_register, 0, 0, 230_000, 4_000, 900_000, 0, 990])
        return self.recorded(FAST, "north:point--1", rows)

    def recorded(self, meter: str, point: str, rows: list[list[int]]) -> Made:
        counts = {"accepted": len(rows), "held": 0}
        last = {"last_ms": rows[-1][1], "last_import_mwh": rows[-1][2], "last_export_mwh": 0}
        told = {"meter": meter, "point": point, **counts, **last}
        result = {**counts, "known": 0, "conflicts": 0, "ignored": 0, **last}
        return meter, "metering", "record", {"rows": rows}, [("metering", "ReadingsRecorded", told)], result

    def order(self) -> Made:
        self.orders += 1
        owner = self.draw.randrange(METERS)
        side = self.draw.choice(("bid", "ask"))
        price = self.draw.randrange(100, 300) * 1_000
        of_market = {"market": MARKET, "energy_wh": 500, "price_micro": price, "from_ms": 0, "until_ms": 0}
        placed = {"order": self.orders, **of_market, "side": side, "kind": side}
        result = {"number": self.orders, "left_wh": 500, "point": f"north:point-{owner}", "wallet": person(owner)}
        result |= {"customer": f"north:customer-{owner}", "feeder": f"north:feeder-{owner % 40}", "expires_ms": 0}
        events = [("market", "OrderPlaced", placed)]
        chance = self.draw.random()
        if chance < 0.6 and self.orders > 1:
            self.trades += 1
            matched = {"market": MARKET, "trade": self.trades, "bid": self.orders, "ask": self.orders - 1}
            prices = {"energy_wh": 250, "price_micro": price, "buyer_price_micro": price}
            events.append(("market", "OrderMatched", {**matched, **prices}))
            points = {"seller_point": f"north:point-{self.orders % METERS}", "buyer_point": f"north:point-{owner}"}
            agreed = {"trade": self.trades, "area": "north:area", **points, "energy_wh": 250, "price_micro": price}
            events.append(
                ("settlement", "TradeAgreed", {**agreed, "from_ms": self.time_ms, "until_ms": self.time_ms + 1})
            )
        if chance > 0.4:
            ended = {"order": self.orders, "market": MARKET, "left_wh": 250, "filled_wh": 250}
            events.append(("market", "OrderCancelled", ended))
        return person(owner), "market", side, {"market": MARKET, "energy_wh": 500, "price_micro": price}, events, result

    def bill(self) -> Made:
        self.invoices += 1
        owner, name = self.draw.randrange(METERS), f"north:{self.invoices}"
        customer = f"north:customer-{owner}"
        issued = {"invoice": name, "kind": "period", "point": f"north:point-{owner}", "customer": customer}
        times = {"issued_ms": self.time_ms, "due_ms": self.time_ms + DAY_MS}
        events: list[tuple[str, str, dict[str, Any]]] = [
            ("billing", "InvoiceIssued", {**issued, "total_minor": 5_000, **times})
        ]
        if self.draw.random() < 0.9:
            paid = {"invoice": name, "customer": customer}
            received = {**paid, "payer": person(owner), "amount_minor": 5_000}
            events += [
                ("billing", "PaymentReceived", received),
                ("billing", "InvoicePaid", {**paid, "paid_minor": 5_000}),
            ]
        return person(owner), "billing", "pay", {"invoice": name, "amount_minor": 5_000, "request": name}, events, {}

    def token(self) -> Made:
        self.sequence += 1
        point = f"north:point-{self.draw.randrange(METERS)}"
        key = {"credit": self.sequence, "point": point}
        reserved = {**key, "kind": "vend", "pan": "0" * 11, "base": 2014, "tid": self.sequence, "rnd": 1, "units": 100}
        minted = {**key, "token_hash": sha256(b"%d" % self.sequence).hexdigest(), "units": 100}
        events = [("prepaid", "CreditReserved", reserved), ("prepaid", "CreditMinted", minted)]
        return person(0), "prepaid", "reserve", {"point": point, "amount_minor": 1_000}, events, {}


class Synthetic:
    """A source of such blocks after a test ledger's own first one."""

    def __init__(self, transactions: int) -> None:
        self.ledger = TestLedger()
        self.town = Town(transactions)
        self.first = blocks_of(self.ledger.chain)[0]
        count = transactions + 3 + METERS
        self.height = -(-count // BLOCK_TRANSACTIONS)
        self.making_s = 0.0

    def __call__(self) -> Synthetic:
        return self

    async def blocks(self, from_height: int = 0, *, to_height: int = 0) -> AsyncIterator[Block]:
        assert from_height == 0, "made once, from the beginning"
        yield self.first
        header = self.ledger.chain.header(Height(0))
        batch: list[Made] = []
        for made in self.town.made():
            batch.append(made)
            if len(batch) == BLOCK_TRANSACTIONS:
                block, header = self.block(header, batch)
                batch = []
                yield block
        if batch:
            yield self.block(header, batch)[0]
        await asyncio.sleep(3_600)

    def block(self, parent: Header, batch: list[Made]) -> tuple[Block, Header]:
        began = time.thread_time()
        self.town.time_ms += 3_600_000
        envelopes, receipts = [], []
        for number, (creator, contract, function, arguments, events, result) in enumerate(batch):
            body = encode_body(
                Body(
                    kind=Kind.TRANSACTION,
                    chain_id=ChainId(parent.chain_id),
                    creator=IdentityId(bytes.fromhex(creator)),
                    replay=Sequence(parent.height * 1_000 + number),
                    budget=1_000,
                    contract=contract,
                    function=function,
                    arguments=msgspec.json.encode(arguments),
                )
            )
            envelopes.append(envelope(b"\x04" + bytes(64), bytes(64), body))
            told = tuple(Event(of, name, msgspec.json.encode(payload)) for of, name, payload in events)
            receipt = Receipt(
                TransactionId(sha256(body).digest()),
                Origin.TRANSACTION,
                "OK",
                "",
                msgspec.json.encode(result),
                told,
                900,
            )
            receipts.append(encode_receipt(receipt))
        header = msgspec.structs.replace(
            parent,
            height=Height(parent.height + 1),
            parent_hash=header_hash(parent),
            transaction_root=transaction_root([sha256(one).digest() for one in envelopes]),
            receipts_root=receipts_root(receipts),
            time_ms=TimeMs(self.town.time_ms),
            transactions=len(envelopes),
            receipts=len(receipts),
        )
        vote = vote_bytes(header.chain_id, header.epoch, header.height, header_hash(header))
        certificate = encode_certificate(Certificate(((0, self.ledger.miner.key.sign(vote)),)))
        self.making_s += time.thread_time() - began
        return Block(encode_header(header), tuple(envelopes), tuple(receipts), certificate), header

    async def facts(self) -> LedgerFacts:
        header = self.ledger.chain.header(Height(0))
        parameters = {"engine": "solo", "parameters": Parameters(), "validators": 1, "header_hash": b""}
        return LedgerFacts(
            "bench", header.chain_id, Height(self.height), TimeMs(self.town.time_ms), header.epoch, **parameters
        )

    async def members_in(self, epoch: int) -> ValidatorSet:
        raise NotImplementedError

    async def close(self) -> None:
        """Nothing is open."""


async def taken_in(database: Database, transactions: int) -> dict[str, Any]:
    source = Synthetic(transactions)
    async with database.writer.begin() as connection:
        await drop(connection)
    began, cpu = time.monotonic(), time.process_time()
    following = Following(database, source, source.ledger.genesis_bytes)
    task = asyncio.create_task(following.run(to_height=source.height))
    while not task.done():
        await asyncio.wait((task,), timeout=20)
        print(f"  height {following.status.height} of {source.height}, {time.monotonic() - began:.0f} s", flush=True)
    await task
    assert following.status.unread == 0
    async with database.writer.begin() as connection:
        await connection.execute(text("ANALYZE"))
    cpu_s = time.process_time() - cpu - source.making_s
    return {"transactions": transactions, "wall_s": round(time.monotonic() - began, 1), "cpu_s": round(cpu_s, 1)}


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
        "transactions refused (none)": lambda c, d: queries.ledger.transactions(c, refused=True),
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
        "5 s for a month, by quarter": lambda c, d: queries.metering.series(c, "north:point--1", Span.QUARTER, *month),
        "5 s for a month, by hour": lambda c, d: queries.metering.series(c, "north:point--1", Span.HOUR, *month),
        "a day of it by minute": lambda c, d: queries.metering.series(
            c, "north:point--1", Span.MINUTE, START_MS + 9 * DAY_MS, START_MS + 10 * DAY_MS
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
        print(await taken_in(database, given.transactions))
    print(await sizes(database, None if "://" in given.database else Path(given.database)))
    for name, (median, most) in (await asked(database)).items():
        print(f"{name:34} p50 {median:8.1f} ms   p95 {most:8.1f} ms")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MiB")
    await database.close()


if __name__ == "__main__":
    asyncio.run(main())
