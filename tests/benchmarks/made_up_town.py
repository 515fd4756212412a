"""A made-up town's blocks, whole: for measuring what takes blocks in.

Blocks are certified by a validator's real signatures, with receipts and events as the contracts emit them, in a town's
mix: a third of payments, a third of readings, a quarter of orders and trades, the rest invoices and tokens; one in two
hundred is refused. One meter tells every five seconds of a month. They follow the first block of a chain whose
validator's key is at hand: a test ledger's, or that of a network on disk.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Iterator
from hashlib import sha256
from typing import Any, NamedTuple

import msgspec

from gateway.readmodel.zones import DAY_MS
from ledgernode.identity.keys import PrivateKey
from ledgernode.testing import TestLedger
from ledgernode.wire.answers import Block, LedgerFacts
from ledgernode.wire.block import Header, encode_header, header_hash, parse_header
from ledgernode.wire.parameters import Parameters
from ledgernode.wire.receipt import Event, Origin, Receipt, encode_receipt
from ledgernode.wire.roots import receipts_root, transaction_root
from ledgernode.wire.transaction import Body, Kind, Sequence, encode_body, envelope
from ledgernode.wire.types import ChainId, Height, IdentityId, TimeMs, TransactionId
from ledgernode.wire.validators import Certificate, ValidatorSet, encode_certificate, vote_bytes
from tests.gateway.readmodel.sources import blocks_of

METERS = 2_000
REFUSED_EVERY = 200
BLOCK_TRANSACTIONS = 250
START_MS = 1_767_225_600_000 + DAY_MS
MARKET = "north:market"
MONTH_ROWS = 30 * DAY_MS // 5_000
FAST = "fa57" * 16
"""The meter that tells every five seconds."""
FAST_POINT = "north:point--1"


class Made(NamedTuple):
    """One transaction, and what came of it."""

    creator: str
    contract: str
    function: str
    arguments: dict[str, Any]
    events: list[tuple[str, str, dict[str, Any]]]
    result: Any
    code: str = "OK"


class Ground(NamedTuple):
    """What a chain is made upon: its first block, and the key of the one validator that signs what follows."""

    genesis_bytes: bytes
    first: Block
    key: PrivateKey


def tested_ground() -> Ground:
    """Of a ledger in this process."""
    ledger = TestLedger()
    return Ground(ledger.genesis_bytes, blocks_of(ledger.chain)[0], ledger.miner.key)


def person(number: int) -> str:
    return sha256(b"person %d" % number).hexdigest()


class Town:
    """Transactions and what they come to, one after another, all from a seed."""

    def __init__(
        self, transactions: int, wallet: str = FAST, start_ms: int = START_MS, month_rows: int = MONTH_ROWS
    ) -> None:
        self.draw = random.Random(1)
        self.transactions = transactions
        self.wallet = wallet
        """Of the house whose meter tells every five seconds."""
        self.time_ms = start_ms
        self.registers = [0] * METERS
        self.sequence = 0
        self.read_ms = [START_MS] * METERS
        self.orders = 0
        self.trades = 0
        self.invoices = 0
        self.month_rows = 0
        self.month_ends = month_rows
        self.month_register = 0

    def made(self) -> Iterator[Made]:
        yield from self.founded()
        kinds = (self.payment, self.readings, self.order, self.bill, self.token)
        month = self.transactions / (self.month_ends / 360)
        for number in range(self.transactions):
            if self.month_rows < self.month_ends and number >= self.month_rows / 360 * month:
                yield self.month()
                continue
            made = self.draw.choices(kinds, (35, 33, 25, 4, 3))[0]()
            yield made if number % REFUSED_EVERY else self.refused()

    def founded(self) -> Iterator[Made]:
        zone = {"name": "Europe/Berlin", "standard_minutes": 60, "summer_minutes": 120}
        change = {"week": 5, "weekday": 6, "minute": 60, "utc": True}
        zone |= {"begins": {"month": 3, **change}, "ends": {"month": 10, **change}}
        told = {"organisation": "north", "zone": "Europe/Berlin", "treasury": person(0)}
        ground = {"interval_ms": 900_000, "digits": 2, "founder": "north"}
        yield Made(person(0), "registry", "establish", {}, [("registry", "GroundEstablished", ground)], ground)
        yield Made(person(0), "registry", "enlist", {"zone": zone}, [("registry", "UtilityEnlisted", told)], {})
        opened = {"kind": "market", "market": MARKET, "from_ms": self.time_ms}
        yield Made(person(0), "market", "approve", {"proposal": "1"}, [("market", "MarketChanged", opened)], {})
        for number in (*range(METERS), -1):
            meter = FAST if number < 0 else person(number)
            wallet = self.wallet if number < 0 else meter
            house = {name: f"north:{name}-{number}" for name in ("premises", "point", "customer")}
            event = {**house, "wallet": wallet, "meter": meter, "pan": "", "feeder": f"north:feeder-{number % 40}"}
            given = {"houses": [{**house, "meter": {"id": meter}}], "prepaid": False, "tariff": "north:flat"}
            member = {"identity": meter, "organisation": "north", "role": "meter"}
            events = [("identity", "IdentityRegistered", member), ("registry", "HouseAdded", event)]
            yield Made(person(0), "registry", "add_houses", given, events, 1)

    def payment(self) -> Made:
        sender, to = self.draw.randrange(METERS), self.draw.randrange(METERS)
        told = {"sender": person(sender), "recipient": person(to), "amount_minor": 250, "purpose": "rent"}
        given = {"to": person(to), "amount_minor": 250, "purpose": "rent"}
        return Made(person(sender), "currency", "transfer", given, [("currency", "Transferred", told)], {})

    def refused(self) -> Made:
        given = {"to": person(self.draw.randrange(METERS)), "amount_minor": 1 << 40, "purpose": "rent"}
        payer = person(self.draw.randrange(METERS))
        return Made(payer, "currency", "transfer", given, [], None, "INSUFFICIENT_BALANCE")

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
        return self.recorded(FAST, FAST_POINT, rows)

    def recorded(self, meter: str, point: str, rows: list[list[int]]) -> Made:
        counts = {"accepted": len(rows), "held": 0}
        last = {"last_ms": rows[-1][1], "last_import_mwh": rows[-1][2], "last_export_mwh": 0}
        told = {"meter": meter, "point": point, **counts, **last}
        result = {**counts, "known": 0, "conflicts": 0, "ignored": 0, **last}
        return Made(meter, "metering", "record", {"rows": rows}, [("metering", "ReadingsRecorded", told)], result)

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
        given = {"market": MARKET, "energy_wh": 500, "price_micro": price}
        return Made(person(owner), "market", side, given, events, result)

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
        given = {"invoice": name, "amount_minor": 5_000, "request": name}
        return Made(person(owner), "billing", "pay", given, events, {})

    def token(self) -> Made:
        self.sequence += 1
        point = f"north:point-{self.draw.randrange(METERS)}"
        key = {"credit": self.sequence, "point": point}
        reserved = {**key, "kind": "vend", "pan": "0" * 11, "base": 2014, "tid": self.sequence, "rnd": 1, "units": 100}
        minted = {**key, "token_hash": sha256(b"%d" % self.sequence).hexdigest(), "units": 100}
        events = [("prepaid", "CreditReserved", reserved), ("prepaid", "CreditMinted", minted)]
        return Made(person(0), "prepaid", "reserve", {"point": point, "amount_minor": 1_000}, events, {})


class MadeUp:
    """A source of such blocks after a chain's own first one (`gateway.readmodel.following.Source`)."""

    def __init__(
        self, transactions: int, ground: Ground | None = None, wallet: str = FAST, month_rows: int = MONTH_ROWS
    ) -> None:
        self.ground = ground or tested_ground()
        self.parent = parse_header(self.ground.first.header)
        self.town = Town(transactions, wallet, max(START_MS, int(self.parent.time_ms)), month_rows)
        self.height = -(-(transactions + 4 + METERS) // BLOCK_TRANSACTIONS)
        self.making_s = 0.0

    def __call__(self) -> MadeUp:
        return self

    async def blocks(self, from_height: int = 0, *, to_height: int = 0) -> AsyncIterator[Block]:
        assert from_height == 0, "made once, from the beginning"
        yield self.ground.first
        header = self.parent
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
        for number, made in enumerate(batch):
            body = encode_body(
                Body(
                    kind=Kind.TRANSACTION,
                    chain_id=ChainId(parent.chain_id),
                    creator=IdentityId(bytes.fromhex(made.creator)),
                    replay=Sequence(parent.height * 1_000 + number),
                    budget=1_000,
                    contract=made.contract,
                    function=made.function,
                    arguments=msgspec.json.encode(made.arguments),
                )
            )
            envelopes.append(envelope(b"\x04" + bytes(64), bytes(64), body))
            told = tuple(Event(of, name, msgspec.json.encode(payload)) for of, name, payload in made.events)
            name, result = TransactionId(sha256(body).digest()), msgspec.json.encode(made.result)
            receipts.append(encode_receipt(Receipt(name, Origin.TRANSACTION, made.code, "", result, told, 900)))
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
        certificate = encode_certificate(Certificate(((0, self.ground.key.sign(vote)),)))
        self.making_s += time.thread_time() - began
        return Block(encode_header(header), tuple(envelopes), tuple(receipts), certificate), header

    async def facts(self) -> LedgerFacts:
        parameters = {"engine": "solo", "parameters": Parameters(), "validators": 1, "header_hash": b""}
        chain = self.parent.chain_id
        return LedgerFacts(
            "bench", chain, Height(self.height), TimeMs(self.town.time_ms), self.parent.epoch, **parameters
        )

    async def members_in(self, epoch: int) -> ValidatorSet:
        raise AssertionError(f"one set for ever: nobody asks for that of epoch {epoch}")

    async def close(self) -> None:
        """Nothing is open."""
