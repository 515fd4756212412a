"""Tokens on their way: every gateway is told, one that has it is enough for the ledger, and a restart forgets none."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.http.post import read_url
from gateway.http.signature import Request, holds, key_of, read_claim
from gateway.vending.keystore import KeyFacts, KeyStore
from gateway.vending.minter import Courier
from gateway.vending.minting import Token, digits_of
from gateway.vending.module import KeyStoreModule
from gateway.vending.payments import Under
from gateway.vending.settings import Bounds, GatewayAt
from gateway.vending.store import VendingStore
from ledgernode.errors import NodeUnreachable
from tests.conditions import eventually
from tests.gateway.vending.handmade_ledger import METER, HandmadeLedger
from tests.gateway.vending.keys import VENDING_KEY

KEY = key_of("between the two of us")
FACTS = KeyFacts("123457", 2, 1, "")
MODULE = KeyStoreModule(KeyStore({FACTS.label: (FACTS, VENDING_KEY)}))
BOUNDS = Bounds(again_ms=20, courier_ms=50, give_up_ms=10_000)


class Gateway:
    """Says what it is told to say, and keeps what it has heard."""

    def __init__(self) -> None:
        self._kept = socket.socket()  # bound, and not listening yet: nobody else is given the port
        self._kept.bind(("127.0.0.1", 0))
        self.port = self._kept.getsockname()[1]
        self.status = 202
        self.heard: list[dict[str, Any]] = []

    @property
    def at(self) -> GatewayAt:
        return GatewayAt(read_url(f"http://127.0.0.1:{self.port}/api/v1/commands"), "vending", KEY)

    @asynccontextmanager
    async def up(self) -> AsyncIterator[None]:
        async with await asyncio.start_server(self._serve, sock=self._kept):
            yield

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        said = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:] if line)
        body = await reader.readexactly(int(said[b"Content-Length"]))
        claim = read_claim(said[b"Authorization"].decode())
        assert holds(claim, KEY, Request("POST", "/api/v1/commands", body))
        self.heard.append(json.loads(body))
        writer.write(b"HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n" % self.status)
        writer.close()


@pytest.fixture
async def minted() -> tuple[HandmadeLedger, Under]:
    ledger = HandmadeLedger()
    credit = await ledger.reserve(None, "north:house", 100, "request")  # type: ignore[arg-type]
    token = Token(credit["number"], "north:house", "aa", METER, 2014, credit["tid"], 5, 10, 1, 1, "123457")
    await ledger.mint(token, "hash")
    return ledger, Under(token, 0, minted=True)


@asynccontextmanager
async def courier(
    directory: Path, ledger: HandmadeLedger, *gateways: Gateway, now_ms: int = 0
) -> AsyncIterator[tuple[Courier, VendingStore]]:
    store = VendingStore(directory)
    found = Courier(
        store,
        ledger,  # type: ignore[arg-type]
        MODULE,
        BOUNDS,
        gateways=[gateway.at for gateway in gateways],
        trust=ssl.create_default_context(),
        clock_ms=lambda: now_ms,
    )
    running = asyncio.create_task(found.run())
    try:
        yield found, store
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        store.close()


async def test_every_gateway_is_told(tmp_path: Path, minted: tuple[HandmadeLedger, Under]) -> None:
    """Signed, with the digits, under the credit's number; the record goes when all have it."""
    ledger, under = minted
    first, second = Gateway(), Gateway()
    async with first.up(), second.up(), courier(tmp_path, ledger, first, second) as (one, store):
        store.write(tokens=[under])
        one.take(under)
        await eventually(lambda: store.tokens() == [])
    [told], [same] = first.heard, second.heard
    assert told == same
    assert (told["kind"], told["number"], told["device"]) == ("token", under.token.credit, "aa")
    assert told["payload"]["digits"] == await digits_of(MODULE, under.token)
    assert ledger.credits[0]["status"] == "delivered"


async def test_one_that_is_away_hears_it_later(tmp_path: Path, minted: tuple[HandmadeLedger, Under]) -> None:
    """The ledger is told meanwhile; the others are not told again; also over a restart."""
    ledger, under = minted
    here, away = Gateway(), Gateway()
    async with here.up():
        async with courier(tmp_path, ledger, here, away) as (one, store):
            store.write(tokens=[under])
            one.take(under)
            await eventually(lambda: store.token(1) is not None and store.token(1).said)  # type: ignore[union-attr]
        async with away.up(), courier(tmp_path, ledger, here, away) as (_, store):
            await eventually(lambda: store.tokens() == [])
    assert (len(here.heard), len(away.heard)) == (1, 1)


async def test_one_that_refuses_is_asked_again(tmp_path: Path, minted: tuple[HandmadeLedger, Under]) -> None:
    ledger, under = minted
    busy = Gateway()
    busy.status = 503
    async with busy.up(), courier(tmp_path, ledger, busy) as (one, store):
        store.write(tokens=[under])
        one.take(under)
        await eventually(lambda: len(busy.heard) >= 3)
        assert ledger.credits[0]["status"] == "minted"
        busy.status = 202
        await eventually(lambda: store.tokens() == [])


async def test_the_customer_having_it_is_delivered_too(tmp_path: Path, minted: tuple[HandmadeLedger, Under]) -> None:
    """No gateway answers: after its time it is left to the keypad, and nothing is kept any more."""
    ledger, under = minted
    async with courier(tmp_path, ledger, Gateway()) as (one, store):
        store.write(tokens=[under])
        one.take(under)
        await one.answered(1)
        await eventually(lambda: ledger.credits[0]["status"] == "delivered")
        assert len(store.tokens()) == 1
    async with courier(tmp_path, ledger, Gateway(), now_ms=10_000) as (_, store):
        await eventually(lambda: store.tokens() == [])


async def test_a_ledger_that_is_away_is_told_later(tmp_path: Path, minted: tuple[HandmadeLedger, Under]) -> None:
    ledger, under = minted
    ledger.trouble = NodeUnreachable("nobody")
    async with courier(tmp_path, ledger) as (one, store):
        store.write(tokens=[under])
        one.take(under)
        await one.answered(1)
        await asyncio.sleep(0.1)
        assert len(store.tokens()) == 1
        ledger.trouble = None
        await eventually(lambda: store.tokens() == [])
    assert ledger.credits[0]["status"] == "delivered"
