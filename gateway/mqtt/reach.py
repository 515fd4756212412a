"""From what an operator has set to where the broker is, and as whom the gateway comes."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from gateway.limits import Limits
from gateway.loopback import is_loopback
from gateway.mqtt.connection import VERSIONS, Access, tls_context
from gateway.mqtt.topics import Device
from gateway.settings import BrokerSetting
from ledgernode.errors import BadRequest
from ledgernode.identity.certificate_profile import read_pem
from ledgernode.identity.secret_file import read_secret
from ledgernode.identity.tls import TlsFiles, split_roots

_LARGEST_PORT: Final = 65_535


def broker_access(setting: BrokerSetting, directory: Path, files: TlsFiles, limits: Limits) -> Access:
    """Refuses an address that is none, a password that others can read, and a broker elsewhere without TLS."""
    host, port = read_address(setting.address)
    if setting.version not in VERSIONS:
        raise BadRequest(f"MQTT comes in versions {' and '.join(VERSIONS)}, not {setting.version!r}")
    if not setting.tls and not is_loopback(host):
        raise BadRequest(f"a broker on another machine ({host}) is reached over TLS only")
    password = ""
    if setting.username:
        if not setting.password_file:
            raise BadRequest(f"{setting.username} has no password_file")
        password = read_secret(directory / setting.password_file).decode().strip()
    elif not setting.tls:
        raise BadRequest("without TLS a username is needed")
    context = None
    if setting.tls:
        roots = split_roots((directory / setting.roots_file).read_text()) if setting.roots_file else files.roots
        shown = ("", b"") if setting.username else (files.certificate, files.key)
        context = tls_context(roots, *shown)
    return Access(
        host=host,
        port=port,
        client=setting.client or client_name(files),
        tls=context,
        username=setting.username,
        password=password,
        version=setting.version,
        session_s=limits.broker_shared_session_s if setting.share else limits.broker_session_s,
        keepalive_s=limits.broker_keepalive_s,
        connect_ms=limits.broker_connect_ms,
        receive=limits.broker_in_flight,
        message_bytes=limits.message_bytes,
        outgoing=limits.broker_out,
    )


def client_name(files: TlsFiles) -> str:
    """Organisation and name by our certificate: two gateways under one name would throw each other out for ever."""
    own = own_device(files)
    return f"{own.organisation}-{own.name}"


def own_device(files: TlsFiles) -> Device:
    """Who we are, by our certificate."""
    leaf = read_pem(files.certificate, 2)[0]
    assert leaf.member is not None, "a TLS certificate of ours is somebody's"
    return Device(leaf.organisation, leaf.member.name)


def read_address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) <= _LARGEST_PORT:
        raise BadRequest(f"a broker's address is HOST:PORT, not {text!r}")
    return host.removeprefix("[").removesuffix("]"), int(port)
