"""Staff enter by a real OpenID provider, a process of its own; and tokens that do not hold, by our own hand."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from fastapi import APIRouter, Depends
from starlette.responses import Response

from gateway.http.app import answer
from gateway.http.server import HttpServer
from gateway.limits import Limits
from gateway.sessions.openid import Client, Described, Provider
from gateway.sessions.people import People
from gateway.sessions.router import Sessions, router
from gateway.sessions.staff import BACK, BEGIN, Staff, person_of, read_staff
from gateway.sessions.staff import router as staff_router
from gateway.sessions.tickets import Person
from ledgernode.errors import BadRequest, CredentialsInvalid
from ledgernode.identity.records import Role
from ledgernode.wire.types import ChainId
from tests.gateway.api.listening import Register, now_ms
from tests.gateway.http.serving import steady_ms
from tests.gateway.sessions.openid_provider import SECRET, Place, running_provider

RULES = [
    {"claim": "groups", "value": "grid-operators", "organisation": "north", "role": "operator"},
    {"claim": "groups", "value": "auditors", "organisation": "east", "role": "regulator"},
]


@pytest.fixture(scope="module")
def provider() -> Iterator[Place]:
    """The provider's process."""
    with running_provider() as found:
        yield found


@asynccontextmanager
async def console(place: Place, directory: Path) -> AsyncIterator[str]:
    """Our side on its own port; its origin."""
    from gateway.http.app import create_app
    from gateway.http.server import listen_at

    (directory / "secret").touch(0o600)
    (directory / "secret").write_text(SECRET)
    file = {"issuer": place.issuer, "client": "ledgernode", "secret_file": "secret", "rules": RULES}
    (directory / "staff.json").write_text(json.dumps(file))
    origin = f"http://127.0.0.1:{place.port}"
    sessions = Sessions(ChainId(bytes(32)), origin, People(Register().ask, now_ms), now_ms)
    staff = Staff(directory, read_staff(directory / "staff.json"), sessions, now_ms)
    here, area = Depends(sessions.present), APIRouter()

    @area.post("/api/v1/something")
    async def something(person: Person = here) -> Response:
        return answer(person.identity)

    @area.get("/api/v1/something")
    async def look(person: Person = here) -> Response:
        return answer(person.organisation)

    app = create_app([router(sessions), staff_router(staff), area], limits=Limits(), steady_ms=steady_ms)
    server = HttpServer(app, listen_at(f"127.0.0.1:{place.port}", None), Limits())
    await server.start()
    try:
        yield origin
    finally:
        await server.stop(1)


async def sent_back(browser: httpx.AsyncClient, origin: str, group: str) -> str:
    """Sign in at the provider as one of a group; the address that it sends the browser to, not yet followed."""
    page = await browser.get(f"{origin}{BEGIN}")
    for _ in range(12):
        if page.is_redirect:
            where = str(page.next_request.url) if page.next_request is not None else ""
            if where.startswith(f"{origin}{BACK}"):
                return where
            page = await browser.get(where)
            continue
        action = re.search(r'action="([^"]+)"', page.text)
        assert action is not None, page.text[:500]
        form = {"prompt": "login", "login": group, "password": "any"} if 'name="login"' in page.text else {}
        page = await browser.post(action[1], data=form or {"prompt": "consent"})
    raise AssertionError("the provider leads nowhere")


@pytest.mark.slow
async def test_staff_enter_by_their_provider_to_look_and_sign_nothing(provider: Place, tmp_path: Path) -> None:
    async with console(provider, tmp_path) as origin, httpx.AsyncClient(timeout=30) as browser:
        begun = await browser.get(f"{origin}{BEGIN}")
        asked = parse_qs(urlsplit(begun.headers["location"]).query)
        assert (asked["response_type"], asked["code_challenge_method"]) == (["code"], ["S256"])
        assert len(asked["state"][0]) >= 43 <= len(asked["nonce"][0])
        cookie = begun.headers["set-cookie"].lower()
        assert all(word in cookie for word in ("httponly", "samesite=lax", "path=/"))
        back = await browser.get(await sent_back(browser, origin, "grid-operators"))
        assert (back.status_code, back.headers["location"]) == (303, "/")
        assert back.headers["cache-control"] == "no-store"
        given = next(one.lower() for one in back.headers.get_list("set-cookie") if one.startswith("session="))
        assert all(word in given for word in ("httponly", "samesite=strict", "path=/"))
        me = (await browser.get(f"{origin}/api/v1/session")).json()
        assert (me["organisation"], me["role"], me["reads_only"]) == ("north", "operator", True)
        assert me["attributes"] == {"name": "Somebody of grid-operators"}
        assert me["identity"].startswith("staff:")
        assert (await browser.get(f"{origin}/api/v1/something")).json() == "north"
        changing = await browser.post(f"{origin}/api/v1/something", headers={"origin": origin})
        assert (changing.status_code, changing.json()["code"]) == (403, "ROLE_REFUSED")
        foreign = await browser.delete(f"{origin}/api/v1/session", headers={"origin": "https://elsewhere.example"})
        assert foreign.json()["code"] == "ORIGIN_REFUSED"
        assert (await browser.delete(f"{origin}/api/v1/session", headers={"origin": origin})).status_code == 204
        assert (await browser.get(f"{origin}/api/v1/session")).status_code == 401


