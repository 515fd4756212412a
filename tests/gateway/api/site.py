"""A whole application over a town that has lived, in this process: real blocks, a real read model, real tickets.

Who looks: `customer` lives at house-1 of the utility, `neighbour` at house-2; `operator` works for the utility,
`foreign` is an operator of another organisation, `regulator` watches; `meter` is the customer's, and `nobody` has not
signed in.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import msgspec
from fastapi import FastAPI

from gateway.api import founding, live
from gateway.api.areas import areas
from gateway.api.asking import Asking, Node
from gateway.api.newsroom import Newsroom
from gateway.http.app import create_app
from gateway.limits import Limits
from gateway.naming import NameBook
from gateway.readmodel.following import State
from gateway.readmodel.model import LedgerHome, ReadModel
from gateway.sessions.challenges import Challenge, entry_message
from gateway.sessions.people import People
from gateway.sessions.router import Sessions, router
from gateway.sessions.tickets import TICKET_BYTES
from ledgernode.client import Signed, Signer
from ledgernode.config import QUERY_BUDGET
from ledgernode.errors import NodeUnreachable, TransactionExpired
from ledgernode.execution.query import evaluate
from ledgernode.identity.tls import TlsFiles
from ledgernode.proof import build_transaction_proof
from ledgernode.testing import Member, TestLedger
from ledgernode.wire.answers import Answer, LedgerFacts, Outcome, ReadLevel, Stage, Wait
from ledgernode.wire.transaction import Kind
from ledgernode.wire.types import Epoch, Height, TransactionId
from tests.audit.whole_town import WholeTown, lived
from tests.gateway.readmodel.sources import Played, blocks_of

ORIGIN = "https://console.utility.example"
BASE = "https://console.utility.example/api/v1"
NOBODY = "nobody"
DEVICE = "meter"


def peopled() -> tuple[WholeTown, dict[str, Member]]:
    """The town, and who looks at it; with a consent, a claim that waits, and something that organisations decide."""
    town = lived()
    customer, neighbour = town.houses[:2]
    foreign = town.ledger.identity("foreign", role="operator", organisation="community")
    people = {
        "customer": customer.wallet,
        "neighbour": neighbour.wallet,
        "operator": town.operator,
        "foreign": foreign,
        "regulator": town.regulator,
        "meter": customer.meter,
    }
    until_ms = town.now_ms + 10 * 86_400_000
    town.ok(
        customer.wallet, "registry", "consent", point=customer.point, reader=town.homes[0].wallet.id,
        scopes=["readings"], until_ms=until_ms,
    )  # fmt: skip
    newcomer = town.ledger.identity("wallet-new")
    code_hash = "ab" * 32
    town.ok(newcomer, "registry", "claim", premises=neighbour.premises, code_hash=code_hash)
    town.ok(town.admin, "governance", "propose", kind="parameters", change={"events": 257})
    town.ok(
        town.operator, "metering", "propose_correction", point=customer.point, interval_ms=town.read_ms - 900_000,
        import_mwh=1, export_mwh=0, reason="waits",
    )  # fmt: skip
    return town, people


def named() -> NameBook:
    """Two of the town, as the utility's file would have them."""
    book = NameBook()
    people = {f"utility:house-{number}": {"name": f"Person {number}"} for number in (1, 2)}
    book._file = msgspec.convert({"customers": people}, type=type(book._file))
    return book


class Here:
    """A ledger in this process, behind the face of `LedgerClient`. `is_away`: no node answers."""

    def __init__(self, ledger: TestLedger) -> None:
        self._ledger = ledger
        self._done: dict[bytes, Outcome] = {}
        self.is_away = False
        self.given: list[bytes] = []

    def _require(self) -> None:
        if self.is_away:
            raise NodeUnreachable("none of the nodes answered")

    async def submit_signed(
        self, signed: Signed, *, wait: Wait = Wait.COMMITTED, raise_refused: bool = True
    ) -> Outcome:
        self._require()
        self.given.append(signed.envelope)
        if signed.id in self._done:
            return self._done[signed.id]
        transaction = self._ledger.admitted(signed.envelope)
        if self._ledger.time_ms > signed.valid_until_ms:
            raise TransactionExpired("block time has passed its valid-until")
        done = self._ledger.block(transaction)[-1]
        outcome = Outcome(signed.id, Stage.COMMITTED, done.code, done.message, done.height, result=done.receipt.result)
        self._done[signed.id] = outcome
        return outcome if wait is Wait.COMMITTED else Outcome(signed.id, Stage.ADMITTED, "")

    async def evaluate_signed(
        self, query: bytes, *, level: ReadLevel | str = ReadLevel.LOCAL, height: int = 0
    ) -> Answer:
        self._require()
        asked = self._ledger.admitted(query, Kind.QUERY)
        return Answer(*evaluate(self._ledger.chain, asked, contracts=self._ledger._contracts))

    async def proof(self, transaction_id: TransactionId, item: int | None = None) -> bytes:
        self._require()
        return build_transaction_proof(self._ledger.chain, self._ledger.genesis_bytes, transaction_id, item)

    async def facts(self) -> LedgerFacts:
        self._require()
        head = self._ledger.chain.head
        return LedgerFacts(
            ledger="test",
            chain_id=head.chain_id,
            height=head.height,
            time_ms=head.time_ms,
            epoch=Epoch(0),
            engine="solo",
            parameters=self._ledger.parameters,
            validators=1,
            header_hash=b"",
        )

    async def ask(self, contract: str, function: str, arguments: dict[str, Any]) -> bytes:
        """A question in the gateway's name."""
        self._require()
        answer = self._ledger.query(self._ledger.admin(), contract, function, **arguments)
        return msgspec.json.encode(answer)


