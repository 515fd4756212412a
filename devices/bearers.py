"""How a meter reaches gateways: each bearer a name, and what opens a line. `gateway_link` goes from one to the next.

    near.example:7060                          a gateway's own stream (gRPC, mutual TLS)
    mqtts://broker.example:8883/market         gateways behind a broker, MQTT over TLS; the path is the ledger's name
    mqtt://localhost:1883/market               the same without TLS: a broker on this machine only

A broker's username is in front of the host, where it is not the device's own name (`organisation/name`, by its TLS
certificate). Behind a question mark stand `version` (5, or 3.1.1), `password` and `roots` (files, as seen from the
meter's home). Without a password file, and without `broker-password` in the home, the meter shows its TLS certificate.

Files are read each time a line is opened: certificates and passwords are renewed while a meter runs.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple, Protocol
from urllib.parse import parse_qsl, unquote, urlsplit

from gateway.client import GatewayClient
from gateway.v1 import gateway_pb2 as pb
from ledgernode.errors import BadRequest
from ledgernode.identity.secret_file import read_secret
from ledgernode.identity.tls import TlsFiles, channel_credentials, load_tls, split_roots

BROKER_FILE: Final = "broker-password"
TLS, PLAIN = "mqtts", "mqtt"
_PORTS: Final = {TLS: 8883, PLAIN: 1883}
_SETTINGS: Final = ("version", "password", "roots")


class Line(Protocol):
    """An open way to a gateway: what a stream and a broker have in common. Every method raises why it ended."""

    async def connect(self, *, ledger: str = "", devices: Sequence[bytes] = ()) -> pb.Welcome: ...
    async def brought(self, envelopes: Sequence[bytes]) -> pb.Answers: ...
    async def ask(self, query: bytes) -> bytes: ...
    async def received(self, command: pb.Command) -> None: ...
    def told(self) -> AsyncIterator[pb.ConnectResponse]: ...
    async def ended(self) -> Exception: ...


class Bearer(NamedTuple):
    """`name` is what the meter's events call it; `open` makes a line that is not connected yet."""

    name: str
    open: Callable[[], AbstractAsyncContextManager[Line]]


class BrokerAt(NamedTuple):
    """A broker's address, taken apart."""

    host: str
    port: int
    ledger: str
    tls: bool
    username: str = ""
    version: str = "5"
    password: str = ""
    roots: str = ""


def bearers(addresses: Sequence[str], home: Path, *, timeout_ms: int = 20_000) -> tuple[Bearer, ...]:
    """In the order of preference. Refuses an address that is none, and MQTT where its packages are not installed."""
    return tuple(_bearer(address, home, timeout_ms) for address in addresses)


def _bearer(address: str, home: Path, timeout_ms: int) -> Bearer:
    if "://" not in address:
        return Bearer(address, partial(_stream, address, home, timeout_ms))
    at = read_broker(address)
    try:
        import gateway.mqtt.client  # noqa: F401  # a meter that knows no broker needs no MQTT
    except ModuleNotFoundError as error:
        raise BadRequest(f"a broker needs {error.name}: install ledgernode[gateway]") from error
    return Bearer(address, partial(_at_broker, at, home, timeout_ms))


def read_broker(address: str) -> BrokerAt:
    """From a URL. Refuses one without a ledger, with settings nobody knows, and a broker elsewhere without TLS."""
    try:
        found = urlsplit(address)
        port = found.port or _PORTS.get(found.scheme, 0)
        said = dict(parse_qsl(found.query, keep_blank_values=True, strict_parsing=bool(found.query)))
    except ValueError as error:
        raise BadRequest(f"a broker's address is mqtts://HOST:PORT/LEDGER, not {address!r}") from error
    ledger = unquote(found.path).strip("/")
    if found.scheme not in _PORTS or not found.hostname or not ledger or "/" in ledger or found.fragment:
        raise BadRequest(f"a broker's address is mqtts://HOST:PORT/LEDGER, not {address!r}")
    if found.password is not None:
        raise BadRequest("a password does not stand in an address, which everybody may read: name a file of it")
    if not said.keys() <= set(_SETTINGS) or said.get("version", "5") not in ("5", "3.1.1"):
        raise BadRequest(f"of a broker one may set {', '.join(_SETTINGS)} (5 or 3.1.1), not {found.query!r}")
    tls = found.scheme == TLS
    if not tls and found.hostname not in ("localhost", "127.0.0.1", "::1"):
        raise BadRequest(f"a broker on another machine ({found.hostname}) is reached over TLS only: mqtts://")
    return BrokerAt(found.hostname, port, ledger, tls, unquote(found.username or ""), **said)


def _stream(address: str, home: Path, timeout_ms: int) -> AbstractAsyncContextManager[Line]:
    return GatewayClient(address, channel_credentials(load_tls(home)), timeout_ms=timeout_ms)


def _at_broker(at: BrokerAt, home: Path, timeout_ms: int) -> AbstractAsyncContextManager[Line]:
    from gateway.mqtt.client import BrokerClient
    from gateway.mqtt.connection import Access, tls_context

    files = load_tls(home)
    device = _device(files)
    password = _password(at, home)
    context = None
    if at.tls:
        roots = split_roots((home / at.roots).read_text()) if at.roots else files.roots
        shown = ("", b"") if password else (files.certificate, files.key)
        context = tls_context(roots, *shown)
    access = Access(
        at.host,
        at.port,
        client=device.replace("/", "-"),
        tls=context,
        username=(at.username or device) if password else "",
        password=password,
        version=at.version,
    )
    return BrokerClient(access, at.ledger, device, timeout_ms=timeout_ms)


def _password(at: BrokerAt, home: Path) -> str:
    """Empty where the meter shows its certificate instead. Refuses a file that others may read."""
    path = home / (at.password or BROKER_FILE)
    if not at.password and not path.exists():
        if at.username or not at.tls:
            raise BadRequest(f"a broker that wants a password: {path} has none")
        return ""
    return read_secret(path).decode().strip()


def _device(files: TlsFiles) -> str:
    """Whose branch of the topics is ours: `organisation/name`, by our own certificate."""
    from gateway.mqtt.reach import own_device

    return str(own_device(files))
