"""The operator's listener: what it answers, and that whoever misuses it costs nobody anything."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from ledgernode.config import OBSERVE_CONNECTIONS, OBSERVE_HEAD_BYTES
from ledgernode.errors import BadRequest
from ledgernode.observe import listener
from ledgernode.observe.listener import Answer, Listener, as_json, observe_at
from tests.conditions import eventually


@pytest.fixture
async def listening() -> AsyncIterator[Listener]:
    addresses = {
        "/health/live": lambda: as_json(200, {"status": "live"}),
        "/health/ready": lambda: as_json(503, {"status": "syncing"}),
        "/metrics": lambda: Answer(200, b"up 1\n", "text/plain"),
        "/broken": lambda: as_json(1 // 0, {}),
        "/large": lambda: Answer(200, b"x" * 8_000_000, "text/plain"),
    }
    found = Listener("127.0.0.1:0", addresses)
    await found.start()
    yield found
    await found.stop()


async def ask(at: Listener, method: str, path: str, **options: object) -> httpx.Response:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{at.port}") as client:
        return await client.request(method, path, **options)  # type: ignore[arg-type]


async def raw(at: Listener, sent: bytes, *, close: bool = False) -> bytes:
    """All that comes back for these bytes, until the listener ends the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", at.port)
    writer.write(sent)
    if close:
        writer.write_eof()
    try:
        return await reader.read()
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/health/live", 200),
        ("GET", "/health/ready?full=1", 503),
        ("GET", "/metrics", 200),
        ("GET", "/", 404),
        ("GET", "/metrics/../secrets", 404),
        ("POST", "/metrics", 405),
        ("DELETE", "/health/live", 405),
    ],
)
async def test_each_address_has_its_answer(listening: Listener, method: str, path: str, status: int) -> None:
    """What is not listed is not there, and nothing is done here, only asked."""
    assert (await ask(listening, method, path)).status_code == status


async def test_a_head_says_how_long_the_answer_would_be(listening: Listener) -> None:
    """By the method HEAD nothing but the head comes."""
    answer = await ask(listening, "HEAD", "/metrics")
    assert (answer.content, answer.headers["content-length"]) == (b"", "5")


async def test_one_connection_serves_many_requests(listening: Listener) -> None:
    """A scraper keeps its connection."""
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{listening.port}") as client:
        for _ in range(5):
            assert (await client.get("/metrics")).text == "up 1\n"
            assert len(listening._open) == 1


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"\x16\x03\x01 this is no HTTP\r\n\r\n", b"400"),
        (b"GET /metrics HTTP/1.1\r\n\r\n", b"400"),  # without a host
        (b"GET /" + b"x" * 2 * OBSERVE_HEAD_BYTES + b" HTTP/1.1\r\nhost: a\r\n\r\n", b"431"),
        (b"GET /metrics HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc", b"413"),
    ],
    ids=["no HTTP", "no host", "a long head", "a body"],
)
async def test_what_is_no_question_ends_the_connection(listening: Listener, sent: bytes, status: bytes) -> None:
    """With a reason, where there is someone to read it."""
    answer = await raw(listening, sent)
    assert answer.split(b" ")[1] == status or not answer
    assert (await ask(listening, "GET", "/metrics")).status_code == 200


async def test_a_head_that_does_not_come_whole_is_not_waited_for(
    listening: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A letter a minute holds no connection."""
    monkeypatch.setattr(listener, "OBSERVE_HEAD_MS", 50)
    assert await raw(listening, b"GET /met") == b""


async def test_who_does_not_read_is_left(listening: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that is not fetched does not stay in memory."""
    monkeypatch.setattr(listener, "OBSERVE_ANSWER_MS", 50)
    _, writer = await asyncio.open_connection("127.0.0.1", listening.port, limit=1)
    writer.write(b"GET /large HTTP/1.1\r\nhost: a\r\n\r\n")
    await eventually(lambda: listening._open)
    await eventually(lambda: not listening._open)
    writer.close()


async def test_connections_are_bounded(listening: Listener) -> None:
    """Beyond the bound a connection is ended at once; those that stand are served."""
    idle = [await asyncio.open_connection("127.0.0.1", listening.port) for _ in range(OBSERVE_CONNECTIONS)]
    await eventually(lambda: len(listening._open) == OBSERVE_CONNECTIONS)
    assert await raw(listening, b"GET /metrics HTTP/1.1\r\nhost: a\r\n\r\n") == b""
    reader, writer = idle[0]
    writer.write(b"GET /metrics HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
    assert (await reader.read()).endswith(b"up 1\n")
    for _, one in idle:
        one.close()


async def test_a_failure_inside_is_told_and_ends_nothing(listening: Listener) -> None:
    """A figure that cannot be read now may be there with the next question."""
    assert (await ask(listening, "GET", "/broken")).status_code == 500
    assert (await ask(listening, "GET", "/metrics")).status_code == 200


async def test_a_taken_address_is_refused(listening: Listener) -> None:
    """Nobody is told afterwards that nothing was observed."""
    with pytest.raises(BadRequest, match="another process"):
        await Listener(f"127.0.0.1:{listening.port}", {}).start()


@pytest.mark.parametrize(
    ("text", "read"), [("127.0.0.1:9464", ("127.0.0.1", 9464)), ("[::1]:0", ("::1", 0)), ("host:1", ("host", 1))]
)
def test_an_address_is_host_and_port(text: str, read: tuple[str, int]) -> None:
    """As everywhere else."""
    assert observe_at(text) == read


@pytest.mark.parametrize("text", ["9464", ":9464", "host:", "host:x", "host:65536", "host:²"])
def test_what_is_no_address_is_refused(text: str) -> None:
    """Before anything is started."""
    with pytest.raises(BadRequest):
        observe_at(text)
