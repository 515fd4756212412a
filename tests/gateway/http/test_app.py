"""What is the same of every area: errors, ids, sizes, times, and how the server ends."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import httpx
import msgspec
import pytest
from fastapi import APIRouter, Request
from starlette.responses import Response, StreamingResponse

from gateway.http.app import answer, gives, read_json, takes
from gateway.http.door import waits
from gateway.http.server import listen_at
from ledgernode.errors import BadRequest, ContractRefused, OutboxFull
from tests.gateway.http.serving import served


class Note(msgspec.Struct, forbid_unknown_fields=True):
    amount_minor: int


def area() -> APIRouter:
    router = APIRouter()

    @router.post("/api/v1/notes", openapi_extra=takes(Note), responses=gives(Note, "as it was given"))
    async def note(request: Request) -> Response:
        """Repeat a note."""
        return answer(await read_json(request, Note))

    @router.get("/api/v1/refused")
    async def refused() -> Response:
        raise OutboxFull("full", retry_ms=1_500)

    @router.get("/api/v1/contract")
    async def contract() -> Response:
        raise ContractRefused("no", code="prepaid.VENDING_BLOCKED", contract="prepaid")

    @router.get("/api/v1/broken")
    async def broken() -> Response:
        raise RuntimeError("the secret is 1234")

    @router.get("/api/v1/number/{number}")
    async def number(number: int) -> Response:
        return answer(number)

    @router.get("/api/v1/slow")
    async def slow(request: Request) -> Response:
        waits(request)
        await asyncio.sleep(0.5)
        return answer("done")

    @router.get("/api/v1/events")
    async def events() -> StreamingResponse:
        async def told() -> AsyncIterator[bytes]:
            for count in range(3):
                yield b"data: %d\n\n" % count

        return StreamingResponse(told(), media_type="text/event-stream")

    return router


async def test_a_refusal_is_a_problem_with_the_ledgers_code() -> None:
    """One mapping for all areas: status of the kind, the stable code, when to come back, and the request's id."""
    async with served(area()) as at, httpx.AsyncClient(base_url=at.url) as client:
        found = await client.get("/api/v1/refused", headers={"x-request-id": "mine-1"})
        assert (found.status_code, found.headers["content-type"]) == (429, "application/problem+json")
        assert (found.headers["retry-after"], found.headers["x-request-id"]) == ("2", "mine-1")
        told = found.json()
        assert (told["code"], told["status"], told["retry_ms"], told["request_id"]) == (
            "OUTBOX_FULL", 429, 1_500, "mine-1",
        )  # fmt: skip
        assert (await client.get("/api/v1/contract")).json()["code"] == "prepaid.VENDING_BLOCKED"
        assert (await client.get("/api/v1/nothing")).json()["code"] == "ADDRESS_UNKNOWN"
        wrong = await client.get("/api/v1/notes")
        assert (wrong.status_code, wrong.json()["code"], wrong.headers["allow"]) == (405, "METHOD_REFUSED", "POST")
        assert (await client.get("/api/v1/number/x")).json()["code"] == "REQUEST_INVALID"


async def test_a_failure_inside_tells_nothing_of_itself() -> None:
    async with served(area()) as at, httpx.AsyncClient(base_url=at.url) as client:
        found = await client.get("/api/v1/broken", headers={"x-request-id": "bad id!"})
        assert (found.status_code, found.json()["code"]) == (500, "INTERNAL")
        assert "1234" not in found.text
        assert found.headers["x-request-id"] != "bad id!"


@pytest.mark.parametrize(
    ("body", "media", "status", "code"),
    [
        (b"{", "application/json", 400, "REQUEST_INVALID"),
        (b'{"amount_minor": 1.5}', "application/json", 400, "REQUEST_INVALID"),
        (b'{"amount_minor": 1, "more": 2}', "application/json", 400, "REQUEST_INVALID"),
        (b"[" * 100_000, "application/json", 400, "REQUEST_INVALID"),
        (b"\xff\xfe", "application/json", 400, "REQUEST_INVALID"),
        (b"amount=1", "application/x-www-form-urlencoded", 415, "MEDIA_TYPE_REFUSED"),
        (b"x" * 600_000, "application/json", 413, "BODY_TOO_LARGE"),
    ],
)
async def test_a_body_that_is_not_what_is_asked_for(body: bytes, media: str, status: int, code: str) -> None:
    """Garbage, floats, unknown names, depth, other media, too much: each has its code."""
    async with served(area()) as at, httpx.AsyncClient(base_url=at.url) as client:
        found = await client.post("/api/v1/notes", content=body, headers={"content-type": media})
        assert (found.status_code, found.json()["code"]) == (status, code)
        assert (await client.post("/api/v1/notes", json={"amount_minor": 5})).json() == {"amount_minor": 5}


