"""TLS in front of an application: who shows a certificate is known by it, and who shakes no hands holds nothing."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import httpx
import pytest
from fastapi import APIRouter, Request
from starlette.responses import Response

from gateway.http.app import answer
from gateway.http.certificates import Contexts, HttpTls
from gateway.http.devices import Devices
from gateway.limits import Limits
from ledgernode.errors import KeyFileUnsafe
from ledgernode.identity.records import Role
from ledgernode.identity.tls import Trust, load_tls
from tests.gateway.http.serving import served
from tests.gateway.running import gateway_identity
from tests.running import Person, SoloNetwork, now_ms


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> SoloNetwork:
    return SoloNetwork(tmp_path_factory.mktemp("founded"))


@pytest.fixture(scope="module")
def files(network: SoloNetwork) -> HttpTls:
    folder = gateway_identity(network)
    return HttpTls(folder / "tls-certificate.pem", folder / "tls-key.pem", load_tls(network.admin.directory).roots)


def who(network: SoloNetwork, directory: Path) -> APIRouter:
    area = APIRouter()
    devices = Devices(directory, "north", Trust(load_tls(network.admin.directory)), Limits(), now_ms)

    @area.get("/who")
    async def caller(request: Request) -> Response:
        return answer(await devices.caller(request))

    return area


def context(files: HttpTls, person: Person | None = None) -> ssl.SSLContext:
    found = ssl.create_default_context(cadata="".join(files.roots))
    if person is not None:
        found.load_cert_chain(person.directory / "tls-certificate.pem", person.directory / "tls-key.pem")
    return found


async def test_a_certificate_says_who_asks(network: SoloNetwork, files: HttpTls, tmp_path: Path) -> None:
    """By organisation, role and name; without one, and with a role that brings nothing, nobody is known."""
    meter = network.newcomer("south", "meter-9", Role.METER)
    customer = network.newcomer("south", "customer-9", Role.CUSTOMER)
    async with served(who(network, tmp_path), tls=files) as at:

        async def told(person: Person | None) -> httpx.Response:
            async with httpx.AsyncClient(base_url=at.url, verify=context(files, person)) as client:
                return await client.get("/who")

        assert (await told(meter)).json()[0] == ["south", "meter", "meter-9"]
        assert (await told(None)).json()["code"] == "CREDENTIALS_INVALID"
        assert (await told(customer)).json()["code"] == "ROLE_REFUSED"


async def test_a_stranger_with_a_certificate_of_its_own_does_not_get_in(
    network: SoloNetwork, files: HttpTls, tmp_path: Path
) -> None:
    """Another ledger's authorities are not ours, whatever name they write."""
    other = SoloNetwork(tmp_path / "other")
    stranger = other.newcomer("south", "meter-9", Role.METER)
    shown = context(files, stranger)
    async with served(who(network, tmp_path), tls=files) as at, httpx.AsyncClient(base_url=at.url, verify=shown) as one:
        with pytest.raises(httpx.TransportError):
            await one.get("/who")


async def test_a_handshake_that_does_not_come_is_given_up(network: SoloNetwork, files: HttpTls, tmp_path: Path) -> None:
    async with served(who(network, tmp_path), tls=files, handshake_ms=300) as at:
        async with asyncio.timeout(10):
            assert await at.raw(b"") == b""
            assert b"HTTP" not in await at.raw(b"GET / HTTP/1.1\r\n\r\n")


async def test_a_key_that_others_can_read_is_not_served(network: SoloNetwork, files: HttpTls, tmp_path: Path) -> None:
    loose = tmp_path / "key.pem"
    loose.write_bytes(files.key.read_bytes())
    loose.chmod(0o644)
    with pytest.raises(KeyFileUnsafe):
        async with served(who(network, tmp_path), tls=files._replace(key=loose)):
            pass


async def test_files_and_roots_that_change_count_from_the_next_handshake_on(
    network: SoloNetwork, files: HttpTls, tmp_path: Path
) -> None:
    """The certificate that is shown, and whose certificates are taken; what is half replaced changes nothing. A
    connection that is open stays."""
    shown = HttpTls(tmp_path / "certificate.pem", tmp_path / "key.pem")
    other = gateway_identity(network, "gateway-renewed")
    north, south = load_tls(network.admin.directory).roots
    trusted = [(north,)]
    for mine, theirs in ((shown.certificate, files.certificate), (shown.key, files.key)):
        mine.write_bytes(theirs.read_bytes())
        mine.chmod(0o600)
    contexts = Contexts(shown, lambda: trusted[0])
    meters = [network.newcomer(name, "meter-renewed", Role.METER) for name in ("north", "south")]

    async def answered(person: Person, server: asyncio.Server) -> bytes:
        """What the server shows, or nothing where it does not take this one."""
        port = server.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("localhost", port, ssl=context(files, person))
        try:
            await reader.readexactly(1)
            return bytes(writer.get_extra_info("ssl_object").getpeercert(True))
        except (OSError, asyncio.IncompleteReadError):
            return b""
        finally:
            writer.close()

    async def greet(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"x")

    async with await asyncio.start_server(greet, "127.0.0.1", 0, ssl=contexts.first) as server:
        first = await answered(meters[0], server)
        assert first
        assert not await answered(meters[1], server)
        shown.certificate.write_bytes((other / "tls-certificate.pem").read_bytes())
        assert await answered(meters[0], server) == first, "its key is not there yet"
        shown.key.write_bytes((other / "tls-key.pem").read_bytes())
        assert await answered(meters[0], server) not in (b"", first)
        trusted[0] = (south,)
        assert await answered(meters[1], server)
        assert not await answered(meters[0], server)
