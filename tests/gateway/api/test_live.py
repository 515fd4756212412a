"""Live events over a real socket: nothing is left out, nothing told twice, and everybody is told what is theirs."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from gateway.api import live, newsroom
from gateway.api.news import ALL, Place, read_place, read_topics
from gateway.api.newsroom import Newsroom
from gateway.readmodel.following import State
from gateway.sessions import people
from ledgernode.errors import BadRequest, Unavailable
from ledgernode.identity.records import Role
from ledgernode.wire.answers import Block
from tests.audit.whole_town import WholeTown, lived
from tests.gateway.api.listening import Console, Entrant, Event, Register, console, entrant, listening
from tests.gateway.readmodel.sources import blocks_of

MARKET, FEEDER = "utility:market-1", "utility:feeder-1"
SELLER, BUYER = "utility:house-1", "utility:house-2"
SETTLED = 108
"""Everybody lives there; nothing has been traded yet."""


class Town(NamedTuple):
    blocks: list[Block]
    genesis_bytes: bytes
    seller: Entrant
    buyer: Entrant
    operator: Entrant
    regulator: Entrant


@pytest.fixture(scope="module")
def town() -> Town:
    whole: WholeTown = lived()
    wallets = {house.point: house.wallet.id for house in whole.everyone}
    return Town(
        blocks_of(whole.ledger.chain),
        whole.ledger.genesis_bytes,
        entrant(wallets[SELLER], Role.CUSTOMER),
        entrant(wallets[BUYER], Role.CUSTOMER),
        entrant("0a" * 32, Role.OPERATOR),
        entrant("0b" * 32, Role.REGULATOR, "authority"),
    )


@asynccontextmanager
async def at_town(town: Town, tmp_path: Path, until: int = SETTLED, **limits: int) -> AsyncIterator[Console]:
    register = Register(town.seller, town.buyer, town.operator, town.regulator)
    async with console(
        str(tmp_path / "model.db"), town.blocks, town.genesis_bytes, register, until=until, **limits
    ) as here:
        yield here


async def told(here: Console, one: Entrant, topics: str, last_id: str, upto: int) -> list[Event]:
    """Everything from a place up to a height that the model has."""
    found: list[Event] = []
    async with here.entered(one) as client, listening(client, f"{topics},blocks", last_id) as line:
        await line.until("hello")
        while True:
            event = await line.next()
            if event.name == "news":
                found.append(event)
            elif event.data["height"] > upto:
                return found


async def test_a_reading_is_told_to_whose_it_is_with_its_transaction(town: Town, tmp_path: Path) -> None:
    async with (
        at_town(town, tmp_path) as here,
        here.entered(town.seller) as client,
        listening(client, f"points:{SELLER}") as line,
    ):
        assert line.response.headers["content-type"] == "text/event-stream"
        assert line.response.headers["cache-control"] == "no-store"
        hello = await line.until("hello")
        assert (hello.id, hello.data["height"]) == (str(SETTLED), SETTLED)
        here.model.played.until = 130
        while True:
            event = await line.until("news")
            assert event.id == "{}.{}".format(*event.place)
            assert event.data["topics"] == [f"points:{SELLER}"]
            if event.data["name"] == "ReadingsRecorded":
                break
        assert event.data["payload"]["point"] == SELLER
        detail = await client.get(f"/api/v1/transactions/{event.data['transaction']}")
        assert detail.json()["row"]["height"] == event.data["height"]


async def test_who_is_cut_off_again_and_again_misses_nothing_and_hears_nothing_twice(
    town: Town, tmp_path: Path
) -> None:
    """Broken off at random places while blocks come: together it is what somebody hears who was there all the time."""
    dice, end = random.Random(6), len(town.blocks) - 2
    async with at_town(town, tmp_path) as here, here.entered(town.operator) as client:
        topics = f"blocks,notices,market:{MARKET},feeder:{FEEDER},points:{SELLER},points:{BUYER}"
        heard: list[tuple[int, int]] = []
        last_id, grown = str(SETTLED), SETTLED
        while not heard or heard[-1][0] < end:
            grown = here.model.played.until = min(grown + dice.randrange(30), end)
            async with listening(client, topics, last_id) as line:
                for _ in range(dice.randrange(1, 60)):
                    if heard and heard[-1][0] >= grown:
                        break
                    event = await line.next()
                    if event.name in ("block", "news"):
                        heard.append(event.place)
                last_id = line.last_id
        here.model.played.until = end + 1
        whole: list[tuple[int, int]] = []
        async with listening(client, topics, str(SETTLED)) as line:
            while (event := await line.next()).data["height"] <= end or event.name == "hello":
                if event.name != "hello":
                    whole.append(event.place)
        heard = [place for place in heard if place[0] <= end]
        assert heard == sorted(set(heard))
        assert heard == whole[: len(heard)]
        assert heard[-1][0] == end
        assert len(heard) > 200


async def test_of_a_market_everybody_is_told_what_names_nobody(town: Town, tmp_path: Path) -> None:
    async with at_town(town, tmp_path, until=140) as here:
        last = str(SETTLED)
        of_others = await told(here, town.buyer, f"market:{MARKET}", last, 120)
        matched = next(one for one in of_others if one.data["name"] == "OrderMatched")
        assert matched.data["payload"] == {
            "ask": 1, "bid": 2, "buyer_price_micro": 150_000, "energy_wh": 300, "market": MARKET,
            "price_micro": 150_000, "trade": 1,
        }  # fmt: skip
        agreed = next(one for one in of_others if one.data["name"] == "TradeAgreed")
        assert not {"seller_point", "buyer_point", "area"} & set(agreed.data["payload"])
        of_staff = await told(here, town.operator, f"market:{MARKET}", last, 120)
        assert [one.place for one in of_staff] == [one.place for one in of_others]
        agreed = next(one for one in of_staff if one.data["name"] == "TradeAgreed")
        assert agreed.data["payload"]["seller_point"] == SELLER
        own = await told(here, town.buyer, f"market:{MARKET},points:{BUYER}", last, 120)
        agreed = next(one for one in own if one.data["name"] == "TradeAgreed")
        assert set(agreed.data["topics"]) == {f"market:{MARKET}", f"points:{BUYER}"}
        assert agreed.data["payload"]["buyer_point"] == BUYER


async def test_notices_are_ones_own(town: Town, tmp_path: Path) -> None:
    async with at_town(town, tmp_path, until=len(town.blocks) - 1) as here:
        upto = len(town.blocks) - 2
        own = await told(here, town.buyer, "notices", str(SETTLED), upto)
        names = {one.data["name"] for one in own}
        assert {"TradeAgreed", "InvoiceIssued", "PaymentReceived"} & names == {"TradeAgreed", "InvoiceIssued"}
        for one in own:
            told_of = str(one.data["payload"])
            assert BUYER in told_of or town.buyer.record.id in told_of or "trade" in told_of
        staff = await told(here, town.operator, "notices", str(SETTLED), upto)
        invoices = [one for one in staff if one.data["name"] == "InvoiceIssued"]
        assert len(invoices) == 4
        assert not any(one.data["contract"] == "currency" for one in staff), "a wallet's money is its own"
        assert {one.place for one in own if one.data["contract"] != "currency"} < {one.place for one in staff}
        everything = await told(here, town.regulator, "notices", str(SETTLED), upto)
        assert {one.place for one in staff} <= {one.place for one in everything}


async def test_what_one_may_not_know_is_as_if_it_was_not_there(town: Town, tmp_path: Path) -> None:
    async with at_town(town, tmp_path, until=140) as here:
        cases: list[tuple[Entrant, str, int]] = [
            (town.seller, f"points:{SELLER}", 200),
            (town.seller, f"points:{BUYER}", 404),
            (town.seller, "points:utility:nowhere", 404),
            (town.seller, f"feeder:{FEEDER}", 404),
            (town.operator, f"feeder:{FEEDER}", 200),
            (town.regulator, f"feeder:{FEEDER},points:{BUYER},notices", 200),
            (town.seller, "market:utility:none", 404),
            (town.seller, f"market:{MARKET}", 200),
            (town.seller, f"blocks,points:{SELLER},points:{BUYER}", 404),
            (town.seller, "", 400),
            (town.seller, "everything", 400),
            (town.seller, "points:", 400),
            (town.seller, ",".join(f"points:utility:{number}" for number in range(51)), 400),
        ]
        for one, topics, status in cases:
            async with (
                here.entered(one) as client,
                client.stream("GET", "/api/v1/live", params={"topics": topics}) as found,
            ):
                assert found.status_code == status, topics
        async with here.entered(town.seller) as client:
            for bad in ("x", "1.2.3", "-1", "1" * 30, "1."):
                wrong = await client.get("/api/v1/live", params={"topics": "blocks", "after": bad})
                assert (wrong.status_code, wrong.json()["code"]) == (400, "REQUEST_INVALID")
            client.cookies.clear()
            assert (await client.get("/api/v1/live", params={"topics": "blocks"})).status_code == 401


async def test_it_ends_with_the_ticket_and_with_the_identity(
    town: Town, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "CHECK_S", 0.1)
    monkeypatch.setattr(people, "BELIEVED_MS", 0)
    async with at_town(town, tmp_path) as here:
        async with here.entered(town.seller) as client, listening(client, "blocks") as line:
            assert (await client.delete("/api/v1/session")).status_code == 204
            ended = await line.until("end")
            assert (ended.data["code"], ended.data["come_back"]) == ("TICKET_INVALID", False)
            assert await line.ends()
        async with here.entered(town.seller) as client, listening(client, "blocks") as line:
            await line.until("hello")
            here.register.revoke(town.seller)
            ended = await line.until("end")
            assert (ended.data["code"], ended.data["come_back"]) == ("SIGNER_REVOKED", False)
        assert len(here.newsroom) == 0


async def test_a_quiet_line_says_that_it_lives_and_moves_the_place(
    town: Town, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that who listened to a quiet point for a day comes back to today."""
    monkeypatch.setattr(live, "CHECK_S", 0.1)
    async with (
        at_town(town, tmp_path) as here,
        here.entered(town.operator) as client,
        listening(client, "points:utility:head") as line,
    ):
        await line.until("hello")
        here.model.played.until = SETTLED + 2
        await line.comes_to(str(SETTLED + 2))