async def test_a_body_without_a_length_is_counted_as_it_comes() -> None:
    async def parts() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b" " * 1_000

    async with served(area(), http_body_bytes=10_000) as at, httpx.AsyncClient(base_url=at.url) as client:
        found = await client.post("/api/v1/notes", content=parts(), headers={"content-type": "application/json"})
        assert found.json()["code"] == "BODY_TOO_LARGE"


async def test_slow_clients_hold_nothing() -> None:
    """A head that never ends is cut off; a body that never ends is told so."""
    async with served(area(), http_head_ms=300, http_body_ms=300) as at:
        assert await at.raw(b"GET /api/v1/notes HT") == b""
        assert await at.raw(b"GET /", more=[b"a"] * 20, pause_s=0.1) == b""
        head = (
            b"POST /api/v1/notes HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{"
        )
        told = await at.raw(head)
        assert told.startswith(b"HTTP/1.1 408")
        assert b"REQUEST_SLOW" in told
        assert (await at.raw(b"\x16\x03\x01 garbage \x00\r\n\r\n")).startswith(b"HTTP/1.1 400")


async def test_an_address_has_a_rate_and_all_have_a_number() -> None:
    """Beyond both a client is told when to come back; who waits on purpose is not counted."""
    async with served(area(), http_burst=3, http_refill_us=60_000_000) as at, httpx.AsyncClient(base_url=at.url) as one:
        codes = [(await one.get(f"/api/v1/number/{number}")).status_code for number in range(5)]
        assert codes == [200, 200, 200, 429, 429]
        assert (await one.get("/api/v1/number/1")).json()["retry_ms"] > 0
    async with served(area(), http_requests=1) as at, httpx.AsyncClient(base_url=at.url) as one:
        waiting = [asyncio.create_task(one.get("/api/v1/slow")) for _ in range(3)]
        await asyncio.sleep(0.1)
        assert (await one.get("/api/v1/number/1")).status_code == 200
        assert [(await each).status_code for each in waiting] == [200, 200, 200]


async def test_events_are_streamed_through_the_door() -> None:
    async with (
        served(area()) as at,
        httpx.AsyncClient(base_url=at.url) as client,
        client.stream("GET", "/api/v1/events") as stream,
    ):
        assert [line async for line in stream.aiter_lines() if line] == ["data: 0", "data: 1", "data: 2"]


async def test_the_api_describes_itself() -> None:
    """The document names what each function takes, gives, and how it refuses."""
    async with served(area()) as at, httpx.AsyncClient(base_url=at.url) as client:
        told = (await client.get("/api/v1/openapi.json")).json()
        post = told["paths"]["/api/v1/notes"]["post"]
        taken = post["requestBody"]["content"]["application/json"]["schema"]
        assert (taken["required"], taken["additionalProperties"]) == (["amount_minor"], False)
        assert "application/problem+json" in post["responses"]["4XX"]["content"]
        assert "$ref" not in json.dumps(taken)


async def test_stopping_lets_a_request_end() -> None:
    """What is under way is answered; nothing new is taken."""
    async with served(area()) as at, httpx.AsyncClient(base_url=at.url) as client:
        under_way = asyncio.create_task(client.get("/api/v1/slow"))
        await asyncio.sleep(0.2)
        await at.server.stop(3)
        assert (await under_way).json() == "done"
        with pytest.raises(httpx.TransportError):
            await httpx.AsyncClient().get(at.url)


@pytest.mark.parametrize("address", ["0.0.0.0:80", "example.org:80", "127.0.0.1", "127.0.0.1:70000", ":80"])
def test_without_tls_only_this_machine_is_served(address: str) -> None:
    with pytest.raises(BadRequest):
        listen_at(address, None)
    assert listen_at("[::1]:80", None).host == "::1"
    assert listen_at("0.0.0.0:80", None, anywhere=True).port == 80
