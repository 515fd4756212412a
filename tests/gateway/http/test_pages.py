"""The console's files over a real socket: compressed, kept as long as they may be, and nothing beside them."""

from __future__ import annotations

import gzip
from pathlib import Path

import httpx
import pytest
from fastapi import APIRouter
from starlette.responses import Response

from gateway.http.app import answer
from gateway.http.pages import NOT_BUILT, Pages
from tests.gateway.http.serving import served

SCRIPT = b"console.log('" + b"energy " * 400 + b"')"
INDEX = b'<!doctype html><title>ledgernode</title><script type="module" src="/assets/main-1a2b.js"></script>'


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """A build, as Vite leaves it; and a secret beside it."""
    directory = tmp_path / "web" / "dist"
    (directory / "assets").mkdir(parents=True)
    (directory / "index.html").write_bytes(INDEX)
    (directory / "assets" / "main-1a2b.js").write_bytes(SCRIPT)
    (directory / "assets" / "main-1a2b.js.br").write_bytes(b"as brotli")
    (directory / "assets" / "charts-3c4d.js").write_bytes(SCRIPT)
    (directory / "assets" / "charts-3c4d.js.map").write_bytes(b"{}")
    (directory / "icon.svg").write_bytes(b"<svg/>")
    (tmp_path / "secret.txt").write_text("the key")
    (directory / "stray.txt").symlink_to(tmp_path / "secret.txt")
    return directory


def area() -> APIRouter:
    routes = APIRouter()

    @routes.get("/api/v1/known")
    async def known() -> Response:
        return answer("known")

    return routes


async def test_assets_come_compressed_and_are_kept_for_ever(built: Path) -> None:
    async with served(pages=Pages(built)) as at, httpx.AsyncClient(base_url=at.url) as client:
        for accepted, encoding in (("gzip, br", "br"), ("gzip", "gzip"), ("br;q=0, *", "gzip"), ("identity", None)):
            async with client.stream("GET", "/assets/main-1a2b.js", headers={"accept-encoding": accepted}) as found:
                raw = b"".join([part async for part in found.aiter_raw()])
            assert found.headers.get("content-encoding") == encoding
            assert found.headers["cache-control"] == "public, max-age=31536000, immutable"
            assert found.headers["vary"] == "accept-encoding"
            assert found.headers["content-type"] == "text/javascript; charset=utf-8"
            assert {"br": b"as brotli", None: SCRIPT}.get(encoding, b"") in (raw, b"")
            if encoding == "gzip":
                assert gzip.decompress(raw) == SCRIPT
        plain = await client.get("/assets/charts-3c4d.js", headers={"accept-encoding": "br"})
        assert "content-encoding" not in plain.headers, "no brotli was made of it"


async def test_a_page_of_any_address_is_the_index_and_never_stored(built: Path) -> None:
    async with served(area(), pages=Pages(built)) as at, httpx.AsyncClient(base_url=at.url) as client:
        for path in ("/", "/index.html", "/ledger/blocks/12", "/points/north:house-1.a"):
            found = await client.get(path)
            assert (found.status_code, found.content) == (200, INDEX)
            assert found.headers["cache-control"] == "no-store"
        assert (await client.get("/assets/gone-0000.js")).status_code == 404, "a script that is gone is no page"
        assert (await client.get("/assets/charts-3c4d.js.map")).status_code == 404


async def test_a_page_says_what_it_may_do(built: Path) -> None:
    """Scripts of our own, no evaluation, no frame, no referrer, no guessing of types."""
    async with served(area(), pages=Pages(built)) as at, httpx.AsyncClient(base_url=at.url) as client:
        headers = (await client.get("/")).headers
        policy = dict(each.split(" ", 1) for each in headers["content-security-policy"].split("; "))
        assert policy["default-src"] == "'none'"
        assert policy["script-src"] == policy["connect-src"] == "'self'"
        assert (policy["frame-ancestors"], policy["base-uri"], policy["form-action"]) == ("'none'", "'none'", "'self'")
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert "strict-transport-security" not in headers, "it is said over TLS alone"
        assert (await client.get("/api/v1/known")).headers["content-security-policy"] == "frame-ancestors 'none'"


async def test_the_api_is_never_a_page(built: Path) -> None:
    async with served(area(), pages=Pages(built)) as at, httpx.AsyncClient(base_url=at.url) as client:
        assert (await client.get("/api/v1/known")).json() == "known"
        for path in ("/api", "/api/", "/api/v1/unknown", "/api/v2"):
            found = await client.get(path)
            assert (found.status_code, found.json()["code"]) == (404, "ADDRESS_UNKNOWN")
        assert (await client.post("/api/v1/known")).json()["code"] == "METHOD_REFUSED"
        posted = await client.post("/ledger")
        assert (posted.status_code, posted.headers["allow"]) == (405, "GET, HEAD")


async def test_a_head_is_answered_without_a_body_and_a_tag_without_a_second_copy(built: Path) -> None:
    async with served(pages=Pages(built)) as at, httpx.AsyncClient(base_url=at.url) as client:
        for path in ("/", "/assets/charts-3c4d.js", "/icon.svg"):
            head, whole = await client.head(path), await client.get(path)
            assert (head.status_code, head.content) == (200, b"")
            for name in ("content-length", "content-type", "cache-control"):
                assert head.headers[name] == whole.headers[name]
        icon = await client.get("/icon.svg")
        assert icon.headers["cache-control"] == "no-cache"
        again = await client.get("/icon.svg", headers={"if-none-match": icon.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    "path",
    [
        "/../secret.txt",
        "/assets/../../../secret.txt",
        "/%2e%2e/%2e%2e/secret.txt",
        "/..%2f..%2fsecret.txt",
        "/assets/..%5c..%5csecret.txt",
        "//etc/passwd.txt",
        "/stray.txt",
        "/index.html%00.js",
        "/..",
    ],
)
async def test_no_address_leads_out_of_the_build(built: Path, path: str) -> None:
    async with served(pages=Pages(built)) as at:
        answered = await at.raw(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        assert answered.startswith((b"HTTP/1.1 404", b"HTTP/1.1 400"))
        assert b"the key" not in answered


async def test_a_checkout_without_a_build_says_what_to_run(tmp_path: Path) -> None:
    async with served(area(), pages=Pages(tmp_path)) as at, httpx.AsyncClient(base_url=at.url) as client:
        found = await client.get("/")
        assert (found.status_code, found.text.strip()) == (503, NOT_BUILT)
        assert "make console" in NOT_BUILT
        assert (await client.get("/api/v1/known")).json() == "known"
