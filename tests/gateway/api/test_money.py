"""Energy and money over HTTP: bounds of questions, documents, tables to take away, nothing of who came before."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from pyarrow import parquet

from gateway.api import exports as exporting
from gateway.api.asking import Look
from gateway.api.holdings import holdings_of
from gateway.api.notices import Notice, notices_since
from gateway.api.scope import Home as Lived
from gateway.api.scope import Scope
from gateway.readmodel.bounds import PAGE_LIMIT
from gateway.readmodel.queries import exports
from gateway.readmodel.queries.exports import EXPORTS
from gateway.readmodel.queries.ledger import followed
from gateway.sessions.tickets import Person
from ledgernode.identity.records import Role
from ledgernode.testing import Member
from tests.chaincode.vending_town import Home
from tests.gateway.api.expected.money import bill_of
from tests.gateway.api.site import Site

pytestmark = pytest.mark.slow
HOUSE = "utility:house-1"
_SERIES = f"/points/{HOUSE}/series?"


# ---------------------------------------------------------------- energy


async def test_every_span_sums_to_the_same(any_site: Site) -> None:
    site = any_site
    finest = (await site.get("operator", f"/points/{HOUSE}/series?by=reading")).json()
    assert finest["items"]
    for by in ("quarter", "hour", "day", "month"):
        found = (await site.get("operator", f"/points/{HOUSE}/series?by={by}&from_ms=1767000000000")).json()
        assert found["by"] == by
        for column in ("import_mwh", "export_mwh"):
            assert sum(row[column] for row in found["items"]) == sum(row[column] for row in finest["items"])


ABSURD = (
    f"{_SERIES}by=minute&from_ms=1",
    f"{_SERIES}by=reading&from_ms=1",
    f"{_SERIES}by=week",
    f"{_SERIES}from_ms=-1",
    f"{_SERIES}from_ms={1 << 64}",
    f"{_SERIES}from_ms=0.5",
    f"{_SERIES}until_ms=x",
    f"{_SERIES}form_ms=1",
    f"{_SERIES}by=hour&by=day",
    f"/markets/utility:market-1/prices?by=quarter&from_ms=1&until_ms={1 << 62}",
    f"/feeders/utility:feeder-1/intervals?from_ms=1&until_ms={1 << 62}",
    f"/feeders/utility:feeder-1/samples?from_ms=1&until_ms={1 << 62}",
    "/bills?status=lost",
    f"/bills?size={PAGE_LIMIT + 1}",
    "/bills?after=zzzz",
    "/tokens",
    "/orders?open=perhaps",
    "/deliveries?trade=-1",
    "/markets/utility:market-1/depth?levels=1000",
)


async def test_absurd_questions_are_refused(site: Site) -> None:
    """Stretches of time, sizes and names that cannot be meant."""
    for path in ABSURD:
        found = await site.get("operator", path)
        assert (found.status_code, found.json()["code"]) == (400, "REQUEST_INVALID"), path


async def test_a_stretch_that_ends_before_it_begins_is_empty(site: Site) -> None:
    found = await site.get("operator", f"/points/{HOUSE}/series?from_ms=1770000000000&until_ms=1")
    assert found.json()["items"] == []


async def test_who_moved_in_sees_nothing_of_before(site: Site) -> None:
    """Readings, sums and trades of a time in which somebody else lived there are as if they were not."""
    town = site.town
    async with moved_in(site):
        assert (await site.get("customer", f"/points/{HOUSE}/series?by=quarter")).json()["items"] == []
        assert (await site.get("customer", f"/points/{HOUSE}/readings")).json()["items"] == []
        assert (await site.get("customer", "/trades")).json()["items"] == []
        assert (await site.get("customer", "/deliveries")).json()["items"] == []
        now = (await site.get("customer", f"/points/{HOUSE}/now")).json()
        assert (now["head"], now["reading"], now["today"], now["month"]) == (None, None, None, None)
        assert (await site.get("customer", "/bills")).json()["items"], "bills are the customer's, wherever it lives"
        assert town.houses[0].point == HOUSE


async def test_the_day_and_the_month_in_which_one_moved_in_begin_then(any_site: Site) -> None:
    """What the quarters of an hour say from then on, and not the whole day, which was another's before."""
    site = any_site
    series = f"/points/{HOUSE}/series?from_ms=1767000000000&by="
    quarters = (await site.get("operator", f"{series}quarter")).json()["items"]
    since_ms = quarters[len(quarters) // 2]["from_ms"]
    own = [row for row in quarters if row["from_ms"] >= since_ms]
    assert 0 < len(own) < len(quarters)
    async with moved_in(site, since_ms):
        for by in ("hour", "day", "month"):
            found = (await site.get("customer", series + by)).json()["items"]
            assert found[0]["from_ms"] == since_ms, by
            for column in ("import_mwh", "export_mwh", "measured_ms"):
                assert sum(row[column] for row in found) == sum(row[column] for row in own), (by, column)
        later = (await site.get("customer", f"/points/{HOUSE}/series?by=day&from_ms={since_ms + 1}")).json()["items"]
        assert since_ms not in {row["from_ms"] for row in later}
        month = (await site.get("customer", f"/points/{HOUSE}/now")).json()["month"]
        assert month["import_mwh"] == sum(row["import_mwh"] for row in own)


@asynccontextmanager
async def moved_in(site: Site, since_ms: int = 0) -> AsyncIterator[None]:
    """The customer of house-1 as if it had moved in then, or with the last block."""
    who = site.people["customer"]
    async with site.model.reading() as connection:
        at = await followed(connection)
        assert at is not None
        own = await holdings_of(connection, Person(who.id, "utility", Role.CUSTOMER))
        since_ms = since_ms or at.time_ms
        homes = {point: Lived(home.premises, since_ms, home.meter) for point, home in own.homes.items()}
        late = msgspec.structs.replace(own, homes=homes)
    site.asking._known[(who.id, who.organisation, "customer")] = (at.height, late)
    try:
        yield
    finally:
        site.asking._known.clear()


# ---------------------------------------------------------------- bills


async def test_a_bill_comes_on_paper_and_as_a_table(any_site: Site) -> None:
    site = any_site
    bill = bill_of(site, 1)
    found = await site.get("neighbour", f"/bills/{bill}/document.pdf")
    assert found.headers["content-type"] == "application/pdf"
    assert found.content.startswith(b"%PDF-")
    assert f"https://console.utility.example/verify/{bill}".encode() in found.content
    again = await site.get("operator", f"/bills/{bill}/document.pdf")
    assert again.content == found.content, "it says the same to whoever may see it"
    other = await site.get("neighbour", f"/bills/{bill}/document.pdf?language=de")
    assert other.content != found.content
    held = {"if-none-match": found.headers["etag"]}
    assert (await site.get("neighbour", f"/bills/{bill}/document.pdf", **held)).status_code == 304
    assert (await site.get("neighbour", f"/bills/{bill}/document.pdf?language=xx")).status_code == 400

    table = await site.get("neighbour", f"/bills/{bill}/document.csv")
    rows = list(csv.DictReader(io.StringIO(table.text)))
    shown = (await site.get("neighbour", f"/bills/{bill}")).json()
    assert [int(row["amount_minor"]) for row in rows] == [
        *(line["amount_minor"] for line in shown["lines"]),
        shown["total_minor"],
    ]


async def test_the_proof_of_a_bill_holds_what_the_bill_says(site: Site) -> None:
    """The transaction that a bill names has the bill's own lines in its event."""
    shown = (await site.get("neighbour", f"/bills/{bill_of(site, 1)}")).json()
    found = (await site.get("regulator", f"/transactions/{shown['issued_transaction']}")).json()
    (told,) = [
        event["payload"]
        for event in found["events"]
        if event["name"] == "InvoiceIssued" and event["payload"]["invoice"] == shown["invoice"]
    ]
    assert told["lines"] == shown["lines"]
    assert told["total_minor"] == shown["total_minor"]
    named = {event["payload"]["customer"] for event in found["events"] if "customer" in event["payload"]}
    assert named == {shown["customer"]}


# ---------------------------------------------------------------- tables to take away


async def taken(site: Site, who: str, table: str, asked: str = "") -> list[dict[str, Any]]:
    """From both forms, which must agree."""
    found = await site.get(who, f"/exports/{table}.parquet{asked}")
    assert found.status_code == 200, found.text
    rows: list[dict[str, Any]] = parquet.read_table(io.BytesIO(found.content)).to_pylist()
    text = (await site.get(who, f"/exports/{table}.csv{asked}")).text
    assert list(csv.DictReader(io.StringIO(text))) == [
        {name: "" if value is None else str(value) for name, value in row.items()} for row in rows
    ]
    return rows


async def test_tables_are_taken_away_whole(any_site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Page after page, as Parquet and CSV, the utility's part and all of it; another organisation has none."""
    monkeypatch.setattr(exports, "EXPORT_BATCH", 7)
    for table, which in EXPORTS.items():
        everything = await taken(any_site, "regulator", table)
        keys = [column.name for column in which.table.primary_key.columns]
        assert len({tuple(row[name] for name in keys) for row in everything}) == len(everything)
        own = await taken(any_site, "operator", table)
        assert all(row in everything for row in own)
        assert await taken(any_site, "foreign", table) == []
        assert own or table in ("tampers", "alerts", "feeder_samples"), table


async def test_a_stretch_of_time_is_taken_away(site: Site) -> None:
    everything = await taken(site, "operator", "trades")
    middle = sorted(row["matched_ms"] for row in everything)[len(everything) // 2]
    before = await taken(site, "operator", "trades", f"?until_ms={middle}")
    after = await taken(site, "operator", "trades", f"?from_ms={middle}")
    assert sorted(before + after, key=lambda row: row["trade"]) == everything


async def test_more_than_a_table_may_have_is_refused(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "EXPORT_LIMIT", 3)
    found = await site.get("regulator", "/exports/trades.csv")
    assert (found.status_code, found.json()["code"]) == (400, "REQUEST_INVALID")


async def test_some_take_tables_away_at_once_and_the_rest_wait(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than two at a time are told when to come back; afterwards all is as before, whatever went wrong."""
    begun, go_on = asyncio.Semaphore(0), asyncio.Event()

    async def slowly(*_: object) -> Any:
        begun.release()
        await go_on.wait()
        yield [(1,) * len(EXPORTS["trades"].columns)]

    with monkeypatch.context() as patched:
        patched.setattr(exporting.exports, "batches", slowly)
        waiting = [asyncio.create_task(site.get("regulator", "/exports/trades.csv")) for _ in range(exporting.AT_ONCE)]
        async with asyncio.timeout(30):
            for _ in waiting:
                await begun.acquire()
        refused = await site.get("regulator", "/exports/trades.csv")
        assert (refused.status_code, refused.json()["retry_ms"]) == (429, 5_000)
        go_on.set()
        assert [one.status_code for one in await asyncio.gather(*waiting)] == [200] * exporting.AT_ONCE
    for _ in range(2 * exporting.AT_ONCE):
        assert (await site.get("foreign", "/exports/nothing.csv")).status_code == 404
    assert (await site.get("regulator", "/exports/trades.csv")).status_code == 200


# ---------------------------------------------------------------- tokens


async def test_a_tenant_alone_sees_the_digits_of_a_token(any_site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """As they were given to this gateway, and only where the ledger has their hash."""
    site, home = any_site, any_site.town.homes[0]
    (token, *_) = (await site.get("operator", f"/tokens?point={home.point}")).json()["items"]
    held = {token["credit"]: f"{token['pan']}/{token['base']}/{token['tid']}"}
    monkeypatch.setattr(site.asking, "digits", lambda credit: held.get(credit, ""))
    monkeypatch.setitem(site.people, "tenant", home.wallet)
    path = f"/points/{home.point}/tokens/{token['credit']}/digits"
    shown = await site.get("tenant", path)
    assert shown.json() == {"credit": token["credit"], "digits": held[token["credit"]]}
    assert shown.headers["cache-control"] == "no-store"
    for who in ("operator", "regulator", "customer"):
        assert (await site.get(who, path)).status_code == 404
    held[token["credit"]] = "another token's"
    assert (await site.get("tenant", path)).status_code == 404
    held.clear()
    assert (await site.get("tenant", path)).status_code == 404


# ---------------------------------------------------------------- notices


async def test_low_credit_is_noticed_by_height_until_there_is_more(any_site: Site) -> None:
    """A page that was told up to a block asks for what came since, and finds it where a page asks for all."""
    site, home = any_site, any_site.town.homes[0]
    usual_mwh = home.balance_mwh
    assert "low_credit" not in {one.kind for one in await noticed(site, home, -1)}
    before = site.town.ledger.height
    home.use(usual_mwh - 1_000_000)
    await site.model.catch_up()
    (low,) = [one for one in await noticed(site, home, -1) if one.kind == "low_credit"]
    assert (low.about, low.energy_mwh) == (home.point, 1_000_000)
    assert low in await noticed(site, home, before)
    assert low not in await noticed(site, home, low.height)
    shown = (await site.get("operator", f"/points/{home.point}/prepaid")).json()
    assert (shown["balance_mwh"], shown["low"]) == (1_000_000, True)

    home.balance_mwh = usual_mwh
    home.report()
    await site.model.catch_up()
    assert "low_credit" not in {one.kind for one in await noticed(site, home, -1)}


async def test_who_has_a_new_key_is_told(any_site: Site) -> None:
    """A lost phrase is cured by the utility: the person hears of it, for thirty days, and so does who lost nothing."""
    site, ledger = any_site, any_site.town.ledger
    wallet = ledger.identity("wallet-lost")
    await site.model.catch_up()
    assert await noticed(site, wallet, -1) == ()
    found = ledger._organisations["utility"].member("wallet-lost", Role.CUSTOMER, None, ledger.time_ms)
    change = {"identity": wallet.id, "certificate": found.certificate, "reason": "the phrase was lost"}
    site.town.ok(site.town.admin, "identity", "rekey", **change)
    await site.model.catch_up()
    (told,) = await noticed(site, wallet, -1)
    assert (told.kind, told.about, told.detail) == ("key_changed", wallet.id, "rekey")
    assert await noticed(site, wallet, told.height) == ()


async def noticed(site: Site, home: Home | Member, height: int) -> tuple[Notice, ...]:
    """What a house's customer is told of blocks after a height."""
    async with site.model.reading() as connection:
        at = await followed(connection)
        assert at is not None
        wallet = home if isinstance(home, Member) else home.wallet
        person = Person(wallet.id, "utility", Role.CUSTOMER)
        scope = Scope(person, await holdings_of(connection, person), at.time_ms)
        return await notices_since(Look(connection, scope, at.height, at.time_ms), height)
