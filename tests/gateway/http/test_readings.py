"""`POST /api/v1/readings` of a running gateway: devices with secrets, signatures and certificates; a node behind it."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
import time
from typing import Any

import httpx
import pytest

from gateway.v1 import gateway_pb2 as pb
from ledgernode.client import Signed
from ledgernode.errors import UnknownTransaction
from ledgernode.identity.records import Role
from tests.conditions import until
from tests.gateway.http.conftest import Site
from tests.gateway.http.devices import Device
from tests.gateway.running import reading

pytestmark = pytest.mark.slow
READINGS = "/api/v1/readings"
OCTETS = {"content-type": "application/octet-stream"}
_NUMBERS = iter(range(1_000_000))


@pytest.fixture(scope="module")
def plug(site: Site) -> Device:
    return site.device("plug-1", "--meter", "north:plug-1")


def signed(site: Site, count: int = 1) -> list[Signed]:
    return [reading(site.meter, next(_NUMBERS)) for _ in range(count)]


def committed(site: Site, one: Signed) -> bool:
    with site.node.ledger() as ledger:
        try:
            ledger.transaction(one.id)
        except UnknownTransaction:
            return False
        return True


def looks(*registers: float, **more: Any) -> dict[str, Any]:
    now_ms = time.time_ns() // 1_000_000
    return {
        "readings": [
            {"unit": "kWh", "import": shown, "time": now_ms - 1_000 * (len(registers) - at), **more}
            for at, shown in enumerate(registers)
        ]
    }


async def test_what_a_device_shows_is_signed_for_it_and_reaches_the_ledger(site: Site, plug: Device) -> None:
    """200 is on disk; the same again makes no second row; a killed gateway has lost nothing."""
    sent = looks(514.153, 514.2, voltage_v=231.2)
    async with site.client() as client:
        answer = await plug.post(client, READINGS, sent)
        assert (answer.status_code, [one["code"] for one in answer.json()["answers"]]) == (200, ["OK", "OK"])
        assert answer.json()["time_ms"] > 0
        site.gateway.kill()
    site.gateway.start()
    async with site.client() as client:
        assert (await plug.post(client, READINGS, sent)).status_code == 200
        assert (await plug.post(client, READINGS, looks(514.5))).status_code == 200
    rows = await asyncio.to_thread(site.rows, "north:plug-1", 3)
    assert [row[2] for row in rows] == [514_153_000, 514_200_000, 514_500_000]
    assert [row[5] for row in rows[:2]] == [231_200] * 2


async def test_a_meters_own_envelopes_are_relayed(site: Site) -> None:
    """One as bytes, several as a message or in JSON; by whoever shows the meter's secret or certificate."""
    device = site.device("signs-1", "--method", "bearer", "--identity", site.meter.signer.identity.hex())
    [one] = signed(site)
    several, listed, certified = signed(site, 3), signed(site, 2), signed(site)
    async with site.client(headers=device.bearer) as client:
        assert (await client.post(READINGS, content=one.envelope, headers=OCTETS)).status_code == 200
        message = pb.Transactions(envelopes=[each.envelope for each in several]).SerializeToString()
        answer = await client.post(READINGS, content=message, headers={"content-type": "application/x-protobuf"})
        assert [each["code"] for each in answer.json()["answers"]] == ["OK"] * 3
        texts = [base64.b64encode(each.envelope).decode() for each in listed]
        assert (await client.post(READINGS, json={"envelopes": texts})).status_code == 200
    trust = ssl.create_default_context(cadata="".join(site_roots(site)))
    folder = site.meter.directory
    trust.load_cert_chain(folder / "tls-certificate.pem", folder / "tls-key.pem")
    async with httpx.AsyncClient(base_url=site.url, verify=trust) as client:
        assert (await client.post(READINGS, content=certified[0].envelope, headers=OCTETS)).status_code == 200
    await asyncio.to_thread(until, lambda: all(committed(site, each) for each in (one, *several, *listed, *certified)))


def site_roots(site: Site) -> tuple[str, ...]:
    from tests.gateway.http.conftest import trusted

    return trusted(site.node.network)


async def test_a_refused_item_is_named_and_the_others_are_safe(site: Site) -> None:
    """No 2xx unless all of it is on disk: the problem says of each what became of it."""
    device = site.device("signs-2", "--identity", site.meter.signer.identity.hex())
    good, altered = signed(site, 2)
    broken = altered.envelope[:-1] + bytes([altered.envelope[-1] ^ 1])
    texts = [base64.b64encode(one).decode() for one in (good.envelope, broken, b"garbage")]
    async with site.client() as client:
        answer = await device.post(client, READINGS, {"envelopes": texts})
    told = answer.json()
    assert (answer.status_code, told["code"]) == (401, "SIGNATURE_INVALID")
    assert [one["code"] for one in told["answers"]] == ["OK", "SIGNATURE_INVALID", "TRANSACTION_MALFORMED"]
    await asyncio.to_thread(until, lambda: committed(site, good))


