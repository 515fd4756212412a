"""Entering with a wallet's key, over a real socket, at a real ledger: who one is comes from the ledger alone."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import httpx
import pytest
from fastapi import APIRouter, Depends
from starlette.responses import Response

from gateway.http.app import answer
from gateway.sessions import people as believing
from gateway.sessions.challenges import Challenge, entry_message
from gateway.sessions.people import People
from gateway.sessions.router import Sessions, router
from gateway.sessions.tickets import Person as Entered
from ledgernode.identity.keys import PrivateKey
from ledgernode.identity.records import Role
from tests.gateway.http.serving import served
from tests.running import NodeProcess, Person, SoloNetwork, register

pytestmark = pytest.mark.slow
ORIGIN = "https://console.north.example"


class Site(NamedTuple):
    node: NodeProcess
    anna: Person
    otto: Person
    devices: tuple[Person, ...]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with NodeProcess(SoloNetwork(tmp_path_factory.mktemp("network"))) as node:
        network = node.network
        anna, otto = (network.newcomer("north", name, Role.CUSTOMER, premises="P-1") for name in ("anna", "otto"))
        with node.ledger() as ledger:
            register(ledger, network, anna)
            register(ledger, network, otto)
            devices = tuple(network.newcomer("north", str(role), role) for role in (Role.METER, Role.GATEWAY))
            for device in devices:
                register(ledger, network, device)
        yield Site(node, anna, otto, devices)


def now_ms() -> int:
    return time.time_ns() // 1_000_000


@asynccontextmanager
async def entrance(site: Site) -> AsyncIterator[httpx.AsyncClient]:
    """A page's client: its cookies and its origin."""
    signer = site.node.network.admin.signer
    async with site.node.client() as ledger:

        async def ask(contract: str, function: str, arguments: dict[str, Any]) -> bytes:
            return (await ledger.evaluate(contract, function, arguments, signer=signer)).result

        sessions = Sessions(signer.chain_id, ORIGIN, People(ask, now_ms), now_ms)
        here = Depends(sessions.present)
        area = APIRouter()

        @area.post("/api/v1/something")
        async def something(person: Entered = here) -> Response:
            return answer(person.identity)

        async with (
            served(router(sessions), area) as server,
            httpx.AsyncClient(base_url=server.url, headers={"origin": ORIGIN}, timeout=30) as client,
        ):
            yield client


async def asked(client: httpx.AsyncClient) -> dict[str, Any]:
    return (await client.post("/api/v1/session/challenges")).json()  # type: ignore[no-any-return]


def signed(key: PrivateKey, asking: dict[str, Any], *, origin: str = "", chain: str = "") -> dict[str, str]:
    challenge = Challenge(bytes.fromhex(asking["nonce"]), asking["expires_ms"])
    chain_id = bytes.fromhex(chain or asking["chain_id"])
    message = entry_message(chain_id, origin or asking["origin"], challenge)  # type: ignore[arg-type]
    return {"public_key": key.public_key.hex(), "nonce": asking["nonce"], "signature": key.sign(message).hex()}


async def entered(client: httpx.AsyncClient, person: Person) -> httpx.Response:
    found = await client.post("/api/v1/session", json=signed(person.key, await asked(client)))
    if found.status_code == 200:  # the cookie is for HTTPS alone, which this client does not speak
        ticket = found.headers["set-cookie"].partition(";")[0].partition("=")[2]
        client.headers["cookie"] = f"__Host-session={ticket}"
    return found


async def test_a_wallet_enters_is_itself_and_leaves(site: Site) -> None:
    async with entrance(site) as client:
        assert (await client.get("/api/v1/session")).json()["code"] == "TICKET_INVALID"
        found = await entered(client, site.anna)
        me = found.json()
        assert (me["organisation"], me["role"], me["attributes"]) == ("north", "customer", {"premises": "P-1"})
        cookie = found.headers["set-cookie"].lower()
        assert all(word in cookie for word in ("__host-session=", "httponly", "secure", "samesite=strict", "path=/"))
        assert found.headers["cache-control"] == "no-store"
        assert (await client.get("/api/v1/session")).json() == me
        assert (await client.post("/api/v1/something")).json() == me["identity"]
        assert (await client.delete("/api/v1/session")).status_code == 204
        assert (await client.get("/api/v1/session")).status_code == 401


