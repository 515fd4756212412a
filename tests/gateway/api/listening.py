"""A console's API in this process over a ledger that is played back, and those who listen to it."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import httpx
import msgspec

from gateway.api import live
from gateway.api.areas import areas
from gateway.api.asking import Asking
from gateway.api.newsroom import Newsroom
from gateway.limits import Limits
from gateway.readmodel.model import LedgerHome, ReadModel
from gateway.sessions.challenges import Challenge, entry_message
from gateway.sessions.people import People
from gateway.sessions.router import Sessions
from gateway.sessions.router import router as session_router
from ledgernode.errors import UnknownIdentity
from ledgernode.identity.keys import PrivateKey
from ledgernode.identity.records import IdentityRecord, KeyRecord, Role, Status
from ledgernode.wire.answers import Block
from ledgernode.wire.genesis import chain_id
from ledgernode.wire.types import ChainId
from tests.gateway.http.serving import Served, served
from tests.gateway.readmodel.sources import Played

ORIGIN = "http://console.example"


def now_ms() -> int:
    return time.time_ns() // 1_000_000


class PlayedModel(ReadModel):
    """A read model of blocks that are given out one after another."""

    def __init__(self, database: str, blocks: Sequence[Block], genesis_bytes: bytes, *, until: int) -> None:
        super().__init__(database, LedgerHome("town", genesis_bytes, (), None, None))  # type: ignore[arg-type]
        self.played = Played(blocks, until=until)

    def _connect(self) -> Played:
        return self.played()


class Entrant(NamedTuple):
    """Somebody with a key, known under an identity of the town."""

    key: PrivateKey
    record: IdentityRecord


def entrant(identity: str, role: Role, organisation: str = "utility") -> Entrant:
    key = PrivateKey.generate()
    keys = (KeyRecord(key.public_key.hex(), "00" * 32, 1 << 52),)
    return Entrant(key, IdentityRecord(identity, organisation, role, {}, Status.ACTIVE, keys))


class Register:
    """What the ledger says of identities; a test may change it."""

    def __init__(self, *entrants: Entrant) -> None:
        self.records = {one.record.id: one.record for one in entrants}

    def revoke(self, one: Entrant) -> None:
        self.records[one.record.id] = msgspec.structs.replace(one.record, status=Status.REVOKED)

    async def ask(self, contract: str, function: str, arguments: dict[str, Any]) -> bytes:
        assert contract == "identity"
        for record in self.records.values():
            if arguments.get("identity") == record.id or arguments.get("public_key") == record.keys[0].public_key:
                return msgspec.json.encode(record)
        raise UnknownIdentity("nobody")


class Console(NamedTuple):
    at: Served
    model: PlayedModel
    newsroom: Newsroom
    register: Register
    chain: ChainId

    @asynccontextmanager
    async def entered(self, one: Entrant) -> AsyncIterator[httpx.AsyncClient]:
        async with httpx.AsyncClient(base_url=self.at.url, headers={"origin": ORIGIN}, timeout=30) as client:
            asked = (await client.post("/api/v1/session/challenges")).json()
            challenge = Challenge(bytes.fromhex(asked["nonce"]), asked["expires_ms"])
            signature = one.key.sign(entry_message(self.chain, ORIGIN, challenge)).hex()
            answer = {"public_key": one.key.public_key.hex(), "nonce": asked["nonce"], "signature": signature}
            assert (await client.post("/api/v1/session", json=answer)).status_code == 200
            yield client


@asynccontextmanager
async def console(
    database: str, blocks: Sequence[Block], genesis_bytes: bytes, register: Register, *, until: int, **limits: int
) -> AsyncIterator[Console]:
    """Served on a socket; the model has followed to block `until`."""
    chain = chain_id(genesis_bytes)
    model = PlayedModel(database, blocks, genesis_bytes, until=until)
    sessions = Sessions(chain, ORIGIN, People(register.ask, now_ms), now_ms, limits=Limits(**limits))
    asking = Asking(
        "town",
        chain,
        model=model,
        sessions=sessions,
        ledger=None,
        ask=register.ask,
        clock_ms=now_ms,  # type: ignore[arg-type]
    )
    newsroom = Newsroom(model)
    tasks = [asyncio.create_task(model.run()), asyncio.create_task(newsroom.run())]
    try:
        await asyncio.wait_for(model.beyond(until - 1), 30)
        async with served(session_router(sessions), *areas(asking), live.router(asking, newsroom), **limits) as at:
            yield Console(at, model, newsroom, register, chain)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await model.close()


class Event(NamedTuple):
    id: str
    name: str
    data: Mapping[str, Any]

    @property
    def place(self) -> tuple[int, int]:
        return self.data["height"], self.data["number"]


class Listening:
    """A stream of events as a browser reads it: the last id stays over a line that has no data."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self.last_id = ""
        self._lines = response.aiter_lines()

    async def next(self, limit_s: float = 20) -> Event:
        """The next event; raises StopAsyncIteration at the end."""
        name, data = "", ""
        async with asyncio.timeout(limit_s):
            while True:
                line = await anext(self._lines)
                field, _, value = line.partition(": ")
                if field == "id":
                    self.last_id = value
                elif field == "event":
                    name = value
                elif field == "data":
                    data = value
                elif not line and data:
                    return Event(self.last_id, name, json.loads(data))

    async def until(self, name: str) -> Event:
        while True:
            found = await self.next()
            if found.name == name:
                return found

    async def comes_to(self, place: str, limit_s: float = 20) -> None:
        """Until a line without an event says this place."""
        async with asyncio.timeout(limit_s):
            while self.last_id != place:
                field, _, value = (await anext(self._lines)).partition(": ")
                assert field in ("id", ""), f"{field} is more than a sign of life"
                self.last_id = value or self.last_id

    async def ends(self) -> bool:
        try:
            await self.next()
        except StopAsyncIteration:
            return True
        return False


@asynccontextmanager
async def listening(client: httpx.AsyncClient, topics: str, last_id: str = "") -> AsyncIterator[Listening]:
    headers = {"last-event-id": last_id} if last_id else {}
    async with client.stream("GET", "/api/v1/live", params={"topics": topics}, headers=headers) as response:
        assert response.status_code == 200, await response.aread()
        yield Listening(response)
