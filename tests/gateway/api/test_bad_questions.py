"""What is asked wrongly is refused with its code, costs little, and shows nothing; on each kind of database."""

from __future__ import annotations

import base64
import json
from typing import Any

import httpx
import pytest

from gateway.api import asking
from gateway.readmodel.following import State
from tests.gateway.api.site import Site
from tests.postgres import PostgresServer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(60, func_only=True)]  # the town is built once, for all of them


def bookmark(values: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode().rstrip("=")


def is_problem(response: httpx.Response, status: int, code: str) -> bool:
    kind, problem = response.headers["content-type"], response.json()
    return (response.status_code, kind, problem["code"]) == (status, "application/problem+json", code)


@pytest.mark.parametrize(
    "path",
    [
        "/blocks?size=0",
        "/blocks?size=501",
        "/blocks?size=999999999999999999999999999999",
        "/blocks?size=ten",
        "/blocks?sise=10",
        "/blocks?size=1&size=500",
        "/blocks/-1",
        "/blocks/1e3",
        "/blocks/99999999999999999999",
        f"/blocks/{'AB' * 32}",
        "/transactions?height=-1",
        "/transactions?height=9223372036854775808",
        "/transactions?creator=utility",
        "/transactions?refused=perhaps",
        "/transactions?function=transfer",
        "/transactions/abc",
        "/events?contract=%00",
        "/events?subject=a%0Ab",
        f"/events?name={'x' * 201}",
        "/search",
        "/search?q=",
        f"/search?q={'x' * 201}",
        "/search?q=%00",
        f"/points/{'x' * 201}",
        "/points/a%00b",
        "/customers?utility[]=utility",
        "/meters?silent_before_ms=soon",
        "/proposals?status=lost",
        "/claims?status=%27%20or%201%3D1",
        f"/proofs/transactions/{'00' * 32}?item=-1",
        "/blocks?after=!!!!",
        "/blocks?after=A",
        f"/blocks?after={bookmark({'height': 1})}",
        f"/blocks?after={bookmark([1, 2])}",
        f"/blocks?after={bookmark(['1'])}",
        f"/blocks?after={bookmark([True])}",
        f"/blocks?after={bookmark([1.5])}",
        f"/blocks?after={bookmark([[1]])}",
        f"/blocks?after={bookmark([10**30])}",
        f"/points?after={bookmark([7])}",
        f"/points?after={bookmark([chr(0)])}",
        f"/blocks?after={'A' * 2001}",
    ],
)
async def test_a_question_that_can_never_be_right_is_refused(site: Site, path: str) -> None:
    assert is_problem(await site.get("regulator", path), 400, "REQUEST_INVALID")


@pytest.mark.parametrize(
    "path", ["/blocks/999999", f"/transactions/{'00' * 32}", "/points/utility:none", "/identities/nobody", "/nothing"]
)
async def test_what_is_not_there_is_said_so(site: Site, path: str) -> None:
    assert is_problem(await site.get("regulator", path), 404, "ADDRESS_UNKNOWN")


async def test_somebody_elses_is_as_if_it_was_not_there(site: Site) -> None:
    """To the byte, but for the request's own id."""
    answers = [
        await site.get("customer", f"/points/utility:{name}", **{"x-request-id": "one"}) for name in ("house-2", "no")
    ]
    assert answers[0].content == answers[1].content
    assert answers[0].headers == answers[1].headers


async def test_pages_go_on_where_they_ended_and_end(any_site: Site) -> None:
    """All rows once, whatever the page's size; a bookmark of a row that is behind all others ends the list."""
    whole = (await any_site.get("regulator", "/blocks?size=500")).json()
    found: list[int] = []
    after = ""
    while True:
        page = (await any_site.get("regulator", f"/blocks?size=37&after={after}")).json()
        found += [row["height"] for row in page["items"]]
        after = page["after"]
        if not after:
            break
    assert found == [row["height"] for row in whole["items"]]
    assert found == list(range(len(found) - 1, -1, -1))
    for behind in (bookmark([0]), bookmark([-(2**63) + 1])):
        assert (await any_site.get("regulator", f"/blocks?after={behind}")).json() == {"items": [], "after": ""}
    ahead = (await any_site.get("regulator", f"/blocks?size=500&after={bookmark([2**63 - 1])}")).json()
    assert ahead == whole


async def test_a_forged_bookmark_shows_nobody_elses(site: Site) -> None:
    """A bookmark is a place, and no right."""
    for behind in (bookmark(["utility:house-0"]), bookmark([""])):
        for path in ("/points", "/customers"):
            rows = (await site.get("customer", f"{path}?after={behind}")).json()["items"]
            assert {row.get("point") or row["customer"] for row in rows} <= {"utility:house-1"}
            assert (await site.get("foreign", f"{path}?after={behind}")).json()["items"] == []


@pytest.mark.parametrize("ticket", ["session=", "__Host-session=", f"__Host-session={'A' * 43}", "__Host-session=%00"])
async def test_a_forged_ticket_opens_nothing(site: Site, ticket: str) -> None:
    response = await site.get("nobody", "/blocks", cookie=ticket)
    assert is_problem(response, 401, "TICKET_INVALID")
    assert "etag" not in response.headers


async def test_what_was_seen_is_not_sent_again_until_a_block_changes_it(any_site: Site) -> None:
    path = "/points/utility:house-1"
    first = await any_site.get("customer", path)
    assert first.headers["model-height"] == str(any_site.model.status.height)
    assert (first.headers["model-state"], first.headers["model-behind"]) == ("following", "0")
    again = await any_site.get("customer", path, **{"if-none-match": f'W/"other", {first.headers["etag"]}'})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    other = await any_site.get("operator", path, **{"if-none-match": first.headers["etag"]})
    assert other.status_code == 200, "what one person has seen says nothing of another's answer"
    hidden = await any_site.get("neighbour", path, **{"if-none-match": first.headers["etag"]})
    assert hidden.status_code == 404
    any_site.town.ledger.advance(seconds=1)
    any_site.town.ledger.block()
    await any_site.model.catch_up()
    later = await any_site.get("customer", path, **{"if-none-match": first.headers["etag"]})
    assert (later.status_code, later.json()) == (200, first.json())
    assert int(later.headers["model-height"]) == int(first.headers["model-height"]) + 1


async def test_a_model_that_is_behind_or_does_not_go_on_says_so_with_every_answer(site: Site) -> None:
    height = site.model.status.height
    site.model.stands(State.LEDGER_AWAY, ledger_height=height + 12)
    found = await site.get("customer", "/blocks")
    assert (found.headers["model-state"], found.headers["model-behind"]) == ("ledger away", "12")
    model = (await site.get("nobody", "/ledger")).json()["model"]
    assert (model["height"], model["state"], model["behind"]) == (height, "ledger away", 12)


async def test_nodes_that_are_away_are_told_and_pages_go_on(site: Site) -> None:
    for who in ("regulator", "customer"):
        await site.cookie(who)
    site.ledger.is_away = True
    facts = (await site.get("nobody", "/ledger")).json()
    assert (facts["engine"], facts["ground"]["currency"]) == (None, "EUR")
    [node] = (await site.get("regulator", "/consensus")).json()["items"]
    assert (node["answers"], node["code"]) == (False, "NODE_UNREACHABLE")
    site.town.ledger.advance(seconds=60)
    assert (await site.get("customer", "/points/utility:house-1")).status_code == 200
    site.town.ledger.advance(minutes=14)
    gone = await site.get("regulator", "/blocks")
    assert gone.json()["code"] in {"NODE_UNREACHABLE", "TICKET_INVALID"}, "not believed for ever"


async def test_an_answer_that_takes_too_long_is_a_clear_503(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "ANSWER_S", 0.0)
    for path in ("/customers", "/points/utility:house-1/now"):
        late = await site.get("operator", path)
        assert (late.status_code, late.json()["code"]) == (503, "UNAVAILABLE")


async def test_a_database_that_is_away_is_a_clear_503_until_it_is_back(
    any_site: Site, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL ends for real; of SQLite, which has no server, the file cannot be opened."""
    server: PostgresServer | None = None
    await any_site.cookie("customer")
    await any_site.model.database.reader.dispose()
    if any_site.model.database.dialect == "postgresql":
        server = request.getfixturevalue("postgres")
        server.stop()
    else:
        broken = any_site.model.database.url.set(database="/nowhere/model.db")
        monkeypatch.setattr(any_site.model.database, "reader", type(any_site.model.database)(str(broken)).reader)
    try:
        for path in ("/blocks", "/points/utility:house-1", "/search?q=utility"):
            assert is_problem(await any_site.get("customer", path), 503, "UNAVAILABLE")
        facts = (await any_site.get("nobody", "/ledger")).json()
        assert (facts["ground"], facts["engine"]) == (None, "solo")
    finally:
        monkeypatch.undo()
        if server is not None:
            server.start()
            await any_site.model.catch_up()  # this server does not wait for its disk: what it lost is followed again
    assert (await any_site.get("customer", "/blocks")).status_code == 200
