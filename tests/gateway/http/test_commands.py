"""Commands by HTTP: devices that ask, devices that are asked, services that tell; over a kill, until acknowledged."""

from __future__ import annotations

import asyncio
import json
import socket
from typing import Any

import pytest

from gateway.http.signature import Request, holds, key_of, read_claim
from tests.conditions import eventually
from tests.gateway.http.conftest import Site
from tests.gateway.http.devices import Device

pytestmark = pytest.mark.slow
COMMANDS = "/api/v1/commands"


def say(site: Site, function: str, **arguments: object) -> None:
    with site.node.ledger() as ledger:
        ledger.submit("settlement", function, arguments, signer=site.node.network.admin.signer)


async def told(site: Site, device: Device, wait_ms: int = 10_000) -> list[dict[str, Any]]:
    async with site.client() as client:
        answer = await device.get(client, f"{COMMANDS}?wait_ms={wait_ms}")
        assert answer.status_code == 200, answer.text
        return answer.json()["commands"]  # type: ignore[no-any-return]


async def received(site: Site, device: Device, kind: str, number: int) -> int:
    target = f"{COMMANDS}/{kind}/{number}/received"
    async with site.client() as client:
        return (await client.post(target, headers=device.signed("POST", target))).status_code


async def test_a_device_waits_for_its_command_and_says_that_it_has_it(site: Site) -> None:
    """Told as soon as the ledger says it; again until received; over a kill; the next one after it is done."""
    device = site.device("relay-1", "--meter", "north:relay-1")
    waiting = asyncio.create_task(told(site, device, 20_000))
    await asyncio.sleep(0.2)
    await asyncio.to_thread(say, site, "command", number=1, device="north:relay-1", action="start")
    [command] = await waiting
    assert (command["kind"], command["number"], command["payload"]["action"]) == ("delivery", 1, "start")
    assert command["height"] > 0
    assert len(command["transaction_id"]) == 64
    [again] = await told(site, device)
    assert again["number"] == 1, "it has not said that it has it"
    site.gateway.kill()
    site.gateway.start()
    [again] = await told(site, device)
    assert again["number"] == 1
    assert await received(site, device, "delivery", 1) == 204
    assert await received(site, device, "delivery", 1) == 204, "the same again"
    assert await received(site, device, "delivery", 99) == 404
    await asyncio.to_thread(say, site, "command", number=2, device="north:relay-1", action="stop")
    assert await told(site, device, 1_500) == [], "one at a time"
    await asyncio.to_thread(say, site, "acknowledge", command=1)
    [command] = await told(site, device)
    assert command["number"] == 2
    await asyncio.to_thread(say, site, "acknowledge", command=2)


async def test_nobody_hears_or_settles_anothers_command(site: Site) -> None:
    mine, other = (site.device(name, "--meter", f"north:{name}") for name in ("relay-2", "relay-3"))
    await asyncio.to_thread(say, site, "command", number=20, device="north:relay-2", action="start")
    [command] = await told(site, mine)
    assert command["number"] == 20
    assert await told(site, other, 300) == []
    assert await received(site, other, "delivery", 20) == 404
    async with site.client() as client:
        answer = await other.get(client, f"{COMMANDS}?device=north:relay-2&wait_ms=0")
        assert answer.json()["code"] == "ROLE_REFUSED"
        for target in (f"{COMMANDS}?wait_ms=9999999", f"{COMMANDS}?wait_ms=x"):
            assert (await other.get(client, target)).json()["code"] == "REQUEST_INVALID"
        assert (await client.get(COMMANDS)).status_code == 401
        given = {"kind": "token", "number": 1, "device": "north:relay-2", "payload": {}}
        assert (await other.post(client, COMMANDS, given)).json()["code"] == "ROLE_REFUSED"
    await asyncio.to_thread(say, site, "acknowledge", command=20)


async def test_a_service_tells_a_device(site: Site) -> None:
    """A token by wire: given once under its number, kept over a kill, heard by its device alone."""
    device, service = site.device("relay-4", "--meter", "north:relay-4"), site.device("vending", "--service")
    given = {"kind": "token", "number": 7, "device": "north:relay-4", "payload": {"digits": "1" * 20}, "text": "20"}
    async with site.client() as client:
        assert (await service.post(client, COMMANDS, given)).status_code == 202
        assert (await service.post(client, COMMANDS, given | {"payload": {"digits": "2" * 20}})).status_code == 202
        assert (await service.post(client, COMMANDS, given | {"kind": "delivery"})).status_code == 400
    site.gateway.kill()
    site.gateway.start()
    [command] = await told(site, device)
    assert (command["kind"], command["number"], command["payload"]) == ("token", 7, {"digits": "1" * 20})
    assert await received(site, device, "token", 7) == 204


async def test_a_device_is_asked_until_it_takes_its_command(site: Site) -> None:
    """002-4: the controller accepts demand over HTTP. Not there, or refusing, it is asked again; its answer ends it."""
    kept = socket.socket()  # bound, and not listening yet: nobody else is given the port
    kept.bind(("127.0.0.1", 0))
    port = kept.getsockname()[1]
    options = ("--meter", "north:controller", "--url", f"http://127.0.0.1:{port}/demand?house=1")
    device = site.device("controller", *options)
    await asyncio.to_thread(say, site, "command", number=30, device="north:controller", action="start")
    await asyncio.sleep(0.5)
    asked: list[tuple[bytes, bytes]] = []

    async def controller(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
        asked.append((head, await reader.readexactly(length)))
        writer.write(b"HTTP/1.1 503 Busy\r\n\r\n" if len(asked) == 1 else b"HTTP/1.1 204 Taken\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(controller, sock=kept):
        await eventually(lambda: len(asked) >= 2)
        await asyncio.sleep(1.5)
    assert len(asked) == 2
    head, body = asked[1]
    assert json.loads(body)["number"] == 30
    [header] = [line[15:].decode() for line in head.split(b"\r\n") if line.lower().startswith(b"authorization:")]
    assert holds(read_claim(header), key_of(device.secret), Request("POST", "/demand?house=1", body))
    await asyncio.to_thread(say, site, "acknowledge", command=30)


async def test_a_gateway_that_stops_lets_those_who_wait_go(site: Site) -> None:
    """SIGTERM: an empty answer instead of a broken connection."""
    device = site.device("relay-5", "--meter", "north:relay-5")
    waiting = asyncio.create_task(told(site, device, 60_000))
    await asyncio.sleep(0.5)
    assert await asyncio.to_thread(site.gateway.terminate) == 0
    assert await waiting == []
    await asyncio.to_thread(site.gateway.start)