async def test_a_challenge_is_good_once_for_this_ledger_and_this_page(site: Site) -> None:
    async with entrance(site) as client:
        for change in ({"origin": "https://elsewhere.example"}, {"chain": "00" * 32}):
            refused = await client.post("/api/v1/session", json=signed(site.anna.key, await asked(client), **change))
            assert refused.json()["code"] == "SIGNATURE_INVALID"
        answer = signed(site.anna.key, await asked(client))
        assert (await client.post("/api/v1/session", json=answer)).status_code == 200
        assert (await client.post("/api/v1/session", json=answer)).json()["code"] == "CHALLENGE_UNKNOWN"
        wrong = signed(site.anna.key, await asked(client)) | {"public_key": site.otto.key.public_key.hex()}
        assert (await client.post("/api/v1/session", json=wrong)).json()["code"] == "SIGNATURE_INVALID"
        assert (await client.post("/api/v1/session", json={**answer, "nonce": "zz"})).json()[
            "code"
        ] == "REQUEST_INVALID"


async def test_a_key_that_the_ledger_does_not_know_is_nobodys(site: Site) -> None:
    async with entrance(site) as client:
        stranger = PrivateKey.generate()
        refused = await client.post("/api/v1/session", json=signed(stranger, await asked(client)))
        assert (refused.status_code, refused.json()["code"]) == (401, "CREDENTIALS_INVALID")
        assert "set-cookie" not in refused.headers


async def test_devices_are_refused_at_the_door(site: Site) -> None:
    """There is no page for them, so there is no ticket, which would only lie about."""
    async with entrance(site) as client:
        for device in site.devices:
            refused = await entered(client, device)
            assert (refused.status_code, refused.json()["code"]) == (403, "ROLE_REFUSED")
            assert "set-cookie" not in refused.headers
        assert (await entered(client, site.anna)).status_code == 200


@pytest.mark.parametrize("origin", ["https://elsewhere.example", "null", ""])
async def test_another_page_changes_nothing_for_who_is_here(site: Site, origin: str) -> None:
    async with entrance(site) as client:
        await entered(client, site.otto)
        headers = {"origin": origin} if origin else {}
        client.headers.pop("origin")
        for method, path in (("POST", "/api/v1/something"), ("DELETE", "/api/v1/session"), ("POST", "/api/v1/session")):
            content = {"json": signed(site.otto.key, await asked(client))} if path.endswith("session") else {}
            refused = await client.request(method, path, headers=headers, **(content if method == "POST" else {}))
            assert (refused.status_code, refused.json()["code"]) == (403, "ORIGIN_REFUSED")
        assert (await client.get("/api/v1/session")).status_code == 200


async def test_forged_tickets_and_tickets_of_others_open_nothing(site: Site) -> None:
    async with entrance(site) as client:
        await entered(client, site.otto)
        good = client.headers["cookie"]
        for forged in (good[:-1] + ("A" if good[-1] != "A" else "B"), "__Host-session=", f"__Host-session={'A' * 43}"):
            client.headers["cookie"] = forged
            assert (await client.get("/api/v1/session")).json()["code"] == "TICKET_INVALID"


async def test_who_is_revoked_is_out_on_all_devices(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(believing, "BELIEVED_MS", 0)
    network = site.node.network
    gone = network.newcomer("north", f"gone-{os.urandom(4).hex()}", Role.CUSTOMER)
    async with entrance(site) as client:
        with site.node.ledger() as ledger:
            register(ledger, network, gone)
            assert (await entered(client, gone)).status_code == 200
            identity = {"identity": gone.signer.identity.hex(), "reason": "lost"}
            ledger.submit("identity", "revoke", identity, signer=network.admin.signer)
        assert (await client.get("/api/v1/session")).json()["code"] == "SIGNER_REVOKED"
        assert (await client.get("/api/v1/session")).json()["code"] == "TICKET_INVALID"
        refused = await client.post("/api/v1/session", json=signed(gone.key, await asked(client)))
        assert refused.json()["code"] == "SIGNER_REVOKED"
