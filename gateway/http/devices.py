"""Who a device is that comes by HTTP: a secret it shows, a signature it makes with one, or a certificate.

`http-devices.json` in the gateway's directory names those with secrets. It is its owner's alone (0600), and holds the
SHA-256 of each secret, which is random and long, so that a hash needs no salt. Who steals the file can sign as devices
of the method `hmac` (their key is that hash), but not as those of `bearer`.

    {"devices": [{"name": "plug-1", "method": "hmac", "secret_sha256": "…", "meter": "north:plug"}]}

The file is read again when it has changed: a device that is taken out is out with its next request. A device with a
certificate of one of the ledger's organisations (roles meter and gateway, as over gRPC) needs no line in it.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

import msgspec

from gateway.http.listed import Listed, require_names, signed_by
from gateway.http.signature import SCHEME, Seen
from gateway.limits import Limits
from gateway.outbox.entry import Sender
from ledgernode.errors import BadRequest, CredentialsInvalid, LedgerError, RoleRefused
from ledgernode.identity.certificates import verify_tls_chain
from ledgernode.identity.records import Role
from ledgernode.identity.secret_file import create_secret, read_secret
from ledgernode.identity.tls import Trust
from ledgernode.wire.unreadable import UNREADABLE

if TYPE_CHECKING:
    from fastapi import Request  # who only writes the file needs no server

FILE: Final = "http-devices.json"
SECRET_BYTES: Final = 32
_MINUTE_MS: Final = 60_000
_CHAINS_KEPT: Final = 20_000
_SHOWN_CHARACTERS: Final = 256
_NOBODY: Final = "0" * 64


class Device(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """`meter` is whose readings it sends; `identity` (hex) whose commands it takes, where the meter has a key.

    A `service` tells devices something (the vending service its tokens). With a `url` the device is asked, not asking.
    """

    name: str
    method: Literal["bearer", "hmac"]
    secret_sha256: str
    meter: str = ""
    identity: str = ""
    url: str = ""
    service: bool = False

    @property
    def listens_as(self) -> str:
        """How commands name it."""
        return self.identity or self.meter

    @property
    def key(self) -> bytes:
        return bytes.fromhex(self.secret_sha256)


class DeviceFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    devices: tuple[Device, ...] = ()


class Caller(NamedTuple):
    """Who a request is of; `device` where the file names it, by a certificate nobody does."""

    sender: Sender
    device: Device | None


class Devices:
    """Of one gateway. `trust` says whose certificates are taken."""

    def __init__(
        self, directory: Path, organisation: str, trust: Trust, limits: Limits, clock_ms: Callable[[], int]
    ) -> None:
        self._listed = Listed(directory / FILE, lambda path: read_devices(path).devices)
        self._organisation = organisation
        self._trust = trust
        self._clock_ms = clock_ms
        self._seen = Seen(limits.http_clock_ms, limits.http_nonces)

    def __iter__(self) -> Iterator[Device]:
        return iter(self._listed)

    async def caller(self, request: Request) -> Caller:
        """Who asks. Raises CredentialsInvalid, RequestStale, RequestReplayed, RoleRefused."""
        header = request.headers.get("authorization", "")
        if header:
            device = await self._by_secret(header, request)
            return Caller(Sender(self._organisation, Role.METER.value, device.name), device)
        from gateway.http.server import PEER

        chain = getattr(request.state, PEER, "")
        if not chain:
            raise CredentialsInvalid("a device shows a secret, signs its request, or has a certificate")
        return Caller(self._by_certificate(chain), None)

    async def _by_secret(self, header: str, request: Request) -> Device:
        scheme, _, shown = header.partition(" ")
        if scheme == SCHEME:
            claim = await signed_by(request, header, self._signing_key)
            self._seen.take(claim, self._clock_ms())
            if (device := self._listed.find(claim.name)) is not None:
                return device
            raise CredentialsInvalid("the device was taken out")
        if scheme.lower() != "bearer" or len(shown) > _SHOWN_CHARACTERS:
            raise CredentialsInvalid(f"an authorization is of Bearer or {SCHEME}")
        name, _, secret = shown.strip().rpartition(".")
        device = self._listed.find(name)
        expected = device.secret_sha256 if device is not None and device.method == "bearer" else _NOBODY
        if not hmac.compare_digest(hashlib.sha256(secret.encode()).hexdigest(), expected) or device is None:
            raise CredentialsInvalid("the secret is not that of the device")
        return device

    def _signing_key(self, name: str) -> bytes | None:
        device = self._listed.find(name)
        return device.key if device is not None and device.method == "hmac" else None

    def _by_certificate(self, chain: str) -> Sender:
        try:
            return _certified(chain, tuple(self._trust.roots), self._clock_ms() // _MINUTE_MS)
        except RoleRefused:
            raise
        except LedgerError as error:
            raise CredentialsInvalid(f"the certificate does not hold: {error}") from error


def read_devices(path: Path) -> DeviceFile:
    """Refuses a file that others can touch, unknown names, and a name that stands twice."""
    try:
        found = msgspec.json.decode(read_secret(path), type=DeviceFile)
    except UNREADABLE as error:
        raise BadRequest(f"{path}: {error}") from error
    require_names(path, found.devices)
    return found


def write_devices(path: Path, found: DeviceFile) -> None:
    """In place of what is there, at once or not at all."""
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    create_secret(beside, msgspec.json.format(msgspec.json.encode(found), indent=2) + b"\n")
    beside.replace(path)


def new_secret() -> tuple[str, str]:
    """A secret and its SHA-256."""
    secret = secrets.token_hex(SECRET_BYTES)
    return secret, hashlib.sha256(secret.encode()).hexdigest()


@lru_cache(maxsize=_CHAINS_KEPT)
def _certified(chain: str, roots: tuple[str, ...], minute: int) -> Sender:
    """Looked at once a minute."""
    found = verify_tls_chain(chain, roots, minute * _MINUTE_MS)
    if found.role not in (Role.METER, Role.GATEWAY):
        raise RoleRefused(f"a gateway serves meters and gateways, not {found.name} ({found.role})")
    return Sender(found.organisation, found.role.value, found.name)