async def test_a_reader_that_does_not_keep_up_is_let_go_with_the_reason(
    town: Town, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it was told before holds: it comes back at its place and goes on."""
    monkeypatch.setattr(newsroom, "QUEUE", 5)
    async with at_town(town, tmp_path) as here, here.entered(town.operator) as client:
        topics = f"blocks,market:{MARKET},points:{SELLER}"
        heard: list[tuple[int, int]] = []
        last_id, let_go = str(SETTLED), 0
        here.model.played.until = 140
        while not heard or heard[-1][0] < 139:
            async with listening(client, topics, last_id) as line:
                while (event := await line.next()).name != "end":
                    if event.name != "hello":
                        heard.append(event.place)
                    if heard and heard[-1][0] >= 139:
                        break
                if event.name == "end":
                    let_go += 1
                    assert (event.data["code"], event.data["come_back"]) == ("READER_SLOW", True)
                last_id = line.last_id
        assert let_go
        assert heard == sorted(set(heard))


async def test_many_listeners_are_one_question(town: Town, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, int]] = []
    read = Newsroom._read

    async def counted(self: Newsroom, first: int, last: int) -> Any:
        asked.append((first, last))
        return await read(self, first, last)

    monkeypatch.setattr(Newsroom, "_read", counted)
    async with at_town(town, tmp_path) as here, here.entered(town.operator) as client:
        assert asked == [], "nobody listens"
        async with (
            listening(client, "blocks") as one,
            listening(client, f"market:{MARKET},blocks") as two,
            listening(client, f"points:{SELLER},blocks") as three,
        ):
            for line in (one, two, three):
                await line.until("hello")
            here.model.played.until = SETTLED + 5
            for line in (one, two, three):
                while (await line.until("block")).data["height"] < SETTLED + 5:
                    pass
            async with listening(client, "blocks", f"{SETTLED + 2}.0") as late:
                assert (await late.until("block")).place == (SETTLED + 3, 0)
        assert sum(last - first + 1 for first, last in asked) == 5, "each block once, also for who came back"


async def test_who_was_away_too_long_reads_its_pages_anew(
    town: Town, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(newsroom, "AWAY_BLOCKS", 10)
    async with at_town(town, tmp_path) as here, here.entered(town.operator) as client:
        for last_id in ("3.1", "999999999999"):
            async with listening(client, "blocks", last_id) as line:
                reset = await line.next()
                assert (reset.name, reset.id) == ("reset", str(here.model.status.height))
                assert (await line.next()).name == "hello"
                here.model.played.until += 1
                assert (await line.until("block")).data["height"] == here.model.played.until


async def test_a_gateway_that_stops_says_so(town: Town, tmp_path: Path) -> None:
    async with (
        at_town(town, tmp_path) as here,
        here.entered(town.operator) as client,
        listening(client, "blocks") as line,
    ):
        await line.until("hello")
        here.newsroom.end()
        ended = await line.until("end")
        assert (ended.data["code"], ended.data["come_back"]) == ("NODE_STOPPING", True)
        assert await line.ends()
        assert (await client.get("/api/v1/live", params={"topics": "blocks"})).status_code == 503


async def test_one_person_listens_so_many_times_at_once(
    town: Town, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(newsroom, "OF_PERSON", 1)
    async with at_town(town, tmp_path) as here, here.entered(town.operator) as client:
        async with listening(client, "blocks") as line:
            await line.until("hello")
            refused = await client.get("/api/v1/live", params={"topics": "blocks"})
            assert (refused.status_code, refused.json()["code"]) == (429, "RATE_LIMITED")
        async with asyncio.timeout(10):
            while len(here.newsroom):  # noqa: ASYNC110  # it is noticed by the connection's end
                await asyncio.sleep(0.01)


async def test_a_person_asks_at_a_pace_and_an_address_enters_at_another(town: Town, tmp_path: Path) -> None:
    """Whoever is too fast is told when to come back; others are not held up by it."""
    bounds = {"person_burst": 5, "person_refill_ms": 60_000, "entry_burst": 5, "entry_refill_ms": 60_000}
    async with at_town(town, tmp_path, **bounds) as here, here.entered(town.operator) as client:
        answers = [await client.get("/api/v1/session") for _ in range(6)]
        assert [one.status_code for one in answers] == [200] * 5 + [429]
        assert answers[-1].json()["code"] == "RATE_LIMITED"
        assert answers[-1].json()["retry_ms"] > 50_000
        async with here.entered(town.seller) as other:
            assert (await other.get("/api/v1/session")).status_code == 200
            entering = [(await other.post("/api/v1/session/challenges")).status_code for _ in range(2)]
            assert entering == [200, 429]


async def test_a_database_that_is_away_is_waited_for(
    town: Town, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is lost by it, and it is said how the model stands."""
    monkeypatch.setattr(newsroom, "_PAUSE_S", 0.05)
    monkeypatch.setattr(newsroom, "_LOOK_EVERY_S", 0.05)
    async with (
        at_town(town, tmp_path) as here,
        here.entered(town.operator) as client,
        listening(client, "blocks") as line,
    ):
        await line.until("hello")
        reading = here.model.reading
        away = asyncio.Event()

        @asynccontextmanager
        async def failing() -> AsyncIterator[Any]:
            away.set()
            raise Unavailable("the read model's database does not answer")
            yield

        monkeypatch.setattr(here.model, "reading", failing)
        here.model._following._stands(State.DATABASE_AWAY, "gone")
        assert (await line.until("state")).data["state"] == "database away"
        here.model.played.until = SETTLED + 3
        await asyncio.wait_for(away.wait(), 20)
        monkeypatch.setattr(here.model, "reading", reading)
        heights = [(await line.until("block")).data["height"] for _ in range(3)]
        assert heights == [SETTLED + 1, SETTLED + 2, SETTLED + 3]


def test_places_and_topics_are_read_strictly() -> None:
    assert read_place("12.3") == Place(12, 3)
    assert read_place("12") == Place(12, ALL) > Place(12, 3)
    assert str(Place(12, ALL)) == "12"
    assert read_topics("blocks,points:north:h1,blocks") == ("blocks", "points:north:h1")
    for bad in ("", "blocks,", "points", "nodes:1"):
        with pytest.raises(BadRequest):
            read_topics(bad)
