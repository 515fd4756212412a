"""The founding document, as anybody may have it."""

from __future__ import annotations

from hashlib import sha256

import httpx
import pytest

from gateway.api import founding
from gateway.http.app import create_app
from gateway.limits import Limits

GENESIS = b'{"format": "ledgernode/genesis/1", "name": "\xc3\xa4"}\n'


@pytest.fixture
def client() -> httpx.AsyncClient:
    app = create_app([founding.router(GENESIS)], limits=Limits(), steady_ms=lambda: 0)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://north.example")


async def test_it_is_handed_out_byte_for_byte_to_anybody(client: httpx.AsyncClient) -> None:
    """Its hash is the ledger's id: what a wallet compares."""
    answer = await client.get("/api/v1/genesis")
    assert answer.content == GENESIS
    assert answer.headers["etag"] == f'"{sha256(b"ledgernode/genesis/1" + bytes(1) + GENESIS).hexdigest()}"'
    assert "immutable" in answer.headers["cache-control"]


async def test_who_has_it_is_not_sent_it_again(client: httpx.AsyncClient) -> None:
    etag = (await client.get("/api/v1/genesis")).headers["etag"]
    again = await client.get("/api/v1/genesis", headers={"if-none-match": etag})
    assert (again.status_code, again.content) == (304, b"")
    assert (await client.get("/api/v1/genesis?ledger=other")).status_code == 400