async def test_who_asks_is_not_believed(site: Site, plug: Device) -> None:
    """No credentials, wrong ones, a replay, a clock that is off, another's meter, a customer's certificate."""
    document = looks(600)
    body = json.dumps(document).encode()
    media = {"content-type": "application/json"}
    async with site.client() as client:

        async def code(headers: dict[str, str], content: bytes = body) -> str:
            answer = await client.post(READINGS, content=content, headers=media | headers)
            assert answer.headers["content-type"] == "application/problem+json"
            return str(answer.json()["code"])

        assert await code({}) == "CREDENTIALS_INVALID"
        assert await code({"authorization": "Bearer plug-1." + "0" * 64}) == "CREDENTIALS_INVALID"
        assert await code({"authorization": f"Bearer plug-1.{plug.secret}"}) == "CREDENTIALS_INVALID", "it is to sign"
        assert await code(Device("plug-1", "guess").signed("POST", READINGS, body)) == "CREDENTIALS_INVALID"
        assert await code(Device("nobody", plug.secret).signed("POST", READINGS, body)) == "CREDENTIALS_INVALID"
        assert await code(plug.signed("POST", READINGS, body), body + b" ") == "CREDENTIALS_INVALID"
        years_ms = 5 * 365 * 86_400_000
        for off_ms in (-years_ms, -301_000, 301_000, years_ms):
            at_ms = time.time_ns() // 1_000_000 + off_ms
            assert await code(plug.signed("POST", READINGS, body, time_ms=at_ms)) == "REQUEST_STALE"
        once = plug.signed("POST", READINGS, b"{}")
        assert await code(once, b"{}") == "READING_INVALID"
        assert await code(once, b"{}") == "REQUEST_REPLAYED"
        answer = await plug.post(client, READINGS, document | {"meter": "north:plug-2"})
        assert answer.json()["code"] == "ROLE_REFUSED"
    customer = site.node.network.newcomer("north", "customer", Role.CUSTOMER)
    trust = ssl.create_default_context(cadata="".join(site_roots(site)))
    trust.load_cert_chain(customer.directory / "tls-certificate.pem", customer.directory / "tls-key.pem")
    async with httpx.AsyncClient(base_url=site.url, verify=trust) as client:
        answer = await client.post(READINGS, content=b"", headers=OCTETS)
        assert answer.json()["code"] == "ROLE_REFUSED"


async def test_garbage_leaves_nothing_behind(site: Site) -> None:
    """NaN, wrong units, a clock years off, other media, too much: refused whole, and the next reading is the first."""
    device = site.device("plug-2", "--method", "bearer", "--meter", "north:plug-2")
    bad: list[Any] = [
        {"readings": [{"unit": "kW", "import": 1}]},
        {"readings": [{"unit": "kWh", "import": "NaN"}]},
        {"readings": [{"unit": "kWh", "import": -5}]},
        {"readings": [looks(1)["readings"][0], {"unit": "kWh", "import": 2, "time": "2099-01-01T00:00:00Z"}]},
        {"readings": [looks(1)["readings"][0]], "envelopes": ["AA=="]},
        [],
    ]
    async with site.client(headers=device.bearer) as client:
        for document in bad:
            answer = await client.post(READINGS, json=document)
            assert (answer.status_code, answer.json()["code"]) == (400, "READING_INVALID"), document
        wrong = {"content-type": "text/plain"}
        assert (await client.post(READINGS, content=b"1", headers=wrong)).json()["code"] == "MEDIA_TYPE_REFUSED"
        large = await client.post(READINGS, content=b"0" * 600_000, headers=OCTETS)
        assert (large.status_code, large.json()["code"]) == (413, "BODY_TOO_LARGE")
        assert (await client.post(READINGS, json=looks(7))).status_code == 200
    rows = await asyncio.to_thread(site.rows, "north:plug-2", 1)
    assert [(row[0], row[2]) for row in rows] == [(0, 7_000_000)]


async def test_a_device_that_is_taken_out_is_out(site: Site) -> None:
    """With its next request, while the gateway runs."""
    device = site.device("gone", "--method", "bearer", "--meter", "north:plug-1")
    file = site.gateway.directory / "http-devices.json"
    assert file.stat().st_mode & 0o077 == 0
    assert device.secret.rpartition(".")[2] not in file.read_text()
    async with site.client(headers=device.bearer) as client:
        assert (await client.post(READINGS, json={})).json()["code"] == "READING_INVALID"
        found = json.loads(file.read_text())
        found["devices"] = [one for one in found["devices"] if one["name"] != "gone"]
        file.write_text(json.dumps(found))
        assert (await client.post(READINGS, json={})).json()["code"] == "CREDENTIALS_INVALID"


async def test_plain_words_to_a_tls_port_and_half_open_clients_hold_nothing(site: Site, plug: Device) -> None:
    """Others are served meanwhile."""
    port = site.gateway.serving["http_port"]
    silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(50)]
    for _, writer in silent[:25]:
        writer.write(b"POST /api/v1/readings HTTP/1.1\r\n")
    try:
        async with site.client() as client:
            assert (await plug.post(client, READINGS, looks(700))).status_code == 200
    finally:
        for _, writer in silent:
            writer.close()
