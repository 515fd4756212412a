"""A signature over a request: what it covers, and that it counts once, for a while."""

from __future__ import annotations

import pytest

from gateway.http.signature import Request, Seen, authorization, holds, key_of, read_claim
from ledgernode.errors import CredentialsInvalid, RateLimited, RequestReplayed, RequestStale

KEY = key_of("secret")
REQUEST = Request("POST", "/api/v1/readings?x=1", b"{}")
NOW_MS = 1_767_225_600_000


def header(request: Request = REQUEST, *, time_ms: int = NOW_MS, nonce: str = "nonce-01", name: str = "plug") -> str:
    return authorization(name, KEY, request, time_ms, nonce)


def test_it_covers_all_of_the_request() -> None:
    """Another key, method, target, body, time or nonce does not hold."""
    claim = read_claim(header())
    assert holds(claim, KEY, REQUEST)
    assert not holds(claim, key_of("other"), REQUEST)
    for changed in (REQUEST._replace(method="PUT"), REQUEST._replace(target="/"), REQUEST._replace(body=b"{ }")):
        assert not holds(claim, KEY, changed)
    assert not holds(claim._replace(time_ms=NOW_MS + 1), KEY, REQUEST)
    assert not holds(claim._replace(nonce="nonce-02"), KEY, REQUEST)


def test_the_published_example_stays() -> None:
    """Devices are programmed against these bytes (docs/gateway.md)."""
    assert header() == (
        "HMAC-SHA256 name=plug,time=1767225600000,nonce=nonce-01,"
        "signature=c798a13c4bfb14df49316e1415bfcd87aa69089c0e31db53969448f318fa7702"
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Bearer x",
        "HMAC-SHA256",
        "HMAC-SHA256 name=,time=1,nonce=12345678,signature=" + "0" * 64,
        "HMAC-SHA256 " * 9,
        header().replace("time=", "time=-"),
        header().replace("nonce=nonce-01", "nonce=1"),
        header() + "0",
    ],
)
def test_another_form_is_refused(text: str) -> None:
    with pytest.raises(CredentialsInvalid):
        read_claim(text)


def test_it_counts_once_while_its_time_is_believed() -> None:
    """A nonce is one device's; it is remembered as long as its request would be believed, and no longer."""
    seen = Seen(300_000, 3)
    claim = read_claim(header())
    seen.take(claim, NOW_MS)
    with pytest.raises(RequestReplayed):
        seen.take(claim, NOW_MS + 300_000)
    seen.take(claim._replace(name="other"), NOW_MS)
    for off_ms in (-300_001, 300_001):
        with pytest.raises(RequestStale):
            seen.take(claim._replace(nonce="nonce-02"), NOW_MS + off_ms)
    early = claim._replace(nonce="nonce-03", time_ms=NOW_MS + 300_000)
    seen.take(early, NOW_MS)
    with pytest.raises(RequestReplayed):
        seen.take(early, NOW_MS + 600_000)


def test_what_is_remembered_is_bounded() -> None:
    """One that signs more than is remembered is slowed down; nobody else is, and it may go on later."""
    seen = Seen(1_000, 2)
    for nonce in ("nonce-01", "nonce-02"):
        seen.take(read_claim(header(nonce=nonce)), NOW_MS)
    with pytest.raises(RateLimited):
        seen.take(read_claim(header(nonce="nonce-03")), NOW_MS)
    seen.take(read_claim(header(nonce="nonce-03", name="other")), NOW_MS)
    seen.take(read_claim(header(nonce="nonce-03", time_ms=NOW_MS + 1_001)), NOW_MS + 1_001)