class PlayedModel(ReadModel):
    """The read model itself, of a ledger in this process."""

    def __init__(self, url: str, ledger: TestLedger) -> None:
        nobody = Signer(ledger.miner.key, chain_id=ledger.chain.chain_id)
        super().__init__(url, LedgerHome("test", ledger.genesis_bytes, ("nowhere:1",), TlsFiles(b"", "", ()), nobody))
        self._ledger = ledger

    def _connect(self) -> Played:
        return Played(blocks_of(self._ledger.chain))

    async def catch_up(self) -> None:
        height = int(self._ledger.height)
        await self.run(to_height=height)
        self.stands(State.FOLLOWING, ledger_height=height)

    def stands(self, state: State, **changes: Any) -> None:
        """As if it was so."""
        self._following.status = msgspec.structs.replace(self.status, state=state, **changes)


class Site:
    """The application, and clients of it for each who looks."""

    def __init__(self, town: WholeTown, people: dict[str, Member], model: PlayedModel) -> None:
        self.town = town
        self.people = people
        self.model = model
        self.ledger = Here(town.ledger)
        chain_id, clock_ms = town.ledger.chain.chain_id, self.clock_ms
        limits = Limits(http_burst=100_000, http_requests=1_000, person_burst=100_000, entry_burst=100_000)
        people_of_ledger = People(self.ledger.ask, clock_ms)
        self.sessions = Sessions(chain_id, ORIGIN, people_of_ledger, clock_ms, limits=limits)
        self.asking = Asking(
            "test",
            chain_id,
            model=model,
            sessions=self.sessions,
            ledger=self.ledger,
            ask=self.ledger.ask,
            clock_ms=clock_ms,
            nodes=(Node("node-1:7051", self.ledger),),
            names=named(),
        )
        self.app: FastAPI = create_app(
            [
                router(self.sessions),
                founding.router(town.ledger.genesis_bytes),
                *areas(self.asking),
                live.router(self.asking, Newsroom(model)),
            ],
            limits=limits,
            steady_ms=clock_ms,
        )
        self._tickets: dict[str, str] = {}

    def clock_ms(self) -> int:
        return self.town.now_ms

    async def cookie(self, who: str) -> str:
        """The ticket of one who has entered by the wallet's key; '' of nobody."""
        if who == NOBODY:
            return ""
        if who not in self._tickets:
            member = self.people[who]
            if who == DEVICE:
                return self._tickets.setdefault(who, await self._slipped_in(member))
            async with self._client({}) as client:
                asked = (await client.post("/session/challenges")).json()
            challenge = Challenge(bytes.fromhex(asked["nonce"]), asked["expires_ms"])
            signature = member.key.sign(entry_message(self.town.ledger.chain.chain_id, ORIGIN, challenge))
            entering = {
                "public_key": member.key.public_key.hex(),
                "nonce": asked["nonce"],
                "signature": signature.hex(),
            }
            async with self._client({}) as client:
                found = await client.post("/session", json=entering)
            assert found.status_code == 200, found.text
            self._tickets[who] = found.headers["set-cookie"].partition(";")[0]
        return self._tickets[who]

    async def _slipped_in(self, member: Member) -> str:
        """A ticket that nobody gives out: no device enters. Each route refuses one all the same."""
        person = await People(self.ledger.ask, self.clock_ms).by_key(member.key.public_key)
        ticket = self.sessions._tickets.give(person, os.urandom(TICKET_BYTES), self.clock_ms())
        return f"{self.sessions._cookie}={ticket}"

    @asynccontextmanager
    async def looking(self, who: str) -> AsyncIterator[httpx.AsyncClient]:
        """A page's client: its cookie and its origin."""
        cookie = await self.cookie(who)
        async with self._client({"cookie": cookie} if cookie else {}) as client:
            yield client

    def _client(self, headers: dict[str, str]) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(self.app, client=(f"10.0.0.{os.getpid() % 250}", 1))
        return httpx.AsyncClient(transport=transport, base_url=BASE, headers={"origin": ORIGIN, **headers}, timeout=30)

    async def get(self, who: str, path: str, **headers: str) -> httpx.Response:
        async with self.looking(who) as client:
            return await client.get(path, headers=headers)

    def signed(self, who: str, contract: str, function: str, *, query: bool = False, **arguments: Any) -> bytes:
        """An envelope of somebody's own."""
        kind = Kind.QUERY if query else Kind.TRANSACTION
        budget = QUERY_BUDGET if query else 0
        return self.town.ledger.signed(self.people[who], contract, function, arguments, kind=kind, budget=budget)

    @property
    def proposal(self) -> str:
        """What organisations are deciding."""
        return str(self.town.ledger.events("governance", "ProposalMade")[-1].payload["proposal"])

    def reading(self) -> str:
        """The id of the last transaction of the customer's meter."""
        chain, meter = self.town.ledger.chain, self.people["meter"].identity
        for height in range(chain.head.height, 0, -1):
            for raw in chain.envelopes(Height(height)):
                transaction = self.town.ledger.admitted(raw)
                if transaction.body.creator == meter:
                    return transaction.id.hex()
        raise LookupError("the meter has recorded nothing")