@pytest.mark.slow
async def test_who_fits_no_rule_and_who_did_not_go_from_here_stays_out(provider: Place, tmp_path: Path) -> None:
    """A way back is good once, in the browser that went."""
    async with console(provider, tmp_path) as origin:
        async with httpx.AsyncClient(timeout=30) as browser:
            back = await browser.get(await sent_back(browser, origin, "visitors"))
            assert back.headers["location"] == "/?refused=CREDENTIALS_INVALID"
            assert "session=" not in str(back.headers.get_list("set-cookie"))
        async with httpx.AsyncClient(timeout=30) as browser, httpx.AsyncClient(timeout=30) as thief:
            where = await sent_back(browser, origin, "auditors")
            stolen = await thief.get(where)
            assert stolen.headers["location"] == "/?refused=CHALLENGE_UNKNOWN"
            late = await browser.get(where)
            assert late.headers["location"] == "/?refused=CHALLENGE_UNKNOWN", "it is used up"
        async with httpx.AsyncClient(timeout=30) as browser:
            where = await sent_back(browser, origin, "auditors")
            forged = await browser.get(re.sub(r"code=[^&]+", "code=forged", where))
            assert forged.headers["location"] == "/?refused=CREDENTIALS_INVALID"
            where = await sent_back(browser, origin, "auditors")
            other = await browser.get(re.sub(r"iss=[^&]+", "iss=https%3A%2F%2Fother.example", where))
            assert other.headers["location"] == "/?refused=CREDENTIALS_INVALID"
            refused = await browser.get(f"{origin}{BACK}", params={"state": "x" * 64, "error": "access_denied"})
            assert refused.headers["location"] == "/?refused=CHALLENGE_UNKNOWN"


# ---------------------------------------------------------------- tokens that do not hold


ISSUER, US, NONCE = "https://login.north.example", "ledgernode", "n" * 64
KEY = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
OTHER = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)


def knowing_provider() -> Provider:
    """One that has been asked for what it says and shows."""
    found = Provider(Client(ISSUER, US, "secret"), now_ms)
    found._described = Described(ISSUER, f"{ISSUER}/auth", f"{ISSUER}/token", f"{ISSUER}/jwks")
    found._described_ms = found._keys_ms = now_ms()
    shown = jwt.algorithms.RSAAlgorithm.to_jwk(KEY.public_key(), as_dict=True)
    found._keys = {"one": jwt.PyJWK({**shown, "kid": "one", "alg": "RS256"})}
    return found


def claims(**changed: Any) -> dict[str, Any]:
    now_s = now_ms() // 1_000
    sound = {"iss": ISSUER, "aud": US, "sub": "42", "exp": now_s + 300, "iat": now_s, "nonce": NONCE}
    return {name: value for name, value in (sound | changed).items() if value is not None}


def signed(said: dict[str, Any], key: Any = KEY, algorithm: str = "RS256", kid: str = "one") -> str:
    return jwt.encode(said, key, algorithm, headers={"kid": kid})


async def test_a_sound_token_holds() -> None:
    assert (await knowing_provider()._holding(signed(claims()), NONCE))["sub"] == "42"
    several = claims(aud=[US, "another"], azp=US)
    assert (await knowing_provider()._holding(signed(several), NONCE))["sub"] == "42"


@pytest.mark.parametrize(
    "token",
    [
        signed(claims(aud="another")),
        signed(claims(aud=[US, "another"])),
        signed(claims(azp="another")),
        signed(claims(iss="https://login.south.example")),
        signed(claims(nonce="m" * 64)),
        signed(claims(nonce=None)),
        signed(claims(exp=1_600_000_000)),
        signed(claims(exp=None)),
        signed(claims(iat=None)),
        signed(claims(iat=now_ms() // 1_000 + 3_600)),
        signed(claims(sub=None)),
        signed(claims(), OTHER),
        signed(claims(), kid="two"),
        jwt.encode(claims(), None, "none", headers={"kid": "one"}),
        "not.a.token",
        "",
    ],
)
async def test_a_token_that_does_not_hold_lets_nobody_in(token: str) -> None:
    """For another client or entrance, of another provider or time, unsigned, or signed by whoever knows no key."""
    with pytest.raises(CredentialsInvalid):
        await knowing_provider()._holding(token, NONCE)


async def test_a_public_key_is_no_secret_to_sign_with() -> None:
    """HMAC with the text of the provider's public key, which everybody has."""
    shown = KEY.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    import hmac
    from base64 import urlsafe_b64encode

    def part(value: object) -> bytes:
        return urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=")

    body = part({"alg": "HS256", "kid": "one"}) + b"." + part(claims())
    token = body + b"." + urlsafe_b64encode(hmac.digest(shown, body, "sha256")).rstrip(b"=")
    with pytest.raises(CredentialsInvalid):
        await knowing_provider()._holding(token.decode(), NONCE)


@pytest.mark.parametrize("issuer", ["http://login.north.example", "ftp://login", "login.north.example"])
def test_a_provider_is_spoken_with_over_tls(issuer: str) -> None:
    with pytest.raises(BadRequest):
        Provider(Client(issuer, US), now_ms)


def test_the_first_rule_that_holds_counts(tmp_path: Path) -> None:
    path = tmp_path / "staff.json"
    path.write_text(json.dumps({"issuer": ISSUER, "client": US, "rules": RULES}))
    rules = read_staff(path).rules
    both = {"iss": ISSUER, "sub": "1", "groups": ["auditors", "grid-operators"], "name": "A name"}
    found = person_of(both, rules)
    assert (found.organisation, found.role, found.reads_only) == ("north", Role.OPERATOR, True)
    assert person_of(both | {"groups": "auditors"}, rules).role is Role.REGULATOR
    assert person_of(both | {"sub": "2"}, rules).identity != found.identity
    for groups in ([], "nobody", None, {"auditors": True}):
        with pytest.raises(CredentialsInvalid):
            person_of(both | {"groups": groups}, rules)
    path.write_text(json.dumps({"issuer": ISSUER, "client": US, "rules": [{**RULES[0], "role": "customer"}]}))
    with pytest.raises(BadRequest):
        read_staff(path)
